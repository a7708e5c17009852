"""The variables of a layer, wherever the file keeps them.

Keras 3 numbers them by the order in which a layer made them (``layers/conv2d_1/vars/0``), legacy files name them
(``model_weights/conv1/conv1/kernel:0``). Converters ask by name and give the order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from trtnn.errors import FileFormatError
from trtnn.importers.keras.spec import LayerSpec
from trtnn.weights.file import plain_name
from trtnn.weights.hdf5 import Hdf5File

ROOT = "model_weights/"  # of a legacy file


class Variables(Protocol):
    """The variables of one object of the model, and of the objects inside it."""

    def take(self, names: Sequence[str]) -> list[np.ndarray]:
        """The object's own variables, which it made in the order of ``names``. Raises FileFormatError unless all are
        there."""
        ...

    def child(self, *attributes: str) -> Variables:
        """The variables of the object in an attribute, which goes by one of these names, or by those of its class."""
        ...

    def layers(self, layers: Sequence[LayerSpec]) -> list[Variables]:
        """The variables of a nested model's layers."""
        ...


class StoredVariables:
    """Keras 3's layout: a group per object."""

    def __init__(self, file: Hdf5File, path: str, title: str) -> None:
        self._file, self.path, self._title = file, path, title

    def take(self, names: Sequence[str]) -> list[np.ndarray]:
        """``vars/0``, ``vars/1`` and so on."""
        found = self._file.children(f"{self.path}/vars" if self.path else "vars")
        if len(found) != len(names):
            raise FileFormatError(
                f"{self._file.title}: {self.path}",
                expected=f"{len(names)} variables of {self._title}: {', '.join(names)}",
                got=str(len(found)),
            )
        return [self._file.array(f"{self.path}/vars/{i}") for i in range(len(names))]

    def child(self, *attributes: str) -> StoredVariables:
        """The group named like one of the attributes, or like the first with Keras 2's underscore in front."""
        there = self._file.children(self.path)
        names = [*attributes, *(f"_{one}" for one in attributes)]
        name = next((one for one in names if one in there), attributes[0])
        return StoredVariables(self._file, f"{self.path}/{name}".lstrip("/"), f"{self._title}.{name}")

    def layers(self, layers: Sequence[LayerSpec]) -> list[Variables]:
        """Groups are called after the class in snake case, counted per class in the order of the config. Where Keras
        has exported a class under another name, later versions of Keras 3 help, which note the layers' names."""
        there = set(self._file.children(f"{self.path}/layers".lstrip("/")))
        noted: dict[str, str] | None = None
        counts: dict[str, int] = {}
        found: list[Variables] = []
        for layer in layers:
            if layer.is_operation:
                found.append(StoredVariables(self._file, "", layer.name))
                continue
            group = snake_case(layer.class_name)
            count = counts[group] = counts.get(group, -1) + 1
            group += f"_{count}" if count else ""
            path = f"{self.path}/layers/{group}".lstrip("/")
            if group not in there:
                noted = self._noted_names() if noted is None else noted
                path = noted.get(layer.name, path)
            found.append(StoredVariables(self._file, path, layer.name))
        return found

    def _noted_names(self) -> dict[str, str]:
        """The groups of layers by the names that the file notes for them."""
        holder = f"{self.path}/layers".lstrip("/")
        paths = [f"{holder}/{group}" for group in self._file.children(holder)]
        return {name: path for path in paths if (name := self._file.attribute(f"{path}/vars", "name")) is not None}


class NamedVariables:
    """The legacy layout: every layer of the model has a flat list of named variables, those of nested layers
    included."""

    def __init__(self, file: Hdf5File, paths: Sequence[str], title: str) -> None:
        self._file, self.paths, self._title = file, list(paths), title

    def take(self, names: Sequence[str]) -> list[np.ndarray]:
        """The variables whose last names are these; the one nearest to this object where several are."""
        return [self._file.array(self._find(name)) for name in names]

    def _find(self, name: str) -> str:
        found = [path for path in self.paths if plain_name(path).rsplit("/", 1)[-1] == name]
        if not found:
            raise FileFormatError(
                f"{self._file.title}: {self._title}",
                expected=f"a variable {name}",
                got=", ".join(plain_name(path) for path in self.paths) or "none",
            )
        nearest = [path for path in found if path.count("/") == min(one.count("/") for one in found)]
        if len(nearest) > 1:
            raise FileFormatError(
                f"{self._file.title}: {self._title}", problem=f"{' and '.join(nearest)} may both be its {name}"
            )
        return nearest[0]

    def child(self, *attributes: str) -> NamedVariables:
        """The variables whose path has one of the names, the first that there is, also as a class; all when none is."""
        names = dict.fromkeys([*attributes, *map(snake_case, attributes)])
        patterns = [re.compile(rf"(^|/){re.escape(one)}(_\d+)?/") for one in names if one]
        for pattern in patterns:
            paths = [path for path in self.paths if pattern.search(path)]
            if paths:
                return NamedVariables(self._file, paths, f"{self._title}.{attributes[0]}")
        return self

    def layers(self, layers: Sequence[LayerSpec]) -> list[Variables]:
        """The variables whose path has the layer's name."""
        return [
            NamedVariables(self._file, [path for path in self.paths if f"/{one.name}/" in f"/{path}"], one.name)
            for one in layers
        ]


def variables_of(file: Hdf5File, is_legacy: bool) -> Variables:
    """The variables of the whole model."""
    if not is_legacy:
        return StoredVariables(file, "", "the model")
    return _LegacyModel(file)


class _LegacyModel(NamedVariables):
    """The top of a legacy file: one group per layer."""

    def __init__(self, file: Hdf5File) -> None:
        super().__init__(file, [path for path in file.datasets() if path.startswith(ROOT)], "the model")

    def layers(self, layers: Sequence[LayerSpec]) -> list[Variables]:
        """The variables below each layer's group."""
        return [
            NamedVariables(self._file, [path for path in self.paths if path.startswith(f"{ROOT}{one.name}/")], one.name)
            for one in layers
        ]


def snake_case(name: str) -> str:
    """Keras's own rule for the names of saved objects: Conv2D is conv2d, BatchNormalization batch_normalization."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
