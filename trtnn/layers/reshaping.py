"""Layers that move elements: reshape, permute, repeat, crop, pad, enlarge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trtnn import functional as F
from trtnn.errors import ArgumentError
from trtnn.functional.nn import DataFormat, PerAxis, is_channels_first
from trtnn.functional.operands import per_axis, positive_int
from trtnn.graph.dims import is_int
from trtnn.layers.options import listed
from trtnn.module import Module
from trtnn.tensor import Tensor

__all__ = [
    "Cropping1d",
    "Cropping2d",
    "Cropping3d",
    "Flatten",
    "Permute",
    "RepeatVector",
    "Reshape",
    "UpSampling1d",
    "UpSampling2d",
    "UpSampling3d",
    "ZeroPadding1d",
    "ZeroPadding2d",
    "ZeroPadding3d",
]


class Flatten(Module):
    """All axes from ``start_axis`` on joined into one: (N, H, W, C) gives (N, H * W * C).

    With ``data_format="channels_first"``, (N, C, H, W) is flattened in the order of channels last, as Keras does.
    """

    def __init__(self, start_axis: int = 1, data_format: DataFormat = "channels_last") -> None:
        is_channels_first(data_format)
        self.start_axis, self.data_format = start_axis, data_format

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape; a vector (N,) gives (N, 1)."""
        if self.data_format == "channels_first" and x.ndim > 1:
            x = F.moveaxis(x, 1, -1)
        return F.expand_dims(x, 1) if x.ndim == 1 else F.flatten(x, self.start_axis)

    def describe(self) -> str:
        """The options that are not the default."""
        return listed(start_axis=(self.start_axis, 1), data_format=(self.data_format, "channels_last"))


class Reshape(Module):
    """The elements of every sample under another shape, without the batch axis; one size may be -1."""

    def __init__(self, shape: Sequence[int]) -> None:
        self.shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, ...)."""
        return F.reshape(x, (x.shape[0], *self.shape))

    def describe(self) -> str:
        """The shape."""
        return listed(self.shape)


class Permute(Module):
    """The axes of every sample in another order: axis i of the result is axis ``dims[i - 1]``; axis 0 is the batch."""

    def __init__(self, dims: Sequence[int]) -> None:
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ArgumentError("Permute", expected=f"the axes 1 to {len(self.dims)} in any order", got=repr(dims))

    def forward(self, x: Tensor) -> Tensor:
        """x (N, ...)."""
        return F.transpose(x, (0, *self.dims))

    def describe(self) -> str:
        """The order."""
        return listed(self.dims)


class RepeatVector(Module):
    """(N, features) as (N, n, features), n times the same."""

    def __init__(self, n: int) -> None:
        self.n = positive_int("n", n)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, features)."""
        return F.broadcast_to(F.expand_dims(x, 1), (x.shape[0], self.n, x.shape[1]))

    def describe(self) -> str:
        """How often."""
        return listed(self.n)


class _Border(Module):
    """(before, after) elements per spatial axis: given as one int, one int per axis, or pairs."""

    spatial: int
    function: Any

    def __init__(self, pairs: Any = 1, data_format: DataFormat = "channels_last") -> None:
        is_channels_first(data_format)
        given = tuple(pairs) if isinstance(pairs, (tuple, list)) else (pairs,) * self.spatial
        if self.spatial == 1 and len(given) == 2:
            given = (given,)  # one axis: its own pair
        amounts = [tuple(one) if isinstance(one, (tuple, list)) else (one, one) for one in given]
        if len(amounts) != self.spatial or any(
            len(p) != 2 or not all(is_int(n) and n >= 0 for n in p) for p in amounts
        ):
            raise ArgumentError(
                type(self).__name__,
                expected=f"an int, {self.spatial} ints, or {self.spatial} (before, after) pairs, of 0 or more",
                got=repr(pairs),
            )
        self.pairs, self.data_format = tuple(amounts), data_format

    def forward(self, x: Tensor) -> Tensor:
        """x (N, *spatial, C), or (N, C, *spatial) with channels first."""
        result: Tensor = type(self).function(x, self.pairs, self.data_format)
        return result

    def describe(self) -> str:
        """The pairs."""
        return listed(self.pairs, data_format=(self.data_format, "channels_last"))


class ZeroPadding1d(_Border):
    """(before, after) zeros around sequences (N, W, C): ``ZeroPadding1d(2)`` or ``ZeroPadding1d((1, 2))``."""

    spatial, function = 1, staticmethod(F.zero_pad)


class ZeroPadding2d(_Border):
    """(before, after) zeros around images (N, H, W, C): ``ZeroPadding2d(((top, bottom), (left, right)))``, or ints."""

    spatial, function = 2, staticmethod(F.zero_pad)


class ZeroPadding3d(_Border):
    """(before, after) zeros around volumes (N, D, H, W, C)."""

    spatial, function = 3, staticmethod(F.zero_pad)


class Cropping1d(_Border):
    """(before, after) elements cut off sequences (N, W, C)."""

    spatial, function = 1, staticmethod(F.crop)


class Cropping2d(_Border):
    """(before, after) elements cut off images (N, H, W, C): ``Cropping2d(((top, bottom), (left, right)))``, or ints."""

    spatial, function = 2, staticmethod(F.crop)


class Cropping3d(_Border):
    """(before, after) elements cut off volumes (N, D, H, W, C)."""

    spatial, function = 3, staticmethod(F.crop)


class _UpSampling(Module):
    """Spatial axes enlarged by whole factors."""

    spatial: int

    def __init__(
        self, factor: PerAxis = 2, interpolation: str = "nearest", data_format: DataFormat = "channels_last"
    ) -> None:
        is_channels_first(data_format)
        self.factor = per_axis("factor", factor, self.spatial)
        self.interpolation, self.data_format = interpolation, data_format

    def forward(self, x: Tensor) -> Tensor:
        """x (N, *spatial, C), or (N, C, *spatial) with channels first."""
        return F.upsample(x, self.factor, self.interpolation, self.data_format)

    def describe(self) -> str:
        """Factors and the options that are not the default."""
        return listed(
            self.factor, interpolation=(self.interpolation, "nearest"), data_format=(self.data_format, "channels_last")
        )


class UpSampling1d(_UpSampling):
    """Sequences (N, W, C) enlarged by a whole factor."""

    spatial = 1


class UpSampling2d(_UpSampling):
    """Images (N, H, W, C) enlarged by whole factors; ``interpolation`` as in `functional.resize`."""

    spatial = 2


class UpSampling3d(_UpSampling):
    """Volumes (N, D, H, W, C) enlarged by whole factors."""

    spatial = 3
