"""Elementwise arithmetic, comparison, matrix products and reductions."""

from __future__ import annotations

from typing import Literal

import attrs

from trtnn.errors import ShapeError
from trtnn.graph.ops.base import (
    NUMBERS,
    Op,
    broadcast,
    normalize_axis,
    require_dtype,
    require_float,
    require_same_dtype,
)
from trtnn.graph.types import DType, TensorType, shape_text

UNARY_FLOAT = frozenset(
    [
        "exp",
        "log",
        "sqrt",
        "reciprocal",
        "sin",
        "cos",
        "tan",
        "asin",
        "acos",
        "atan",
        "sinh",
        "cosh",
        "asinh",
        "acosh",
        "atanh",
        "erf",
        "floor",
        "ceil",
        "round",
    ]
)
UNARY_NUMBER = frozenset({"negative", "abs", "sign"})
ARITHMETIC = frozenset(["add", "subtract", "multiply", "divide", "floor_divide", "mod", "power", "maximum", "minimum"])
COMPARISONS = frozenset(["equal", "less", "greater"])
LOGICAL = frozenset(["logical_and", "logical_or", "logical_xor"])
REDUCTIONS = frozenset(["sum", "mean", "max", "min", "prod"])


@attrs.frozen(eq=False, repr=False)
class Unary(Op):
    """A function of every element: one of `UNARY_FLOAT`, `UNARY_NUMBER` or "logical_not". round is half to even."""

    kind: str

    def infer(self, x: TensorType) -> TensorType:  # type: ignore[override]
        """The input's type."""
        if self.kind == "logical_not":
            require_dtype("an operand", x, DType.bool)
        elif self.kind in UNARY_FLOAT:
            require_float("an operand", x)
        else:
            require_dtype("an operand", x, *NUMBERS)
        return x

    @property
    def name(self) -> str:
        """The function's own name."""
        return self.kind


@attrs.frozen(eq=False, repr=False)
class Binary(Op):
    """A function of two elements: one of `ARITHMETIC`, `COMPARISONS` (bool results) or `LOGICAL`.

    Operands have one data type and one rank; a size of 1 stretches. floor_divide and mod round down, as in Python.
    divide takes floats only.
    """

    kind: str

    def infer(self, x: TensorType, y: TensorType) -> TensorType:  # type: ignore[override]
        """The broadcast shape; bool for a comparison."""
        require_same_dtype([x, y])
        if self.kind in LOGICAL:
            require_dtype("operands", x, DType.bool)
        elif self.kind == "divide":
            require_float("operands", x)
        elif self.kind != "equal":
            require_dtype("operands", x, *NUMBERS)
        dtype = DType.bool if self.kind in COMPARISONS else x.dtype
        return TensorType(dtype, broadcast(x.shape, y.shape))

    @property
    def name(self) -> str:
        """The function's own name."""
        return self.kind


@attrs.frozen(eq=False, repr=False)
class Select(Op):
    """``where(condition, x, y)``: x where the bool condition holds, else y. Operands have one rank and broadcast."""

    def infer(self, condition: TensorType, x: TensorType, y: TensorType) -> TensorType:  # type: ignore[override]
        """The broadcast shape with x's data type."""
        require_dtype("a condition", condition, DType.bool)
        require_same_dtype([x, y])
        return TensorType(x.dtype, broadcast(condition.shape, x.shape, y.shape))


@attrs.frozen(eq=False, repr=False)
class Cast(Op):
    """Conversion to another data type; floats round toward zero on the way to integers."""

    dtype: DType

    def infer(self, x: TensorType) -> TensorType:  # type: ignore[override]
        """The input's shape with the new data type."""
        return TensorType(self.dtype, x.shape)


@attrs.frozen(eq=False, repr=False)
class MatMul(Op):
    """Matrix product over the last two axes: x (..., n, k) with y (..., k, m) of the same rank, or with y (k, m).

    The axes in front broadcast. ``transpose_y`` takes y as (..., m, k).
    """

    transpose_y: bool = False

    def infer(self, x: TensorType, y: TensorType) -> TensorType:  # type: ignore[override]
        """(..., n, m)."""
        require_same_dtype([x, y])
        require_float("operands", x)
        if x.rank < 2 or y.rank < 2 or y.rank not in (2, x.rank):
            raise ShapeError(
                expected="matrices of one rank, or a second operand of rank 2",
                got=f"{shape_text(x.shape)} and {shape_text(y.shape)}",
            )
        inner, columns = (y.shape[-1], y.shape[-2]) if self.transpose_y else (y.shape[-2], y.shape[-1])
        if x.shape[-1] != inner:
            raise ShapeError(
                expected=f"{inner} features on the last axis, for a matrix of shape {shape_text(y.shape)}",
                got=f"{x.shape[-1]}, shape {shape_text(x.shape)}",
            )
        front = broadcast(x.shape[:-2], y.shape[:-2]) if y.rank == x.rank else x.shape[:-2]
        return TensorType(x.dtype, (*front, x.shape[-2], columns))


@attrs.frozen(eq=False, repr=False)
class Reduce(Op):
    """sum, mean, max, min or prod over axes, which stay as size 1 with ``keepdims``."""

    kind: Literal["sum", "mean", "max", "min", "prod"]
    axes: tuple[int, ...]
    keepdims: bool = False

    def infer(self, x: TensorType) -> TensorType:  # type: ignore[override]
        """The shape without the axes, or with 1 in their place."""
        require_dtype("an operand", x, *NUMBERS)
        if self.kind == "mean":
            require_float("an operand", x)
        axes = {normalize_axis(axis, x.rank) for axis in self.axes}
        if len(axes) != len(self.axes):
            raise ShapeError(expected="distinct axes", got=str(self.axes))
        if self.keepdims:
            return TensorType(x.dtype, tuple(1 if i in axes else size for i, size in enumerate(x.shape)))
        return TensorType(x.dtype, tuple(size for i, size in enumerate(x.shape) if i not in axes))

    @property
    def name(self) -> str:
        """reduce_sum, reduce_mean and so on."""
        return f"reduce_{self.kind}"


@attrs.frozen(eq=False, repr=False)
class ArgMax(Op):
    """The int64 position of the largest element along an axis, the first one among equals; the axis goes."""

    axis: int

    def infer(self, x: TensorType) -> TensorType:  # type: ignore[override]
        """The shape without the axis."""
        require_dtype("an operand", x, *NUMBERS)
        axis = normalize_axis(self.axis, x.rank)
        return TensorType(DType.int64, x.shape[:axis] + x.shape[axis + 1 :])
