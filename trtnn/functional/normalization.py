"""Normalization by statistics of the activations themselves.

Raises ArgumentError for a bad option, ShapeError and DTypeError for operands that do not fit.
"""

from __future__ import annotations

import numpy as np

from trtnn.errors import ArgumentError, ShapeError
from trtnn.functional import math as fm
from trtnn.functional import reductions
from trtnn.functional.nn import DataFormat, is_channels_first
from trtnn.functional.operands import Axes, Operand, axes_of, lift_one, number
from trtnn.functional.shape import reshape, transpose
from trtnn.graph import shape_text
from trtnn.graph.dims import is_int
from trtnn.graph.ops import GroupNorm, LayerNorm, LocalResponseNorm
from trtnn.graph.ops.base import normalize_axis
from trtnn.tensor import Tensor

__all__ = ["group_norm", "l2_normalize", "layer_norm", "local_response_norm", "rms_norm"]

LARGEST_LRN_RADIUS = 7  # TensorRT's window ends at 15
SMALLEST_LRN_BIAS = 1e-5
SMALLEST_LRN_BETA = 0.01


def layer_norm(
    x: Operand,
    gamma: Operand | None = None,
    beta: Operand | None = None,
    *,
    axis: int | tuple[int, ...] = -1,
    eps: float = 1e-3,
) -> Tensor:
    """``(x - mean) / sqrt(variance + eps) * gamma + beta``, with the mean and the biased variance over ``axis``.

    gamma and beta have the sizes of x on the axes, in ascending order; 1 and 0 unless given.
    """
    tracer, tensor = lift_one(x)
    axes = tuple(sorted(axes_of(axis, tensor.ndim)))
    shape = tuple(tensor.shape[one] for one in axes)
    if not all(is_int(size) for size in shape):
        raise ShapeError("layer_norm", expected=f"fixed sizes on the axes {axes}", got=shape_text(shape))
    weights = (np.ones(shape) if gamma is None else gamma, np.zeros(shape) if beta is None else beta)
    op = LayerNorm(axes, number("eps", eps, least=0))
    return tracer.apply(op, tensor, *(tracer.lift(one, tensor) for one in weights))


def group_norm(
    x: Operand,
    groups: int,
    gamma: Operand | None = None,
    beta: Operand | None = None,
    *,
    eps: float = 1e-3,
    data_format: DataFormat = "channels_last",
) -> Tensor:
    """``groups`` groups of channels normalized, each over its channels and all spatial axes, then ``* gamma + beta``.

    x (N, *spatial, C), gamma and beta (C,); -1 makes every channel a group of its own (instance normalization).
    """
    tracer, tensor = lift_one(x)
    first = is_channels_first(data_format)
    channels = tensor.shape[1 if first else -1]
    if not is_int(channels) or not is_int(groups) or groups == 0 or groups < -1 or channels % groups:
        raise ArgumentError("groups", expected=f"a divisor of {channels} channels, or -1", got=repr(groups))
    if tensor.ndim == 2:  # nothing but channels: a group is an axis of its own
        grouped = layer_norm(
            reshape(tensor, (-1, channels if groups == -1 else groups, channels // abs(groups))), eps=eps
        )
        return _affine(reshape(grouped, tensor.shape), gamma, beta)
    weights = (np.ones(channels) if gamma is None else gamma, np.zeros(channels) if beta is None else beta)
    op = GroupNorm(channels if groups == -1 else groups, number("eps", eps, least=0), first)
    return tracer.apply(op, tensor, *(tracer.lift(one, tensor) for one in weights))


def _affine(x: Tensor, gamma: Operand | None, beta: Operand | None) -> Tensor:
    x = x if gamma is None else x * gamma
    return x if beta is None else x + beta


def rms_norm(x: Operand, scale: Operand | None = None, *, axis: Axes = -1, eps: float = 1e-6) -> Tensor:
    """``x / sqrt(mean(x * x) + eps) * scale``, the mean over ``axis``; the scale broadcasts to x from the right."""
    _, tensor = lift_one(x)
    mean = reductions.reduce_mean(fm.square(tensor), axis, keepdims=True)
    return _affine(tensor * fm.rsqrt(mean + number("eps", eps, least=0)), scale, None)


def l2_normalize(x: Operand, axis: Axes = -1, eps: float = 1e-12) -> Tensor:
    """``x / max(sqrt(sum(x * x)), eps)`` along ``axis``: vectors of length 1, as Keras's UnitNormalization."""
    _, tensor = lift_one(x)
    inverse = fm.rsqrt(reductions.reduce_sum(fm.square(tensor), axis, keepdims=True))
    return tensor * fm.minimum(inverse, 1.0 / number("eps", eps, least=1e-38))


def local_response_norm(
    x: Operand,
    radius: int = 5,
    bias: float = 1.0,
    alpha: float = 1.0,
    beta: float = 0.5,
    data_format: DataFormat = "channels_last",
) -> Tensor:
    """``x / (bias + alpha * s) ** beta``, s the sum of squares of ``radius`` channels before and after: ``tf.nn.lrn``.

    x (N, H, W, C). ``alpha`` is not divided by the window, as it is elsewhere. Defaults are TensorFlow's.
    """
    tracer, tensor = lift_one(x)
    first = is_channels_first(data_format)
    if not is_int(radius) or radius < 0:
        raise ArgumentError("radius", expected="an int of 0 or more", got=repr(radius))
    bias, alpha, beta = number("bias", bias), number("alpha", alpha), number("beta", beta)
    if radius <= LARGEST_LRN_RADIUS and bias >= SMALLEST_LRN_BIAS and beta >= SMALLEST_LRN_BETA:
        return tracer.apply(LocalResponseNorm(int(radius), bias, alpha, beta, first), tensor)
    if first:
        moved = local_response_norm(transpose(tensor, (0, 2, 3, 1)), radius, bias, alpha, beta)
        return transpose(moved, (0, 3, 1, 2))
    channels = np.arange(tensor.shape[normalize_axis(-1, tensor.ndim)])  # type: ignore[arg-type]
    near = np.abs(channels[:, None] - channels) <= radius
    sums = reductions.matmul(fm.square(tensor), near.astype(np.float64))
    return tensor / (bias + alpha * sums) ** beta
