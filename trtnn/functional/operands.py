"""What every function does first: find the trace, lift numbers and arrays to tensors, bring ranks together."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from trtnn.errors import ArgumentError, ShapeError, TraceError
from trtnn.graph import Shape
from trtnn.graph.dims import DimExpr, is_int
from trtnn.graph.ops import Reshape
from trtnn.graph.ops.base import normalize_axis
from trtnn.tensor import Tensor
from trtnn.trace import Tracer, tracer_of

Operand: TypeAlias = Any  # Tensor | Parameter | np.ndarray | int | float | bool
Axes: TypeAlias = int | tuple[int, ...] | list[int] | None


def lift(*operands: Operand) -> tuple[Tracer, list[Tensor]]:
    """The trace that the operands belong to, and all of them as tensors.

    Numbers and float64 arrays take the data type of the first tensor. Raises TraceError when no operand is a tensor.
    """
    tracer = tracer_of(operands)
    if tracer is None:
        raise TraceError(
            problem=f"no traced tensor among the operands ({', '.join(type(one).__name__ for one in operands)})",
            remedy="functions of trtnn record a graph inside forward; compile the model and call the engine to compute",
        )
    like = next((one for one in operands if isinstance(one, Tensor)), None)
    return tracer, [tracer.lift(one, like) for one in operands]


def lift_one(operand: Operand) -> tuple[Tracer, Tensor]:
    """`lift` for a function of one tensor."""
    tracer, (tensor,) = lift(operand)
    return tracer, tensor


def lift_broadcast(*operands: Operand) -> tuple[Tracer, list[Tensor]]:
    """`lift`, with axes of size 1 put in front of operands of a lower rank, as NumPy broadcasts."""
    tracer, tensors = lift(*operands)
    rank = max(tensor.ndim for tensor in tensors)
    return tracer, [with_rank(tracer, tensor, rank) for tensor in tensors]


def with_rank(tracer: Tracer, tensor: Tensor, rank: int) -> Tensor:
    """The tensor with axes of size 1 in front up to the rank; a constant is reshaped in place of the graph."""
    if tensor.ndim == rank:
        return tensor
    shape = (1,) * (rank - tensor.ndim) + tensor.shape
    held = tracer.builder.constant_of(tensor.value)
    if held is not None and held.parameter is None and held.data is not None:
        return tracer.constant(held.data.reshape([int(size) for size in shape]))
    return tracer.apply(Reshape(shape), tensor)


def axes_of(axis: Axes, rank: int) -> tuple[int, ...]:
    """Axes counted from the front; all of them for None. Raises ShapeError for one outside the rank."""
    if axis is None:
        return tuple(range(rank))
    return tuple(normalize_axis(one, rank) for one in (axis if isinstance(axis, (tuple, list)) else (axis,)))


def per_axis(what: str, value: int | tuple[int, ...] | list[int], count: int) -> tuple[int, ...]:
    """One positive int per spatial axis from one int or several. Raises ArgumentError otherwise."""
    values = value if isinstance(value, (tuple, list)) else (value,) * count
    if len(values) != count or not all(is_int(one) and one > 0 for one in values):
        raise ArgumentError(what, expected=f"a positive int, or {count} of them", got=repr(value))
    return tuple(int(one) for one in values)


def positive_int(what: str, value: int) -> int:
    """An int of at least 1. Raises ArgumentError for anything else."""
    if not is_int(value) or value < 1:
        raise ArgumentError(what, expected="a positive int", got=repr(value))
    return int(value)


def number(what: str, value: float, least: float = -np.inf) -> float:
    """A number of at least ``least`` as a float. Raises ArgumentError for anything else, NaN included."""
    is_number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not is_number or not value >= least:
        expected = "a number" if least == -np.inf else f"a number >= {least:g}"
        raise ArgumentError(what, expected=expected, got=repr(value))
    return float(value)


def sizes_of(what: str, sizes: Any, least: int = 0) -> Shape:
    """Sizes as ints of at least ``least`` and expressions. Raises ShapeError for anything else."""
    values = tuple(sizes) if isinstance(sizes, (tuple, list, np.ndarray)) else (None,)
    if not all(isinstance(one, DimExpr) or (is_int(one) and one >= least) for one in values):
        raise ShapeError(
            what,
            expected=f"sizes: ints of at least {least}, or made of a tensor's shape, such as x.shape[1] // 2",
            got=repr(sizes),
        )
    return tuple(one if isinstance(one, DimExpr) else int(one) for one in values)
