"""From an open archive to a `KerasModel`: every layer converted, or one error that lists all that cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trtnn.errors import ArgumentError, FileFormatError, TrtnnError, UnsupportedError
from trtnn.importers.keras.archive import Archive, open_archive
from trtnn.importers.keras.calling import no_mask, pass_mask
from trtnn.importers.keras.functional import as_functional, declared_inputs
from trtnn.importers.keras.model import Convention, Function, Identity, KerasModel, call_model
from trtnn.importers.keras.order import calls_in_order
from trtnn.importers.keras.precision import half_precision, require_float32
from trtnn.importers.keras.registry import Conversion, KerasLayer, conversion_name, find_conversion
from trtnn.importers.keras.spec import MODELS, LayerSpec, ModelSpec, parse_layer, parse_model
from trtnn.importers.keras.variables import Variables, variables_of
from trtnn.module import Module

WITHOUT_CODE = "its code is not in the file as data, and code from a file is never run"


def build_model(path: Path) -> KerasModel:
    """The model in a file. Raises FileFormatError or UnsupportedError."""
    archive = open_archive(path)
    _require_graph(archive)
    spec = parse_model(archive.config)
    problems = _unconvertible(spec)
    if problems:  # before anything is built
        raise _refusal(path, problems)
    builder = _Builder(archive.keras_version)
    model = builder.model(spec, variables_of(archive.weights, archive.is_legacy))
    if builder.problems:
        raise _refusal(path, builder.problems)
    return model


def _require_graph(archive: Archive) -> None:
    config = archive.config
    class_name = config.get("class_name") if isinstance(config, dict) else None
    if class_name in MODELS and "layers" in _inner(config):
        return
    if not isinstance(class_name, str):
        raise FileFormatError(f"{archive.path}: config.json: $.class_name", expected="a string", got=repr(class_name))
    if class_name in MODELS and class_name != "Model":
        raise FileFormatError(f"{archive.path}: config.json: $.config.layers", expected="a list", got="nothing")
    raise UnsupportedError(
        str(archive.path),
        problem=f"{class_name} is a subclassed model, whose forward pass is Python code and not in the file",
        remedy="write it as a trtnn.Module and load the file's weights with load_weights",
    )


def _inner(config: Mapping[str, Any]) -> Any:
    inner = config.get("config")
    return {"layers": inner} if isinstance(inner, list) else inner if isinstance(inner, dict) else {}


def _unconvertible(spec: ModelSpec) -> list[UnsupportedError]:
    """What can be seen to be impossible before any variable is read: unknown classes and data types."""
    found: list[UnsupportedError] = []
    for layer in spec.layers:
        if layer.model is not None:
            found += _unconvertible(layer.model)
            continue
        if layer.class_name != "InputLayer" and find_conversion(layer) is None:
            found.append(UnsupportedError(layer.title, problem=_unknown(layer)))
        try:
            require_float32(layer)
        except UnsupportedError as error:
            found.append(error)
    return found


def _unknown(layer: LayerSpec) -> str:
    name = conversion_name(layer)
    return f"no converter for {name}" + (f" ({WITHOUT_CODE})" if name == "Lambda" else "")


def _refusal(path: Path, problems: list[UnsupportedError]) -> UnsupportedError:
    unknown = sorted({str(one.problem).split()[3] for one in problems if str(one.problem).startswith("no converter")})
    name = unknown[0] if unknown else "MyLayer"
    lines = "".join(f"\n  {one}" for one in problems)
    count = f"{len(problems)} layers" if len(problems) > 1 else "1 layer"
    return UnsupportedError(
        str(path),
        problem=f"{count} cannot be converted:{lines}\n",
        remedy=f'register a converter with @trtnn.keras_layer("{name}"), or replace the layer before saving',
    )


class _Builder:
    """Converts layers, and collects what cannot be converted."""

    def __init__(self, keras_version: int) -> None:
        self.problems: list[UnsupportedError] = []
        self._keras_version = keras_version

    def model(self, spec: ModelSpec, variables: Variables) -> KerasModel:
        """The model, whose layers have their variables."""
        spec = as_functional(spec)
        real = [layer for layer in spec.layers if layer.class_name != "InputLayer"]
        stored = dict(zip((one.name for one in spec.layers), variables.layers(spec.layers), strict=True))
        made = {layer.name: self._layer(layer, stored[layer.name]) for layer in real}
        layers = {name: module for name, (module, _) in made.items()}
        conventions = {name: convention for name, (_, convention) in made.items()}
        ends = (spec.inputs, spec.outputs)
        inputs, steps = declared_inputs(spec), calls_in_order(spec)
        return KerasModel(spec.name, layers, conventions, inputs, ends, steps, half_precision(spec.layers))

    def _layer(self, spec: LayerSpec, variables: Variables) -> tuple[Module, Convention]:
        layer = KerasLayer(spec, variables, self._keras_version, self._nested)
        if spec.model is not None:
            return self.model(spec.model, variables), Convention(call_model, no_mask, layer.option, self._keras_version)
        conversion = find_conversion(spec)
        try:
            if conversion is None:
                raise UnsupportedError(spec.title, problem=_unknown(spec))
            module = _convert(layer, conversion)
        except UnsupportedError as error:
            self.problems.append(error)
            return Identity(spec.class_name), Convention(call_model, pass_mask, layer.option, self._keras_version)
        masks = no_mask if spec.is_operation else conversion.masks
        return module, Convention(conversion.call, masks, layer.option, self._keras_version)

    def _nested(self, raw: Mapping[str, Any], variables: Variables, where: str) -> Module:
        return self._layer(parse_layer(raw, where), variables)[0]


def _convert(layer: KerasLayer, conversion: Conversion) -> Module:
    try:
        module = conversion.convert(layer)
    except TrtnnError as error:
        if isinstance(error, (UnsupportedError, FileFormatError)):
            raise
        raise FileFormatError(  # an option with a value that makes no sense
            f"config.json: {layer.spec.where}", problem=f"{layer.spec.title} is malformed: {error}"
        ) from error
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, OverflowError) as error:
        raise FileFormatError(
            f"config.json: {layer.spec.where}", problem=f"{layer.spec.title} is malformed: {error!r}"
        ) from error
    if conversion.is_own:
        layer.require_no_other_options()
    if isinstance(module, Module):
        return module
    if not callable(module):
        raise ArgumentError(
            layer.spec.title, expected="its converter to return a Module or a function of tensors", got=repr(module)
        )
    return Function(module)
