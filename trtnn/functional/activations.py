"""Activations: all of Keras 3's, and those of ``tf.nn``.

Raises ArgumentError for a bad option, DTypeError for integers, ShapeError for an axis that does not fit.
"""

from __future__ import annotations

import numpy as np

from trtnn.errors import ArgumentError, ShapeError
from trtnn.functional import math as fm
from trtnn.functional import reductions
from trtnn.functional.operands import Operand, lift, lift_one, number
from trtnn.functional.sequence import cumsum, sort
from trtnn.functional.shape import concat, split
from trtnn.graph import shape_text
from trtnn.graph.ops import Activation, PRelu
from trtnn.graph.ops.base import normalize_axis
from trtnn.tensor import Tensor

__all__ = [
    "celu",
    "clip",
    "crelu",
    "elu",
    "exponential",
    "gelu",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "log_sigmoid",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
]


def _activation(kind: str, x: Operand, alpha: float = 0.0, beta: float = 0.0) -> Tensor:
    tracer, tensor = lift_one(x)
    return tracer.apply(Activation(kind, number(kind, alpha), number(kind, beta)), tensor)


def relu(x: Operand, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Tensor:
    """max(x, 0); with options, x from ``threshold`` to ``max_value``, below ``negative_slope * (x - threshold)``."""
    _, tensor = lift_one(x)
    slope, start = number("negative_slope", negative_slope), number("threshold", threshold)
    if slope and start == 0 and max_value is None:
        return leaky_relu(tensor, slope)
    if start:
        above = _activation("threshold", tensor, start) if start > 0 else fm.where(tensor > start, tensor, 0.0)
        above = above if max_value is None else clip(above, 0.0, max_value)
    else:
        above = _activation("relu", tensor) if max_value is None else clip(tensor, 0.0, max_value)
    return above - _activation("relu", start - tensor) * slope if slope else above


def relu6(x: Operand) -> Tensor:
    """min(max(x, 0), 6)."""
    return clip(x, 0.0, 6.0)


def clip(x: Operand, low: float, high: float) -> Tensor:
    """min(max(x, low), high), for numbers low <= high."""
    if not number("clip", low) <= number("clip", high):
        raise ArgumentError("clip", expected="low <= high", got=f"{low} and {high}")
    return _activation("clip", x, low, high)


def leaky_relu(x: Operand, negative_slope: float = 0.2) -> Tensor:
    """x where positive, else ``negative_slope * x``. The default is that of ``tf.nn``; Keras's layer has 0.3."""
    return _activation("leaky_relu", x, negative_slope)


def elu(x: Operand, alpha: float = 1.0) -> Tensor:
    """x where positive, else ``alpha * (exp(x) - 1)``."""
    return _activation("elu", x, alpha)


def selu(x: Operand) -> Tensor:
    """``1.0507 * elu(x, 1.6733)``, the self-normalizing constants of Klambauer et al. 2017."""
    return _activation("selu", x, 1.6732632423543772, 1.0507009873554805)


def sigmoid(x: Operand) -> Tensor:
    """1 / (1 + exp(-x))."""
    return _activation("sigmoid", x)


def hard_sigmoid(x: Operand, slope: float = 1 / 6, offset: float = 0.5) -> Tensor:
    """``clip(slope * x + offset, 0, 1)``. The default is Keras 3's; Keras 2 has a slope of 0.2."""
    return _activation("hard_sigmoid", x, slope, offset)


def tanh(x: Operand) -> Tensor:
    """The hyperbolic tangent."""
    return _activation("tanh", x)


def softplus(x: Operand) -> Tensor:
    """log(1 + exp(x))."""
    return _activation("softplus", x)


def softsign(x: Operand) -> Tensor:
    """x / (1 + |x|)."""
    return _activation("softsign", x)


def gelu(x: Operand, approximate: bool = False) -> Tensor:
    """``x / 2 * (1 + erf(x / sqrt(2)))``, or its tanh approximation."""
    return _activation("gelu_tanh" if approximate else "gelu", x)


def swish(x: Operand) -> Tensor:
    """x * sigmoid(x)."""
    return _activation("swish", x)


silu = swish


def hard_swish(x: Operand) -> Tensor:
    """x * clip(x / 6 + 1/2, 0, 1)."""
    return _activation("hard_swish", x)


hard_silu = hard_swish


def mish(x: Operand) -> Tensor:
    """x * tanh(softplus(x))."""
    return _activation("mish", x)


def threshold(x: Operand, theta: float = 1.0, default_value: float = 0.0) -> Tensor:
    """x where x > theta, else ``default_value``."""
    if default_value == 0:
        return _activation("threshold", x, theta)
    _, tensor = lift_one(x)
    return fm.where(tensor > number("theta", theta), tensor, number("default_value", default_value))


def log_sigmoid(x: Operand) -> Tensor:
    """log(1 / (1 + exp(-x)))."""
    return -softplus(-x)


def tanh_shrink(x: Operand) -> Tensor:
    """x - tanh(x)."""
    return x - tanh(x)  # type: ignore[no-any-return]


def hard_tanh(x: Operand) -> Tensor:
    """min(max(x, -1), 1)."""
    return clip(x, -1.0, 1.0)


def crelu(x: Operand, axis: int = -1) -> Tensor:
    """relu(x) and relu(-x), one after the other along an axis."""
    return concat([relu(x), relu(-x)], axis)


def exponential(x: Operand) -> Tensor:
    """e ** x."""
    return fm.exp(x)


def prelu(x: Operand, slope: Operand) -> Tensor:
    """x where it is not negative, else ``slope * x``; the slope broadcasts to x."""
    tracer, (tensor, weights) = lift(x, slope)
    while weights.ndim < tensor.ndim:
        weights = weights.expand_dims(0)
    return tracer.apply(PRelu(), tensor, weights)


def hard_shrink(x: Operand, threshold: float = 0.5) -> Tensor:
    """x where ``|x| > threshold``, else 0."""
    _, tensor = lift_one(x)
    return fm.where(fm.abs(tensor) > number("threshold", threshold), tensor, 0.0)


def soft_shrink(x: Operand, threshold: float = 0.5) -> Tensor:
    """x moved towards 0 by ``threshold``, and 0 where it would pass it."""
    _, tensor = lift_one(x)
    amount = number("threshold", threshold, least=0)
    return tensor - clip(tensor, -amount, amount)


def squareplus(x: Operand, b: float = 4) -> Tensor:
    """(x + sqrt(x * x + b)) / 2."""
    _, tensor = lift_one(x)
    return (tensor + fm.sqrt(fm.square(tensor) + number("b", b, least=0))) * 0.5


def celu(x: Operand, alpha: float = 1.0) -> Tensor:
    """max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))."""
    _, tensor = lift_one(x)
    scale = number("alpha", alpha)
    return relu(tensor) + elu(fm.minimum(tensor, 0.0) / scale) * scale


def glu(x: Operand, axis: int = -1) -> Tensor:
    """The first half along an axis times the sigmoid of the second. Raises ShapeError for an odd size."""
    _, tensor = lift_one(x)
    size = tensor.shape[normalize_axis(axis, tensor.ndim)]
    if not isinstance(size, int) or size % 2:
        raise ShapeError("glu", expected=f"an even size on axis {axis}", got=shape_text(tensor.shape))
    value, gate = split(tensor, 2, axis)
    return value * sigmoid(gate)


def sparse_plus(x: Operand) -> Tensor:
    """0 up to -1, ``(x + 1)**2 / 4`` up to 1, x beyond."""
    _, tensor = lift_one(x)
    return fm.square(clip(tensor, -1.0, 1.0) + 1.0) * 0.25 + relu(tensor - 1.0)


def sparse_sigmoid(x: Operand) -> Tensor:
    """0 up to -1, (x + 1) / 2 up to 1, 1 beyond."""
    return hard_sigmoid(x, 0.5, 0.5)


def sparsemax(x: Operand, axis: int = -1) -> Tensor:
    """Keras's sparsemax along an axis of fixed size: ``relu(x - tau)``, most of it 0.

    As Keras 3.15 computes it: tau is made of the sum of all running sums over the support, where Martins and Astudillo
    (2016) take the last one, so results do not add up to 1.
    """
    _, tensor = lift_one(x)
    place = normalize_axis(axis, tensor.ndim)
    ordered = sort(tensor, place, descending=True)
    total = cumsum(ordered, place)
    ranks = np.arange(1.0, float(ordered.shape[place]) + 1).reshape(-1, *(1,) * (tensor.ndim - 1 - place))
    supported = ordered - (total - 1.0) / ranks > 0.0
    count = reductions.reduce_sum(fm.cast(supported, tensor.dtype), place, keepdims=True)
    sums = reductions.reduce_sum(fm.where(supported, total, 0.0), place, keepdims=True)
    return relu(tensor - (sums - 1.0) / count)
