"""Reductions and elementwise functions that are put together from others, under the names of NumPy and Keras."""

from __future__ import annotations

import math

import numpy as np

from trtnn.errors import ArgumentError
from trtnn.functional import math as fm
from trtnn.functional import reductions
from trtnn.functional.operands import Axes, Operand, lift_broadcast, lift_one
from trtnn.functional.shape import broadcast_to
from trtnn.graph import DType
from trtnn.tensor import Tensor

__all__ = [
    "all",
    "any",
    "count_nonzero",
    "exp2",
    "expm1",
    "isfinite",
    "isinf",
    "isnan",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "logsumexp",
    "norm",
    "ones_like",
    "std",
    "trunc",
    "var",
    "zeros_like",
]


def var(x: Operand, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The biased variance over axes (all when None): the mean of the squared distances from the mean."""
    _, tensor = lift_one(x)
    centred = tensor - reductions.reduce_mean(tensor, axis, keepdims=True)
    return reductions.reduce_mean(fm.square(centred), axis, keepdims)


def std(x: Operand, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The square root of `var`."""
    return fm.sqrt(var(x, axis, keepdims))


def logsumexp(x: Operand, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """``log(sum(exp(x)))`` over axes (all when None), computed without overflow."""
    _, tensor = lift_one(x)
    highest = reductions.reduce_max(tensor, axis, keepdims=True)
    total = fm.log(reductions.reduce_sum(fm.exp(tensor - highest), axis, keepdims))
    return total + (highest if keepdims else reductions.reduce_max(tensor, axis))


def logaddexp(x: Operand, y: Operand) -> Tensor:
    """``log(exp(x) + exp(y))``, computed without overflow."""
    _, (a, b) = lift_broadcast(x, y)
    return fm.maximum(a, b) + log1p(fm.exp(-fm.abs(a - b)))


def norm(x: Operand, order: float | str | None = None, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The length of vectors along axes: 2 (the default, also "fro" and "euclidean"), 1, any number, or +-inf.

    Several axes are taken as one long vector. Raises ArgumentError for another order.
    """
    _, tensor = lift_one(x)
    if order in (None, 2, "fro", "euclidean"):
        return fm.sqrt(reductions.reduce_sum(fm.square(tensor), axis, keepdims))
    if not isinstance(order, (int, float)) or order == 0 or math.isnan(order):
        raise ArgumentError("norm", expected="an order that is a number other than 0", got=repr(order))
    size = fm.abs(tensor)
    if math.isinf(order):
        return reductions.reduce_max(size, axis, keepdims) if order > 0 else reductions.reduce_min(size, axis, keepdims)
    if order == 1:
        return reductions.reduce_sum(size, axis, keepdims)
    return reductions.reduce_sum(size ** float(order), axis, keepdims) ** (1 / order)


def any(x: Operand, axis: Axes = None, keepdims: bool = False) -> Tensor:  # NumPy's name
    """Whether anything over the axes (all when None) is true, or not zero; bool."""
    return fm.greater(reductions.reduce_max(_truth(x), axis, keepdims), 0)


def all(x: Operand, axis: Axes = None, keepdims: bool = False) -> Tensor:  # NumPy's name
    """Whether everything over the axes (all when None) is true, or not zero; bool."""
    return fm.greater(reductions.reduce_min(_truth(x), axis, keepdims), 0)


def count_nonzero(x: Operand, axis: Axes = None) -> Tensor:
    """How many elements over the axes (all when None) are true, or not zero; int32."""
    return reductions.reduce_sum(_truth(x), axis)


def _truth(x: Operand) -> Tensor:
    """1 where an element is true, or not zero, as int32."""
    _, tensor = lift_one(x)
    return fm.cast(tensor if tensor.dtype is DType.bool else fm.not_equal(tensor, 0), "int32")


def isnan(x: Operand) -> Tensor:
    """True where a float is not a number."""
    return fm.not_equal(x, x)


def isinf(x: Operand) -> Tensor:
    """True where a float is infinite."""
    return fm.equal(fm.abs(x), np.inf)


def isfinite(x: Operand) -> Tensor:
    """True where a float is neither infinite nor NaN."""
    return fm.less(fm.abs(x), np.inf)


def expm1(x: Operand) -> Tensor:
    """``exp(x) - 1``, exact also next to 0."""
    _, half = lift_one(fm.multiply(x, 0.5))
    return 2.0 * fm.exp(half) * fm.sinh(half)


def log1p(x: Operand) -> Tensor:
    """``log(1 + x)``, exact also next to 0."""
    _, tensor = lift_one(x)
    small = fm.less(fm.abs(tensor), 0.5)
    near = fm.where(small, tensor, 0.0)
    return fm.where(small, 2.0 * fm.atanh(near / (near + 2.0)), fm.log(tensor + 1.0))


def log2(x: Operand) -> Tensor:
    """The logarithm to base 2."""
    return fm.multiply(fm.log(x), 1 / math.log(2))


def log10(x: Operand) -> Tensor:
    """The logarithm to base 10."""
    return fm.multiply(fm.log(x), 1 / math.log(10))


def exp2(x: Operand) -> Tensor:
    """2 ** x."""
    return fm.exp(fm.multiply(x, math.log(2)))


def trunc(x: Operand) -> Tensor:
    """Rounded towards 0."""
    _, tensor = lift_one(x)
    return fm.sign(tensor) * fm.floor(fm.abs(tensor))


def zeros_like(x: Operand) -> Tensor:
    """Zeros in the shape and data type of x."""
    return _full_like(x, 0)


def ones_like(x: Operand) -> Tensor:
    """Ones in the shape and data type of x."""
    return _full_like(x, 1)


def _full_like(x: Operand, value: float) -> Tensor:
    _, tensor = lift_one(x)
    filler = tensor.tracer.constant(np.full((1,) * tensor.ndim, value, tensor.dtype.numpy))
    return broadcast_to(filler, tensor.shape)
