"""Operations of ``keras.ops.nn``: activations, convolution, pooling, normalization, attention."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trtnn import functional as F
from trtnn.errors import UnsupportedError
from trtnn.importers.keras.operations.registry import as_float, operation
from trtnn.tensor import Tensor

ACTIVATIONS: dict[str, Callable[..., Tensor]] = {
    "Celu": F.celu,
    "Elu": F.elu,
    "Glu": F.glu,
    "HardShrink": F.hard_shrink,
    "HardSigmoid": F.hard_sigmoid,
    "HardSilu": F.hard_silu,
    "HardTanh": F.hard_tanh,
    "LeakyRelu": F.leaky_relu,
    "LogSigmoid": F.log_sigmoid,
    "LogSoftmax": F.log_softmax,
    "Relu": F.relu,
    "ReLU": F.relu,
    "Relu6": F.relu6,
    "Selu": F.selu,
    "Sigmoid": F.sigmoid,
    "Silu": F.silu,
    "SoftShrink": F.soft_shrink,
    "Softplus": F.softplus,
    "Softsign": F.softsign,
    "SparsePlus": F.sparse_plus,
    "SparseSigmoid": F.sparse_sigmoid,
    "Sparsemax": F.sparsemax,
    "Squareplus": F.squareplus,
    "TanhShrink": F.tanh_shrink,
    "Threshold": F.threshold,
}
"""Functions whose options have Keras's names."""

for _name, _function in ACTIVATIONS.items():
    operation(_name)(_function)
operation("Threshold")(lambda x, threshold, default_value: F.threshold(x, threshold, default_value))


@operation("Gelu")
def gelu(x: Tensor, approximate: bool = True) -> Tensor:
    """The tanh approximation is the default of the operation, not of the activation."""
    return F.gelu(x, approximate)


@operation("Softmax")
def softmax(x: Tensor, axis: Any = -1) -> Tensor:
    """Over one axis or several; all for None."""
    axes = tuple(range(x.ndim)) if axis is None else axis
    return F.masked_softmax(x, None, axes)


def _format(data_format: str | None) -> Any:
    return data_format or "channels_last"


def _sliding(strides: Any, padding: str, data_format: str | None, dilation_rate: Any) -> dict[str, Any]:
    """How the kernel of a convolution slides, by the names of trtnn's functions."""
    return {"stride": strides, "padding": padding, "dilation": dilation_rate, "data_format": _format(data_format)}


