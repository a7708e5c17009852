"""Partitioned variables that were dumped piece by piece: ``emb/weights/part_0``, ``emb/weights/part_1``, ..."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from trtnn.weights.file import Variable, plain_name

_PART = re.compile(r"(.+)/part_(\d+)$")


def join_parts(variables: Iterable[Variable]) -> list[Variable]:
    """``variables`` with every complete row ``part_0`` .. ``part_n`` that fits together replaced by one variable.

    A dump does not tell which axis was cut. It is the one axis in which the parts differ; when they are all alike it
    is taken to be the first, TensorFlow's default, until ``joined_to`` learns the shape that is wanted.
    """
    kept: dict[str, Variable] = {}
    rows: dict[str, dict[int, Variable]] = {}
    for variable in variables:
        match = _PART.match(plain_name(variable.name))
        if match:
            rows.setdefault(match[1], {})[int(match[2])] = variable
        else:
            kept[variable.name] = variable
    for name, row in rows.items():
        parts = tuple(row[number] for number in sorted(row))
        axis = _cut_axis(parts)
        if sorted(row) == list(range(len(row))) and axis is not None and name not in kept:
            kept[name] = _joined(name, parts, axis)
        else:
            kept |= {part.name: part for part in parts}
    return list(kept.values())


def joined_to(variable: Variable, shape: tuple[int, ...]) -> Variable:
    """A partitioned ``variable`` joined along the axis that gives ``shape``; itself when there is none or it fits."""
    for axis in range(len(shape)) if variable.parts and variable.shape != shape else ():
        if _joined_shape(variable.parts, axis) == shape:
            return _joined(variable.name, variable.parts, axis)
    return variable


def _cut_axis(parts: tuple[Variable, ...]) -> int | None:
    first = parts[0]
    if not first.shape or any(len(part.shape) != len(first.shape) or part.dtype != first.dtype for part in parts):
        return None
    lengths = zip(*(part.shape for part in parts), strict=True)
    different = [axis for axis, values in enumerate(lengths) if len(set(values)) > 1]
    return different[0] if len(different) == 1 else None if different else 0


def _joined_shape(parts: tuple[Variable, ...], axis: int) -> tuple[int, ...] | None:
    rest = {part.shape[:axis] + part.shape[axis + 1 :] for part in parts}
    if len(rest) != 1 or len(parts[0].shape) <= axis:
        return None
    shape = parts[0].shape
    return shape[:axis] + (sum(part.shape[axis] for part in parts),) + shape[axis + 1 :]


def _joined(name: str, parts: tuple[Variable, ...], axis: int) -> Variable:
    shape = _joined_shape(parts, axis)
    assert shape is not None
    return attrs.evolve(parts[0], name=name, shape=shape, read=partial(_concatenate, parts, axis), parts=parts)


def _concatenate(parts: tuple[Variable, ...], axis: int) -> NDArray[Any]:
    whole = np.concatenate([part.read() for part in parts], axis)
    whole.flags.writeable = False
    return whole
