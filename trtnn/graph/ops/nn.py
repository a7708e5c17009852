"""Operations of neural networks: windows, normalization, activations."""

from __future__ import annotations

from typing import Literal

import attrs

from trtnn.errors import ShapeError
from trtnn.graph import windows
from trtnn.graph.dims import Size
from trtnn.graph.ops.base import Op, normalize_axis, require_float, require_rank, require_same_dtype
from trtnn.graph.types import Shape, TensorType, shape_text
from trtnn.graph.windows import Padding


@attrs.frozen(eq=False, repr=False)
class Conv(Op):
    """Convolution over 1, 2 or 3 spatial axes: ``conv(x, kernel[, bias])``.

    Channels last: x (N, *spatial, in), kernel (*spatial, in / groups, out). ``channels_first``: x (N, in, *spatial),
    kernel (out, in / groups, *spatial). bias (out,). strides, dilations: one int per spatial axis.
    """

    strides: tuple[int, ...]
    padding: Padding
    dilations: tuple[int, ...]
    groups: int = 1
    channels_first: bool = False

    def infer(self, x: TensorType, kernel: TensorType, bias: TensorType | None = None) -> TensorType:  # type: ignore[override]
        """(N, *out spatial, out) or (N, out, *out spatial)."""
        spatial = len(self.strides)
        require_rank("an input", x, spatial + 2)
        require_rank("a kernel", kernel, spatial + 2)
        require_float("an input", x)
        require_same_dtype([x, kernel, *([bias] if bias else [])])
        channels, sizes = split_channels(x.shape, self.channels_first)
        out, per_group, window = split_kernel(kernel.shape, self.channels_first)
        if channels != per_group * self.groups:
            raise ShapeError(
                expected=f"{per_group * self.groups} input channels"
                + (f" ({self.groups} groups of {per_group})" if self.groups > 1 else ""),
                got=f"{channels}, shape {shape_text(x.shape)}",
                remedy=f"axis {1 if self.channels_first else x.rank - 1} holds the channels"
                + (' (data_format="channels_first")' if self.channels_first else " (channels last, as in TensorFlow)"),
            )
        if out % self.groups:
            raise ShapeError(expected=f"output channels divisible by groups={self.groups}", got=str(out))
        if bias is not None and bias.shape != (out,):
            raise ShapeError(expected=f"a bias of shape ({out},)", got=shape_text(bias.shape))
        moved = windows.output_sizes(sizes, window, self.strides, self.dilations, self.padding)
        return TensorType(x.dtype, join_channels(x.shape[0], out, moved, self.channels_first))


@attrs.frozen(eq=False, repr=False)
class Pool(Op):
    """Maximum or average over sliding windows of every channel: x (N, *spatial, C), or (N, C, *spatial) when
    ``channels_first``.

    The padding of a maximum counts as -inf; the padding of an average is left out of the count, as in TensorFlow.
    """

    kind: Literal["max", "average"]
    window: tuple[int, ...]
    strides: tuple[int, ...]
    padding: Padding
    channels_first: bool = False

    def infer(self, x: TensorType) -> TensorType:  # type: ignore[override]
        """The input's type with the spatial sizes of the result."""
        require_rank("an input", x, len(self.window) + 2)
        require_float("an input", x)
        if self.padding != "same" and any(max(pair) >= k for pair, k in zip(self.padding, self.window, strict=True)):
            raise ShapeError(
                expected="padding smaller than the window", got=f"padding {self.padding}, window {self.window}"
            )
        channels, sizes = split_channels(x.shape, self.channels_first)
        ones = (1,) * len(self.window)
        moved = windows.output_sizes(sizes, self.window, self.strides, ones, self.padding)
        return TensorType(x.dtype, join_channels(x.shape[0], channels, moved, self.channels_first))


@attrs.frozen(eq=False, repr=False)
class BatchNorm(Op):
    """``(x - mean) / sqrt(variance + epsilon) * gamma + beta`` with one of each, of shape (C,), per entry of ``axis``.

    Operands: x, gamma, beta, mean, variance.
    """

    epsilon: float
    axis: int

    def infer(self, x: TensorType, *statistics: TensorType) -> TensorType:  # type: ignore[override]
        """The input's type."""
        require_float("an input", x)
        require_same_dtype([x, *statistics])
        channels = x.shape[normalize_axis(self.axis, x.rank)]
        for one in statistics:
            if one.shape != (channels,):
                raise ShapeError(
                    expected=f"one statistic per channel, shape ({channels},), for an input {shape_text(x.shape)}",
                    got=shape_text(one.shape),
                    remedy=f"axis {self.axis} holds the channels",
                )
        return x


@attrs.frozen(eq=False, repr=False)
class Activation(Op):
    """An elementwise non-linearity.

    ``kind`` is one of `ACTIVATIONS`; ``alpha`` and ``beta`` are its parameters, where it has any.
    """

    kind: str
    alpha: float = 0.0
    beta: float = 0.0

    def infer(self, x: TensorType) -> TensorType:  # type: ignore[override]
        """The input's type."""
        require_float("an input", x)
        return x

    @property
    def name(self) -> str:
        """The activation's own name."""
        return self.kind


ACTIVATIONS = {
    "relu": "max(x, 0)",
    "leaky_relu": "x if x >= 0 else alpha * x",
    "elu": "x if x > 0 else alpha * (exp(x) - 1)",
    "selu": "beta * elu(x, alpha)",
    "sigmoid": "1 / (1 + exp(-x))",
    "hard_sigmoid": "clip(alpha * x + beta, 0, 1)",
    "tanh": "tanh(x)",
    "softplus": "log(1 + exp(x))",
    "softsign": "x / (1 + |x|)",
    "gelu": "x / 2 * (1 + erf(x / sqrt(2)))",
    "gelu_tanh": "x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))",
    "swish": "x * sigmoid(x)",
    "hard_swish": "x * clip(x / 6 + 1/2, 0, 1)",
    "mish": "x * tanh(softplus(x))",
    "clip": "min(max(x, alpha), beta)",
    "threshold": "x if x > alpha else 0",
}


@attrs.frozen(eq=False, repr=False)
class Softmax(Op):
    """``exp(x) / sum(exp(x))`` along one axis."""

    axis: int

    def infer(self, x: TensorType) -> TensorType:  # type: ignore[override]
        """The input's type."""
        require_float("an input", x)
        normalize_axis(self.axis, x.rank)
        return x


def split_channels(shape: Shape, channels_first: bool) -> tuple[int, Shape]:
    """(channels, spatial sizes) of an activation. Raises ShapeError when the channels are not a known number."""
    channels, spatial = (shape[1], shape[2:]) if channels_first else (shape[-1], shape[1:-1])
    if not isinstance(channels, int):
        raise ShapeError(
            expected="a fixed number of channels",
            got=str(channels),
            remedy="give Input(...) an int on the channel axis",
        )
    return channels, spatial


def join_channels(batch: Size, channels: int, spatial: Shape, channels_first: bool) -> Shape:
    """The shape of an activation from its parts."""
    return (batch, channels, *spatial) if channels_first else (batch, *spatial, channels)


def split_kernel(shape: Shape, channels_first: bool) -> tuple[int, int, tuple[int, ...]]:
    """(out, in per group, window) of a convolution's kernel."""
    if not all(isinstance(size, int) for size in shape):
        raise ShapeError(expected="a kernel of fixed shape", got=shape_text(shape))
    sizes: tuple[int, ...] = shape  # type: ignore[assignment]
    return (sizes[0], sizes[1], sizes[2:]) if channels_first else (sizes[-1], sizes[-2], sizes[:-2])
