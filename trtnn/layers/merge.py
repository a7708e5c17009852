"""Layers that merge several inputs of one shape, or of shapes that broadcast."""

from __future__ import annotations

import functools

from trtnn import functional as F
from trtnn.layers.options import listed
from trtnn.module import Module
from trtnn.tensor import Tensor

__all__ = ["Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"]


def _aligned(tensors: tuple[Tensor, ...]) -> list[Tensor]:
    """The tensors at one rank: axes of size 1 come behind the batch axis, as in Keras, not in front of it."""
    rank = max(tensor.ndim for tensor in tensors)
    return [F.reshape(x, (*x.shape[:1], *(1,) * (rank - x.ndim), *x.shape[1:])) for x in tensors]


class Add(Module):
    """The sum of the inputs."""

    def forward(self, *tensors: Tensor) -> Tensor:
        """Two tensors or more."""
        return functools.reduce(F.add, _aligned(tensors))


class Subtract(Module):
    """The first input minus the second."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Two tensors."""
        return F.subtract(*_aligned((x, y)))


class Multiply(Module):
    """The product of the inputs, element by element."""

    def forward(self, *tensors: Tensor) -> Tensor:
        """Two tensors or more."""
        return functools.reduce(F.multiply, _aligned(tensors))


class Average(Module):
    """The mean of the inputs, element by element."""

    def forward(self, *tensors: Tensor) -> Tensor:
        """Two tensors or more."""
        return functools.reduce(F.add, _aligned(tensors)) * (1 / len(tensors))


class Maximum(Module):
    """The largest of the inputs, element by element."""

    def forward(self, *tensors: Tensor) -> Tensor:
        """Two tensors or more."""
        return functools.reduce(F.maximum, _aligned(tensors))


class Minimum(Module):
    """The smallest of the inputs, element by element."""

    def forward(self, *tensors: Tensor) -> Tensor:
        """Two tensors or more."""
        return functools.reduce(F.minimum, _aligned(tensors))


class Concatenate(Module):
    """The inputs one after the other along an axis."""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, *tensors: Tensor) -> Tensor:
        """Tensors of one rank whose other sizes agree."""
        return F.concat(tensors, self.axis)

    def describe(self) -> str:
        """The axis."""
        return listed(axis=(self.axis, -1))
