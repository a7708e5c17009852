"""Normalization by statistics of the activations themselves."""

from __future__ import annotations

import attrs

from trtnn.errors import ShapeError
from trtnn.graph.ops.base import Op, normalize_axis, require_float, require_rank, require_same_dtype
from trtnn.graph.ops.nn import split_channels
from trtnn.graph.types import TensorType, shape_text


@attrs.frozen(eq=False, repr=False)
class LayerNorm(Op):
    """``(x - mean) / sqrt(variance + epsilon) * gamma + beta``, mean and biased variance over ``axes``.

    Operands: x, gamma, beta; the latter two have the shape of x's ``axes``, which are in ascending order.
    """

    axes: tuple[int, ...]
    epsilon: float

    def infer(self, x: TensorType, gamma: TensorType, beta: TensorType) -> TensorType:  # type: ignore[override]
        """The input's type."""
        require_float("an input", x)
        require_same_dtype([x, gamma, beta])
        axes = [normalize_axis(axis, x.rank) for axis in self.axes]
        if not axes or axes != sorted(set(axes)):
            raise ShapeError(expected="one or more axes in ascending order", got=str(self.axes))
        wanted = tuple(x.shape[axis] for axis in axes)
        for one in (gamma, beta):
            if one.shape != wanted:
                raise ShapeError(
                    expected=f"gamma and beta of shape {shape_text(wanted)}, the sizes of axes {self.axes}",
                    got=f"{shape_text(one.shape)} for an input of shape {shape_text(x.shape)}",
                )
        return x


@attrs.frozen(eq=False, repr=False)
class GroupNorm(Op):
    """Groups of channels normalized over their channels and all spatial axes, then ``* gamma + beta`` per channel.

    x (N, *spatial, C), or (N, C, *spatial) when ``channels_first``; gamma, beta (C,). As many groups as channels make
    an instance normalization.
    """

    groups: int
    epsilon: float
    channels_first: bool = False

    def infer(self, x: TensorType, gamma: TensorType, beta: TensorType) -> TensorType:  # type: ignore[override]
        """The input's type."""
        require_float("an input", x)
        require_same_dtype([x, gamma, beta])
        if x.rank < 3:
            raise ShapeError(expected="an input of rank 3 or more", got=shape_text(x.shape))
        channels, _ = split_channels(x.shape, self.channels_first)
        if channels % self.groups:
            raise ShapeError(expected=f"channels divisible by groups={self.groups}", got=str(channels))
        for one in (gamma, beta):
            if one.shape != (channels,):
                raise ShapeError(expected=f"gamma and beta of shape ({channels},)", got=shape_text(one.shape))
        return x


@attrs.frozen(eq=False, repr=False)
class LocalResponseNorm(Op):
    """``x / (bias + alpha * s) ** beta``, s the sum of squares of the channels up to ``radius`` before and after.

    x (N, H, W, C), or (N, C, H, W) when ``channels_first``. ``alpha`` is TensorFlow's: other libraries divide theirs by
    the window, 2 * radius + 1.
    """

    radius: int
    bias: float
    alpha: float
    beta: float
    channels_first: bool = False

    def infer(self, x: TensorType) -> TensorType:  # type: ignore[override]
        """The input's type."""
        require_rank("an input", x, 4)
        require_float("an input", x)
        split_channels(x.shape, self.channels_first)
        return x
