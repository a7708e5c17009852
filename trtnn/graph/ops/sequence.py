"""Operations along one axis that look at many of its elements: running sums, the largest k; and counting."""

from __future__ import annotations

import attrs

from trtnn.errors import ShapeError
from trtnn.graph.dims import Size
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


@attrs.frozen(eq=False, repr=False)
class Range(Op):
    """0, 1, 2 and so on up to ``size - 1``, as int64."""

    size: Size

    def infer(self) -> TensorType:  # type: ignore[override]
        """int64 (size,)."""
        return TensorType(DType.int64, (self.size,))


@attrs.frozen(eq=False, repr=False)
class CumSum(Op):
    """Sums of the elements up to each one, itself included unless ``exclusive``; from the end when ``reverse``."""

    axis: int
    exclusive: bool = False
    reverse: bool = False

    def infer(self, x: TensorType) -> TensorType:  # type: ignore[override]
        """The input's type."""
        require_dtype("an operand", x, *NUMBERS)
        normalize_axis(self.axis, x.rank)
        return x


@attrs.frozen(eq=False, repr=False)
class TopK(Op):
    """The ``k`` largest elements along an axis, or the smallest, best first; of equal ones the first comes first.

    Results: the elements, and their int64 positions on the axis.
    """

    k: int
    axis: int
    largest: bool = True

    def infer(self, x: TensorType) -> tuple[TensorType, TensorType]:  # type: ignore[override]
        """The shape with k on the axis, twice."""
        require_dtype("an operand", x, *NUMBERS)
        axis = normalize_axis(self.axis, x.rank)
        size = x.shape[axis]
        if isinstance(size, int) and self.k > size:
            raise ShapeError(expected=f"k of at most {size}, the size of axis {axis}", got=f"{self.k}")
        shape = (*x.shape[:axis], self.k, *x.shape[axis + 1 :])
        return TensorType(x.dtype, shape), TensorType(DType.int64, shape)


@attrs.frozen(eq=False, repr=False)
class PRelu(Op):
    """``x if x >= 0 else slope * x``; the slope has x's rank, and sizes of 1 stretch."""

    def infer(self, x: TensorType, slope: TensorType) -> TensorType:  # type: ignore[override]
        """The input's type."""
        require_float("an input", x)
        require_same_dtype([x, slope])
        if broadcast(x.shape, slope.shape) != x.shape:
            raise ShapeError(expected=f"slopes that stretch to {shape_text(x.shape)}", got=shape_text(slope.shape))
        return x
