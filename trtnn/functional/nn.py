"""Convolution, pooling, normalization and softmax, with TensorFlow's meaning.

Activations are channels last, (N, *spatial, C), unless ``data_format="channels_first"``: then (N, C, *spatial).
Padding is "same", "valid", an int for every side, one int per axis, or a (before, after) pair per axis. Raises
ArgumentError for a bad option, ShapeError and DTypeError for operands that do not fit.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from trtnn.errors import ArgumentError, ShapeError
from trtnn.functional import math as fm
from trtnn.functional import reductions
from trtnn.functional.operands import Axes, Operand, lift, lift_one, number, per_axis, positive_int
from trtnn.graph import shape_text
from trtnn.graph.dims import is_int
from trtnn.graph.ops import BatchNorm, Conv, MatMul, Pool, Softmax, Transpose
from trtnn.graph.ops.base import normalize_axis
from trtnn.graph.windows import Padding
from trtnn.tensor import Tensor

__all__ = [
    "average_pool",
    "batch_norm",
    "conv",
    "conv1d",
    "conv2d",
    "conv3d",
    "dropout",
    "global_average_pool",
    "global_max_pool",
    "linear",
    "log_softmax",
    "max_pool",
    "softmax",
]

PaddingSpec: TypeAlias = Any  # "same" | "valid" | int | tuple[int, ...] | tuple[tuple[int, int], ...]
PerAxis: TypeAlias = int | tuple[int, ...]
DataFormat: TypeAlias = Literal["channels_last", "channels_first"]


def conv(
    x: Operand,
    kernel: Operand,
    bias: Operand | None = None,
    *,
    stride: PerAxis = 1,
    padding: PaddingSpec = "valid",
    dilation: PerAxis = 1,
    groups: int = 1,
    data_format: DataFormat = "channels_last",
) -> Tensor:
    """Convolution over the spatial axes: x (N, *spatial, in), kernel (*spatial, in / groups, out), bias (out,).

    The kernel has TensorFlow's layout (HWIO) for both data formats. The result is (N, *out spatial, out) or (N, out,
    *out spatial).
    """
    operands = [x, kernel] if bias is None else [x, kernel, bias]
    tracer, tensors = lift(*operands)
    spatial = _spatial_axes_of("a kernel (*window, in / groups, out)", tensors[1])
    first = is_channels_first(data_format)
    if first:
        tensors[1] = tracer.apply(Transpose((spatial + 1, spatial, *range(spatial))), tensors[1])
    op = Conv(
        strides=per_axis("stride", stride, spatial),
        padding=as_padding(padding, spatial),
        dilations=per_axis("dilation", dilation, spatial),
        groups=positive_int("groups", groups),
        channels_first=first,
    )
    return tracer.apply(op, *tensors)


conv1d = conv2d = conv3d = conv


def linear(x: Operand, kernel: Operand, bias: Operand | None = None) -> Tensor:
    """``x @ kernel + bias``: x (..., in), kernel (in, out), bias (out,); the result is (..., out)."""
    tracer, (x, kernel) = lift(x, kernel)
    y = reductions.matmul(x, kernel) if x.ndim == 1 else tracer.apply(MatMul(), x, kernel)
    return y if bias is None else y + bias


def batch_norm(
    x: Operand, gamma: Operand, beta: Operand, mean: Operand, variance: Operand, *, eps: float = 1e-3, axis: int = -1
) -> Tensor:
    """``(x - mean) / sqrt(variance + eps) * gamma + beta`` with operands of shape (C,) along ``axis``."""
    tracer, tensors = lift(x, gamma, beta, mean, variance)
    return tracer.apply(BatchNorm(number("eps", eps, least=0), normalize_axis(axis, tensors[0].ndim)), *tensors)


def max_pool(
    x: Operand,
    window: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingSpec = "valid",
    data_format: DataFormat = "channels_last",
) -> Tensor:
    """The maximum of every window; the stride is the window unless given. Padding counts as -inf."""
    return _pool("max", x, window, stride, padding, data_format)


def average_pool(
    x: Operand,
    window: PerAxis,
    stride: PerAxis | None = None,
    padding: PaddingSpec = "valid",
    data_format: DataFormat = "channels_last",
) -> Tensor:
    """The mean of every window; the stride is the window unless given. Padding is left out of the count."""
    return _pool("average", x, window, stride, padding, data_format)


def _pool(
    kind: Literal["max", "average"],
    x: Operand,
    window: PerAxis,
    stride: PerAxis | None,
    padding: PaddingSpec,
    data_format: str,
) -> Tensor:
    tracer, tensor = lift_one(x)
    spatial = _spatial_axes_of("an input (N, *spatial, C)", tensor)
    op = Pool(
        kind,
        window=per_axis("window", window, spatial),
        strides=per_axis("stride", window if stride is None else stride, spatial),
        padding=as_padding(padding, spatial),
        channels_first=is_channels_first(data_format),
    )
    return tracer.apply(op, tensor)


def global_average_pool(x: Operand, keepdims: bool = False, data_format: DataFormat = "channels_last") -> Tensor:
    """The mean over all spatial axes: (N, C), or with axes of size 1 when ``keepdims``."""
    return reductions.reduce_mean(x, _spatial_axes(x, data_format), keepdims)


def global_max_pool(x: Operand, keepdims: bool = False, data_format: DataFormat = "channels_last") -> Tensor:
    """The maximum over all spatial axes: (N, C), or with axes of size 1 when ``keepdims``."""
    return reductions.reduce_max(x, _spatial_axes(x, data_format), keepdims)


def _spatial_axes(x: Operand, data_format: str) -> Axes:
    spatial = _spatial_axes_of("an input (N, *spatial, C)", lift_one(x)[1])
    first = 2 if is_channels_first(data_format) else 1
    return tuple(range(first, first + spatial))


def _spatial_axes_of(what: str, tensor: Tensor) -> int:
    """How many axes are spatial. Raises ShapeError unless it is 1, 2 or 3."""
    if tensor.ndim not in (3, 4, 5):
        got = f"rank {tensor.ndim}, shape {shape_text(tensor.shape)}"
        raise ShapeError(expected=f"{what} of rank 3, 4 or 5", got=got)
    return tensor.ndim - 2


def softmax(x: Operand, axis: int = -1) -> Tensor:
    """``exp(x) / sum(exp(x))`` along an axis."""
    tracer, tensor = lift_one(x)
    return tracer.apply(Softmax(normalize_axis(axis, tensor.ndim)), tensor)


def log_softmax(x: Operand, axis: int = -1) -> Tensor:
    """``x - log(sum(exp(x)))`` along an axis, computed without overflow."""
    shifted = x - reductions.reduce_max(x, axis, keepdims=True)
    return shifted - fm.log(reductions.reduce_sum(fm.exp(shifted), axis, keepdims=True))  # type: ignore[no-any-return]


def dropout(x: Tensor, rate: float = 0.5) -> Tensor:
    """The tensor itself: dropout does nothing at inference."""
    if not 0 <= number("rate", rate) < 1:
        raise ArgumentError("rate", expected="0 <= rate < 1", got=repr(rate))
    return lift_one(x)[1]


def is_channels_first(data_format: str) -> bool:
    """True for "channels_first", false for "channels_last"; ArgumentError for anything else."""
    if data_format not in ("channels_first", "channels_last"):
        raise ArgumentError("data_format", expected='"channels_last" or "channels_first"', got=repr(data_format))
    return data_format == "channels_first"


def as_padding(padding: PaddingSpec, spatial: int) -> Padding:
    """Padding in the graph's form from any form a user may give. Raises ArgumentError for anything else."""
    if isinstance(padding, str) and padding.lower() in ("same", "valid"):
        return "same" if padding.lower() == "same" else ((0, 0),) * spatial
    given = padding if isinstance(padding, (tuple, list)) else (padding,) * spatial
    pairs = [tuple(one) if isinstance(one, (tuple, list)) else (one, one) for one in given]
    if len(pairs) != spatial or not all(len(pair) == 2 and all(is_int(n) and n >= 0 for n in pair) for pair in pairs):
        raise ArgumentError(
            "padding",
            expected=f'"same", "valid", an int, {spatial} ints, or {spatial} (before, after) pairs of ints >= 0',
            got=repr(padding),
        )
    return tuple((int(before), int(after)) for before, after in pairs)