@operation("Conv")
def conv(
    inputs: Tensor,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Tensor:
    """Kernel (*window, in / groups, out)."""
    channels = inputs.shape[1 if data_format == "channels_first" else -1]
    groups = channels // kernel.shape[-2]
    return F.conv(inputs, kernel, groups=groups, **_sliding(strides, padding, data_format, dilation_rate))


@operation("ConvTranspose")
def conv_transpose(
    inputs: Tensor,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    output_padding: Any = None,
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Tensor:
    """Kernel (*window, out, in)."""
    options = _sliding(strides, padding, data_format, dilation_rate)
    return F.conv_transpose(inputs, kernel, output_padding=output_padding, **options)


@operation("DepthwiseConv")
def depthwise_conv(
    inputs: Tensor,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Tensor:
    """Kernel (*window, channels, multiplier)."""
    return F.depthwise_conv(inputs, kernel, **_sliding(strides, padding, data_format, dilation_rate))


@operation("SeparableConv")
def separable_conv(
    inputs: Tensor,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Tensor:
    """Two kernels."""
    options = _sliding(strides, padding, data_format, dilation_rate)
    return F.separable_conv(inputs, depthwise_kernel, pointwise_kernel, **options)


@operation("MaxPool")
def max_pool(
    inputs: Tensor, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: str | None = None
) -> Tensor:
    """Over windows."""
    return F.max_pool(inputs, pool_size, strides, padding, _format(data_format))


@operation("AveragePool")
def average_pool(
    inputs: Tensor, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: str | None = None
) -> Tensor:
    """Over windows."""
    return F.average_pool(inputs, pool_size, strides, padding, _format(data_format))


@operation("AdaptiveMaxPool")
def adaptive_max_pool(inputs: Tensor, output_size: Any, data_format: str | None = None) -> Tensor:
    """To a fixed size."""
    return F.adaptive_max_pool(inputs, output_size, _format(data_format))


@operation("AdaptiveAveragePool")
def adaptive_average_pool(inputs: Tensor, output_size: Any, data_format: str | None = None) -> Tensor:
    """To a fixed size."""
    return F.adaptive_average_pool(inputs, output_size, _format(data_format))


@operation("OneHot")
def one_hot(x: Tensor, num_classes: int, axis: int = -1, dtype: str | None = None) -> Tensor:
    """On a new axis."""
    return F.one_hot(x, num_classes, axis, dtype or "float32")


@operation("MultiHot")
def multi_hot(inputs: Tensor, num_classes: int, axis: int = -1, dtype: str | None = None) -> Tensor:
    """One vector per sample."""
    if axis != -1:
        raise UnsupportedError(problem=f"multi_hot along axis {axis} is not supported")
    return F.multi_hot(inputs, num_classes, dtype or "float32")


@operation("Normalize")
def normalize(x: Tensor, axis: Any = -1, order: float = 2, epsilon: float | None = None) -> Tensor:
    """Vectors of length 1."""
    x, least = as_float(x), 1e-7 if epsilon is None else epsilon
    if order == 2:  # as Keras: the sum is bounded, not its root
        total = F.sum(F.square(x), axis, keepdims=True)
        return x * F.rsqrt(F.maximum(total, least**2))
    return x / F.maximum(F.norm(x, order, axis, keepdims=True), least)


@operation("LayerNorm")
def layer_norm(
    x: Tensor,
    gamma: Any = None,
    beta: Any = None,
    axis: Any = -1,
    epsilon: float | None = None,
    rms_scaling: bool = False,
) -> Tensor:
    """Over axes."""
    if rms_scaling:
        raise UnsupportedError(problem="layer_norm with rms_scaling is not supported")
    return F.layer_norm(x, gamma, beta, axis=axis, eps=1e-7 if epsilon is None else epsilon)


@operation("RMSNorm")
def rms_norm(x: Tensor, scale: Any = None, axis: Any = -1, epsilon: float | None = None) -> Tensor:
    """Over axes."""
    return F.rms_norm(x, scale, axis=axis, eps=1e-7 if epsilon is None else epsilon)


@operation("BatchNorm")
def batch_norm(
    x: Tensor, mean: Any, variance: Any, offset: Any = None, scale: Any = None, axis: int = -1, epsilon: float = 1e-3
) -> Tensor:
    """With given statistics."""
    shape = [1] * x.ndim
    shape[axis] = -1
    mean, variance, offset, scale = (
        None if one is None else one.reshape(shape) for one in (mean, variance, offset, scale)
    )
    factor = F.rsqrt(variance + epsilon) if isinstance(variance, Tensor) else (variance + epsilon) ** -0.5
    factor = factor if scale is None else factor * scale
    y = (x - mean) * factor
    return y if offset is None else y + offset  # type: ignore[no-any-return]


@operation("DotProductAttention")
def dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> Tensor:
    """(N, T, heads, k)."""
    if attn_logits_soft_cap is not None:
        raise UnsupportedError(problem="attn_logits_soft_cap is not supported")
    return F.dot_product_attention(query, key, value, mask=mask, bias=bias, scale=scale, is_causal=is_causal)


@operation("SpaceToDepth")
def space_to_depth(x: Tensor, block_size: int, data_format: str = "channels_last") -> Tensor:
    """Blocks of the image into channels."""
    b = block_size
    if data_format == "channels_first":
        return F.moveaxis(space_to_depth(F.moveaxis(x, 1, -1), b), -1, 1)
    n, h, w, c = x.shape
    blocks = F.reshape(x, (n, h // b, b, w // b, b, c))
    return F.reshape(F.transpose(blocks, (0, 1, 3, 2, 4, 5)), (n, h // b, w // b, b * b * c))


@operation("DepthToSpace")
def depth_to_space(x: Tensor, block_size: int, data_format: str = "channels_last") -> Tensor:
    """Channels into blocks of the image."""
    b = block_size
    if data_format == "channels_first":
        return F.moveaxis(depth_to_space(F.moveaxis(x, 1, -1), b), -1, 1)
    n, h, w, c = x.shape
    blocks = F.reshape(x, (n, h, w, b, b, c // (b * b)))
    return F.reshape(F.transpose(blocks, (0, 1, 3, 2, 4, 5)), (n, h * b, w * b, c // (b * b)))


@operation("Resize")
def resize(
    images: Tensor,
    size: Any,
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> Tensor:
    """To a fixed size."""
    if crop_to_aspect_ratio or pad_to_aspect_ratio:
        raise UnsupportedError(problem="resize with an aspect ratio is not supported")
    return F.resize(images, size, interpolation, antialias=antialias, data_format=_format(data_format))
