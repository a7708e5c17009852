"""What is in a weights file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import attrs

from trtnn.text import aligned
from trtnn.weights.report import Shape
from trtnn.weights.sources import open_weights


class VariableInfo(NamedTuple):
    """A variable's name, shape and TensorFlow's name of its data type."""

    name: str
    shape: Shape
    dtype: str


@attrs.frozen
class WeightsTable:
    """The variables of a source in its order: iterable of (name, shape, dtype), with a length; prints as a table."""

    title: str
    variables: tuple[VariableInfo, ...]

    def __iter__(self) -> Iterator[VariableInfo]:
        return iter(self.variables)

    def __len__(self) -> int:
        return len(self.variables)

    def __str__(self) -> str:
        rows = [(name, str(shape), dtype) for name, shape, dtype in self.variables]
        lines = aligned([("name", "shape", "dtype"), *rows])
        return "\n".join([f"{self.title}: {len(rows)} variables", *(f"  {line}" for line in lines)])


def list_weights(source: str | os.PathLike[str] | Mapping[str, Any]) -> WeightsTable:
    """Everything in a source of weights (see ``open_weights``), optimizer slots and step counters too.

    A variable of an object-based checkpoint goes by its own name, such as ``conv1/kernel``, and by its object path,
    ``model/conv1/_kernel``, where several have the same. No values are read. Raises FileFormatError.
    """
    with open_weights(source) as file:
        return WeightsTable(file.title, tuple(VariableInfo(v.name, v.shape, v.dtype) for v in file.variables))
