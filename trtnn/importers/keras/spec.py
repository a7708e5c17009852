"""A Keras config as checked, frozen data: layers, their calls, and how tensors flow between the calls.

Every Keras version's way to write a call becomes one `Call` (see `arguments`). What is malformed raises FileFormatError
with its JSON path.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from trtnn.errors import FileFormatError
from trtnn.importers.keras.arguments import (
    NESTING_LIMIT,
    Call,
    TensorRef,
    is_reference,
    malformed,
    member,
    parse_call,
    references,
    substitute,
)

MODELS = ("Functional", "Sequential", "Model")


@attrs.frozen
class LayerSpec:
    """One layer of the config. ``where`` is its JSON path."""

    class_name: str
    module: str
    name: str
    config: Mapping[str, Any]
    calls: tuple[Call, ...]
    where: str
    model: ModelSpec | None = None
    input_shape: Any = None

    @property
    def title(self) -> str:
        """Name and class, as errors show them."""
        return f"{self.name} ({self.class_name})"

    @property
    def is_operation(self) -> bool:
        """Whether it is an operation of ``keras.ops``, which is no layer and has no variables."""
        if self.module:
            return self.module.startswith(("keras.src.ops.", "keras.src.activations."))
        # A legacy file has no modules; there a layer is what can be trained.
        return self.model is None and self.class_name != "InputLayer" and "trainable" not in self.config

    @property
    def is_custom(self) -> bool:
        """Whether it says that its class is not one of Keras's."""
        own = self.module.partition(".")[0] in ("", "keras", "tf_keras", "tensorflow")
        return ">" in self.class_name or not own


@attrs.frozen
class ModelSpec:
    """A Sequential or Functional model; ``inputs`` and ``outputs`` are TensorRefs in the user's structure."""

    name: str
    layers: tuple[LayerSpec, ...]
    inputs: Any
    outputs: Any
    is_sequential: bool


def parse_model(config: Any, where: str = "$", depth: int = 0) -> ModelSpec:
    """The model that a config describes. Raises FileFormatError with the JSON path of what is wrong."""
    if depth > NESTING_LIMIT:
        raise malformed(where, f"at most {NESTING_LIMIT} nested models", "more")
    inner = member(config, "config", (dict, list), where)
    if isinstance(inner, list):  # Keras 2.2 Sequential
        inner = {"name": "sequential", "layers": inner}
    here = f"{where}.config"
    raw = member(inner, "layers", list, here)
    layers = tuple(parse_layer(one, f"{here}.layers[{i}]", depth) for i, one in enumerate(raw))
    _require_distinct(layers, here)
    name = str(inner.get("name", "model"))
    if "input_layers" not in inner and config.get("class_name") != "Functional":
        return ModelSpec(name, layers, None, None, is_sequential=True)
    inputs = _parse_ends(member(inner, "input_layers", (list, dict), here), f"{here}.input_layers")
    outputs = _parse_ends(member(inner, "output_layers", (list, dict), here), f"{here}.output_layers")
    if any(isinstance(call, dict) for one in raw for call in one.get("inbound_nodes", [])):  # Keras 3
        return ModelSpec(name, layers, inputs, _without_own_call(layers, outputs), is_sequential=False)
    return ModelSpec(name, _renumbered(layers, outputs), inputs, outputs, is_sequential=False)


def parse_layer(raw: Any, where: str, depth: int = 0) -> LayerSpec:
    """One layer of a config. Raises FileFormatError with the JSON path of what is wrong."""
    class_name = member(raw, "class_name", str, where)
    config = member(raw, "config", dict, where)
    name = raw.get("name") or config.get("name") or class_name
    if not isinstance(name, str):
        raise malformed(f"{where}.name", "a string", type(name).__name__)
    is_model = class_name in MODELS and isinstance(config.get("layers"), list)
    calls = raw.get("inbound_nodes", [])
    if not isinstance(calls, list):
        raise malformed(f"{where}.inbound_nodes", "a list", type(calls).__name__)
    build = raw.get("build_config")
    return LayerSpec(
        class_name,
        str(raw.get("module") or ""),
        name,
        config,
        tuple(parse_call(one, f"{where}.inbound_nodes[{i}]") for i, one in enumerate(calls)),
        where,
        parse_model(raw, where, depth + 1) if is_model else None,
        build.get("input_shape") if isinstance(build, dict) else None,
    )


def _parse_ends(raw: Any, where: str) -> Any:
    """The inputs or outputs of a model: one reference, or a list or dict of them, nested."""
    if is_reference(raw):
        return TensorRef(*raw[:3])
    if isinstance(raw, list):
        return [_parse_ends(one, f"{where}[{i}]") for i, one in enumerate(raw)]
    if isinstance(raw, dict):
        return {key: _parse_ends(one, f"{where}.{key}") for key, one in raw.items()}
    raise malformed(where, "[layer, call, tensor]", repr(raw)[:60])


def _without_own_call(layers: tuple[LayerSpec, ...], outputs: Any) -> Any:
    """The outputs as they are, but for those of nested functional models: there Keras 3 counts the call that such a
    model makes of itself, which it does nowhere else."""
    nested = {layer.name for layer in layers if layer.model is not None and not layer.model.is_sequential}

    def renumbered(one: TensorRef) -> TensorRef:
        return attrs.evolve(one, call=one.call - 1) if one.layer in nested and one.call > 0 else one

    return substitute(outputs, renumbered)


def _renumbered(layers: tuple[LayerSpec, ...], outputs: Any) -> tuple[LayerSpec, ...]:
    """Keras 2 counts the call that a nested model makes of itself, and does not write it: those calls get an empty
    place."""
    highest: dict[str, int] = {}
    for reference in references([outputs, [[call.args, call.kwargs] for layer in layers for call in layer.calls]]):
        highest[reference.layer] = max(highest.get(reference.layer, 0), reference.call)
    known = {layer.name for layer in layers}
    for name in highest:
        if name not in known:
            raise FileFormatError(
                "config.json", problem=f"a call uses the layer {name!r}, which the model does not have"
            )
    missing = {layer.name: highest.get(layer.name, 0) + 1 - len(layer.calls) for layer in layers if layer.calls}
    empty = Call((), {})
    return tuple(
        attrs.evolve(layer, calls=(empty,) * max(missing.get(layer.name, 0), 0) + layer.calls) for layer in layers
    )


def _require_distinct(layers: tuple[LayerSpec, ...], where: str) -> None:
    seen: set[str] = set()
    for layer in layers:
        if layer.name in seen:
            raise malformed(f"{where}.layers", "distinct layer names", f"{layer.name!r} twice")
        seen.add(layer.name)
