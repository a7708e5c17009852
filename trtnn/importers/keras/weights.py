"""Keras's files as sources of weights for modules of one's own: ``.keras``, ``.weights.h5`` and legacy ``.h5``.

Keras 3 numbers the variables of an object. Names of layers come from the config of a ``.keras`` file, or from the names
that later versions note in the weights; names of variables from their order (see `variable_names`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from trtnn.importers.keras.archive import is_zip, open_archive
from trtnn.importers.keras.functional import as_functional
from trtnn.importers.keras.spec import LayerSpec, ModelSpec, parse_model
from trtnn.importers.keras.variable_names import variable_names
from trtnn.importers.keras.variables import ROOT, StoredVariables, snake_case
from trtnn.weights.file import Variable, WeightsFile, plain_name
from trtnn.weights.hdf5 import Hdf5File
from trtnn.weights.noise import SEED, SLOT
from trtnn.weights.slot import Slot

NAMELESS = (
    "the file does not say what its layers are called, and several have the same shapes: save the model with a later "
    "Keras, or as .keras"
)
PROJECTIONS = {f"{part}_dense": part for part in ("query", "key", "value", "gate")} | {
    "output_dense": "attention_output"
}


def open_keras_weights(path: Path) -> WeightsFile:
    """The variables of a Keras file. Raises FileFormatError."""
    if is_zip(path):
        archive = open_archive(path)
        layers = _layers(parse_model(archive.config), archive.weights) if _has_layers(archive.config) else {}
        return _numbered(path.name, archive.weights, layers)
    file = Hdf5File.at(path)
    is_legacy = (
        file.attribute("", "layer_names") is not None or file.attribute("model_weights", "layer_names") is not None
    )
    return _named(path.name, file) if is_legacy else _numbered(path.name, file, {})


def _has_layers(config: Any) -> bool:
    inner = config.get("config") if isinstance(config, dict) else None
    return isinstance(inner, dict) and "layers" in inner


@attrs.frozen
class _Layer:
    """What a config says of a layer."""

    name: str
    class_name: str
    options: Mapping[str, Any]


def _layers(spec: ModelSpec, file: Hdf5File, path: str = "") -> dict[str, _Layer]:
    """Every layer of the model by the path of its group."""
    found: dict[str, _Layer] = {}
    spec = as_functional(spec)
    stored = StoredVariables(file, path, spec.name).layers(spec.layers)
    for layer, place in zip(spec.layers, stored, strict=True):
        if not layer.is_operation and isinstance(place, StoredVariables):
            found[place.path] = _Layer(layer.name, layer.class_name, layer.config)
            found |= _directions(layer, place.path)
            if layer.model is not None:
                found |= _layers(layer.model, file, place.path)
    return found


def _directions(layer: LayerSpec, path: str) -> dict[str, _Layer]:
    """The two layers inside a Bidirectional, which Keras names after the one that was given."""
    inner = layer.config.get("layer")
    config = inner.get("config") if layer.class_name == "Bidirectional" and isinstance(inner, Mapping) else None
    if not isinstance(config, Mapping):
        return {}
    name = str(config.get("name", "")).removeprefix("forward_")
    return {f"{path}/{way}_layer": _Layer(f"{way}_{name}", "", config) for way in ("forward", "backward")}


class _KerasWeights(WeightsFile):
    """Variables by name and, where the file has no names, by the shapes of a layer's variables."""

    groups: dict[str, dict[str, Variable]]
    is_nameless: bool

    def fitted(self, slots: Sequence[Slot]) -> WeightsFile:
        """Names layers of the file by the module's layers that are the only ones of their shapes. Sets the hint."""
        if not self.is_nameless:
            return self
        wanted: dict[str, dict[str, Slot]] = {}
        for slot in slots:
            path, _, name = slot.path.rpartition(".")
            wanted.setdefault(path, {})[name] = slot
        there = [{name: one.shape for name, one in found.items()} for found in self.groups.values()]
        asked = [{name: slot.shape for name, slot in found.items()} for found in wanted.values()]
        for found in wanted.values():
            shapes = {name: slot.shape for name, slot in found.items()}
            if there.count(shapes) == 1 and asked.count(shapes) == 1:
                group = list(self.groups.values())[there.index(shapes)]
                for name, slot in found.items():
                    self.index(slot.path, group[name])
            elif shapes in there:
                self.hint = NAMELESS
        return self


