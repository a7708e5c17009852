"""Matrix products and reductions."""

from __future__ import annotations

import builtins

from trtnn.functional.operands import Axes, Operand, axes_of, lift, lift_one, with_rank
from trtnn.graph.ops import ArgMax, MatMul, Reduce
from trtnn.graph.ops.base import normalize_axis
from trtnn.tensor import Tensor

__all__ = [
    "argmax",
    "matmul",
    "max",
    "mean",
    "min",
    "reduce_max",
    "reduce_mean",
    "reduce_min",
    "reduce_prod",
    "reduce_sum",
    "sum",
]


def matmul(x: Operand, y: Operand, transpose_y: bool = False) -> Tensor:
    """Matrix product over the last two axes: (..., n, k) with (..., k, m) gives (..., n, m); the axes in front
    broadcast.

    ``transpose_y`` takes y as (..., m, k). Vectors are taken as in NumPy: (k,) in front is a row, behind a column.
    """
    tracer, (x, y) = lift(x, y)
    row, column = x.ndim == 1, y.ndim == 1
    x = x.expand_dims(0) if row else x
    y = y.expand_dims(0 if transpose_y else 1) if column else y
    if y.ndim != 2:
        rank = builtins.max(x.ndim, y.ndim)
        x, y = with_rank(tracer, x, rank), with_rank(tracer, y, rank)
    result = tracer.apply(MatMul(transpose_y), x, y)
    drop = tuple(axis for axis, gone in ((-2, row), (-1, column)) if gone)
    return result.squeeze(drop) if drop else result


def _reduce(kind: str, x: Operand, axis: Axes, keepdims: bool) -> Tensor:
    tracer, tensor = lift_one(x)
    axes = axes_of(axis, tensor.ndim)
    return tracer.apply(Reduce(kind, axes, keepdims), tensor) if axes else tensor  # type: ignore[arg-type]


def reduce_sum(x: Operand, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The sum over axes (all when None)."""
    return _reduce("sum", x, axis, keepdims)


def reduce_mean(x: Operand, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The mean over axes (all when None), floats only."""
    return _reduce("mean", x, axis, keepdims)


def reduce_max(x: Operand, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The maximum over axes (all when None)."""
    return _reduce("max", x, axis, keepdims)


def reduce_min(x: Operand, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The minimum over axes (all when None)."""
    return _reduce("min", x, axis, keepdims)


def reduce_prod(x: Operand, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The product over axes (all when None)."""
    return _reduce("prod", x, axis, keepdims)


def argmax(x: Operand, axis: int = -1) -> Tensor:
    """The int64 position of the largest element along an axis, the first one among equals."""
    tracer, tensor = lift_one(x)
    return tracer.apply(ArgMax(normalize_axis(axis, tensor.ndim)), tensor)


mean, sum, max, min = reduce_mean, reduce_sum, reduce_max, reduce_min  # the names of Keras and NumPy
