"""Which optimization profile a call takes, and what is known of the shapes of calls like it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import attrs
import numpy as np

from trtnn.calling import Ranges
from trtnn.errors import DimError
from trtnn.graph import TensorType
from trtnn.graph.dims import names

Shape: TypeAlias = tuple[int, ...]
MOST_KEPT = 1024
"""How many combinations of shapes are kept in mind."""


@attrs.define(eq=False)
class Shapes:
    """The shapes of a call: the profile for them, and the inputs' and outputs' shapes in the signature's order.

    ``outputs`` is None until a context has said it. A size of -1 depends on the values: it is known after the call.
    """

    profile: int
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...] | None = None
    known: bool = False
    """Whether all sizes are known before the call."""

    def found(self, outputs: tuple[Shape, ...]) -> None:
        """Notes the outputs' shapes."""
        self.outputs, self.known = outputs, all(map(is_known, outputs))


class ShapeTable:
    """Finds the `Shapes` of a call, the same object for the same shapes."""

    def __init__(self, inputs: Mapping[str, TensorType], profiles: Sequence[Ranges]) -> None:
        self._named = [
            (place, axis, name)
            for place, type in enumerate(inputs.values())
            for axis, size in enumerate(type.shape)
            for name in ([] if isinstance(size, int) else names(size))
        ]
        self._profiles = profiles
        self._known: dict[tuple[Shape, ...], Shapes] = {}

    def find(self, inputs: tuple[Shape, ...]) -> Shapes:
        """The shapes of a call with these input shapes. Raises DimError when no profile takes them."""
        found = self._known.get(inputs)
        if found is None:
            if len(self._known) >= MOST_KEPT:
                self._known.clear()
            sizes = {name: inputs[place][axis] for place, axis, name in self._named}
            found = self._known.setdefault(inputs, Shapes(choose_profile(self._profiles, sizes), inputs))
        return found


def choose_profile(profiles: Sequence[Ranges], sizes: Mapping[str, int]) -> int:
    """The number of the profile whose optimum is the nearest, by the sizes' ratios, of those that take the sizes.

    Raises DimError when none does.
    """
    if not sizes:
        return 0
    fitting = [
        number
        for number, ranges in enumerate(profiles)
        if all(ranges[name][0] <= size <= ranges[name][2] for name, size in sizes.items())
    ]
    if not fitting:
        given = ", ".join(f"{name}={size}" for name, size in sizes.items())
        raise DimError("dims", problem=f"no optimization profile takes {given}")
    return min(fitting, key=lambda number: _distance(profiles[number], sizes))


def _distance(ranges: Ranges, sizes: Mapping[str, int]) -> float:
    return sum(abs(math.log(size / ranges[name][1])) for name, size in sizes.items())


def is_known(shape: Shape) -> bool:
    """Whether no size of the shape depends on values."""
    return min(shape, default=0) >= 0


def nbytes_of(shape: Shape, dtype: np.dtype) -> int:
    """The size of an array in bytes."""
    return dtype.itemsize * math.prod(shape)