def _numbered(title: str, file: Hdf5File, layers: Mapping[str, _Layer]) -> WeightsFile:
    groups = _groups(file)
    noted = {} if layers else _noted_names(file, groups)
    variables: list[Variable] = []
    by_group: dict[str, dict[str, Variable]] = {}
    others: list[tuple[str, Variable]] = []
    for path, numbers in groups.items():
        holders = [f"{path}/vars/{number}".lstrip("/") for number in numbers]
        kind, options = _kind(path, noted, layers)
        names = variable_names(kind, [file.shape(holder) for holder in holders], options)
        scopes = _scopes(path, noted, layers)
        for name, holder in zip(names, holders, strict=True):
            variable = _variable(file, holder, f"{scopes[0]}/{name}".lstrip("/"), _ignored(path))
            variables.append(variable)
            by_group.setdefault(path, {})[name] = variable
            others += [(f"{scope}/{name}".lstrip("/"), variable) for scope in scopes[1:]]
    weights = _KerasWeights(title, variables)
    weights.groups, weights.is_nameless = by_group, not noted and not layers
    for name, variable in others:
        weights.index(name, variable)
    return weights


def _groups(file: Hdf5File) -> dict[str, list[str]]:
    """The objects that have variables, with the numbers of these in order."""
    found: dict[str, list[str]] = {}
    for path in file.datasets():
        holder, _, number = path.rpartition("/")
        if (holder == "vars" or holder.endswith("/vars")) and number.isdigit():
            found.setdefault(holder.removesuffix("vars").rstrip("/"), []).append(number)
    return {holder: sorted(numbers, key=int) for holder, numbers in found.items()}


def _noted_names(file: Hdf5File, groups: Iterable[str]) -> dict[str, str]:
    """The names of objects by the paths of their groups, those around others included."""
    holders = {
        "/".join(parts[:end]) for parts in (path.split("/") for path in groups) for end in range(1, len(parts) + 1)
    }
    found = ((path, file.attribute(f"{path}/vars", "name")) for path in sorted(holders))
    return {path: name for path, name in found if isinstance(name, str)}


def _kind(path: str, noted: Mapping[str, str], layers: Mapping[str, _Layer]) -> tuple[str, Mapping[str, Any] | None]:
    if path in layers:
        return snake_case(layers[path].class_name), layers[path].options
    last = path.rpartition("/")[2]
    return (last if "layers" in path.split("/") or last in ("cell", "seed_generator") else noted.get(path, last)), None


def _scopes(path: str, noted: Mapping[str, str], layers: Mapping[str, _Layer]) -> list[str]:
    """The scopes that an object's variables may have, Keras's own first: names joined by "/", with and without those
    of the models around."""
    parts = path.split("/") if path else []
    choices: list[list[str]] = []
    starts = [0]
    for i, part in enumerate(parts):
        if part == "layers":
            starts.append(len(choices))
            continue
        holder = "/".join(parts[: i + 1])
        counted = i > 0 and parts[i - 1] == "layers"
        name = layers[holder].name if holder in layers else noted.get(holder)
        plain = PROJECTIONS.get(part.lstrip("_"), part)
        choices.append([name] if name and counted else list(dict.fromkeys([name or plain, part])))
    return list(dict.fromkeys("/".join(way[start:]) for way in itertools.product(*choices) for start in starts))


def _ignored(path: str) -> str:
    parts = path.split("/")
    return SLOT if parts[0] == "optimizer" else SEED if any(part.startswith("seed_generator") for part in parts) else ""


def _named(title: str, file: Hdf5File) -> WeightsFile:
    """The legacy layout: a group per layer, and below it datasets under the names of the variables."""
    weights_and_names = [_legacy_variable(file, path) for path in file.datasets()]
    weights = WeightsFile(title, [variable for variable, _ in weights_and_names])
    for variable, names in weights_and_names:
        for name in names:
            weights.index(name, variable)
    return weights


def _legacy_variable(file: Hdf5File, path: str) -> tuple[Variable, Iterator[str]]:
    if path.startswith("optimizer_weights/"):
        return _variable(file, path, path, SLOT), iter(())
    inside = path.removeprefix(ROOT)
    name = inside.partition("/")[2] or inside
    parts = plain_name(inside).split("/")
    return _variable(file, path, plain_name(name)), ("/".join(parts[i:]) for i in range(len(parts) - 1))


def _variable(file: Hdf5File, path: str, name: str, ignored: str = "") -> Variable:
    return Variable(name, file.shape(path), file.dtype(path), partial(file.array, path), ignored)
