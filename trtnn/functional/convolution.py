"""Transposed, depthwise and separable convolution, with TensorFlow's kernels and padding.

Activations are channels last, (N, *spatial, C), unless ``data_format="channels_first"``. Raises ArgumentError for a bad
option, ShapeError and DTypeError for operands that do not fit.
"""

from __future__ import annotations

from collections.abc import Sequence

from trtnn.errors import ArgumentError, ShapeError
from trtnn.functional.nn import DataFormat, PaddingSpec, PerAxis, conv, is_channels_first
from trtnn.functional.operands import Operand, lift, per_axis
from trtnn.functional.shape import reshape
from trtnn.graph import shape_text
from trtnn.graph.dims import is_int
from trtnn.graph.ops import ConvTranspose, Transpose
from trtnn.graph.windows import Pairs, extent
from trtnn.tensor import Tensor

__all__ = ["causal_padding", "conv_transpose", "depthwise_conv", "separable_conv"]


def conv_transpose(
    x: Operand,
    kernel: Operand,
    bias: Operand | None = None,
    *,
    stride: PerAxis = 1,
    padding: str = "valid",
    output_padding: PerAxis | None = None,
    dilation: PerAxis = 1,
    data_format: DataFormat = "channels_last",
) -> Tensor:
    """Transposed convolution of x (N, *spatial, in) with kernel (*window, out, in) and bias (out,).

    The result is (N, *out spatial, out). Without ``output_padding`` a size n becomes ``n * stride`` ("same") or ``n *
    stride + max(span - stride, 0)`` ("valid"), where span is what the dilated window covers. With it: ``(n - 1) *
    stride + span % 2 + output_padding`` and ``(n - 1) * stride + span + output_padding``. The kernel has TensorFlow's
    layout for both data formats.
    """
    tracer, tensors = lift(*([x, kernel] if bias is None else [x, kernel, bias]))
    spatial = tensors[1].ndim - 2
    if spatial not in (1, 2, 3):
        raise ShapeError(
            "conv_transpose", expected="a kernel (*window, out, in) of rank 3, 4 or 5", got=shape_text(tensors[1].shape)
        )
    strides, dilations = per_axis("stride", stride, spatial), per_axis("dilation", dilation, spatial)
    spans = [_span(size, d) for size, d in zip(tensors[1].shape, dilations, strict=False)]
    crops = transposed_crops(spans, strides, padding, as_output_padding(output_padding, strides))
    first = is_channels_first(data_format)
    if first:
        tensors[1] = tracer.apply(Transpose((spatial + 1, spatial, *range(spatial))), tensors[1])
    return tracer.apply(ConvTranspose(strides, crops, dilations, first), *tensors)


def _span(size: object, dilation: int) -> int:
    if not isinstance(size, int):
        raise ShapeError("conv_transpose", expected="a kernel of fixed shape", got=str(size))
    return extent(size, dilation)


def as_output_padding(output_padding: PerAxis | None, strides: Sequence[int]) -> list[int | None]:
    """One amount per spatial axis, None where TensorFlow chooses. Raises ArgumentError unless 0 <= amount < stride."""
    if output_padding is None:
        return [None] * len(strides)
    given = output_padding if isinstance(output_padding, (tuple, list)) else (output_padding,) * len(strides)
    right = len(given) == len(strides) and all(is_int(a) and 0 <= a < s for a, s in zip(given, strides, strict=True))
    if not right:
        raise ArgumentError(
            "output_padding", expected=f"amounts of 0 or more, less than the strides {tuple(strides)}", got=repr(given)
        )
    return list(given)


def transposed_crops(
    spans: Sequence[int], strides: Sequence[int], padding: str, output_padding: Sequence[int | None]
) -> Pairs:
    """What TensorFlow cuts off the whole result, ``(n - 1) * stride + span`` long; negative behind: zeros added."""
    if padding not in ("same", "valid"):
        raise ArgumentError("padding", expected='"same" or "valid"', got=repr(padding))
    crops = []
    for span, stride, more in zip(spans, strides, output_padding, strict=True):
        if padding == "valid":
            crops.append((0, -(max(stride - span, 0) if more is None else more)))
        else:
            total = span - (stride if more is None else span % 2 + more)  # the same for every n
            before = max(total, 0) // 2
            crops.append((before, total - before))
    return tuple(crops)


def depthwise_conv(
    x: Operand,
    kernel: Operand,
    bias: Operand | None = None,
    *,
    stride: PerAxis = 1,
    padding: PaddingSpec = "valid",
    dilation: PerAxis = 1,
    data_format: DataFormat = "channels_last",
) -> Tensor:
    """Every channel convolved with kernels of its own: kernel (*window, C, multiplier), bias (C * multiplier,).

    Output channel ``c * multiplier + m`` comes from channel c.
    """
    _, (tensor, weights) = lift(x, kernel)
    *window, channels, multiplier = weights.shape
    grouped = reshape(weights, (*window, 1, channels * multiplier))
    return conv(
        tensor,
        grouped,
        bias,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=channels,  # type: ignore[arg-type]  # checked to be a number there
        data_format=data_format,
    )


def separable_conv(
    x: Operand,
    depthwise_kernel: Operand,
    pointwise_kernel: Operand,
    bias: Operand | None = None,
    *,
    stride: PerAxis = 1,
    padding: PaddingSpec = "valid",
    dilation: PerAxis = 1,
    data_format: DataFormat = "channels_last",
) -> Tensor:
    """A depthwise convolution with kernel (*window, in, M), then one of window 1 with (1, .., in * M, out)."""
    y = depthwise_conv(x, depthwise_kernel, stride=stride, padding=padding, dilation=dilation, data_format=data_format)
    return conv(y, pointwise_kernel, bias, data_format=data_format)


def causal_padding(window: int, dilation: int = 1) -> Pairs:
    """The padding of a sequence that lets no element see a later one: ((dilation * (window - 1), 0),)."""
    return ((extent(window, dilation) - 1, 0),)
