"""Constants and operations that move elements without computing with them."""

from __future__ import annotations

from typing import Literal

import attrs
import numpy as np

from trtnn.errors import GraphError, ShapeError
from trtnn.graph.dims import DimExpr, Size, ceil_div, product
from trtnn.graph.ops.base import Op, normalize_axis, require_dtype, require_same_dtype
from trtnn.graph.types import DType, Shape, TensorType, shape_text


@attrs.frozen(eq=False, repr=False)
class Constant(Op):
    """A value known before the network runs: a weight, or a number in the user's code.

    ``data`` is None for a parameter whose weights are not loaded yet; ``parameter`` is its path in the module tree.
    The array is never copied or written.
    """

    type: TensorType
    data: np.ndarray | None = attrs.field(repr=False)
    parameter: str | None = None

    def infer(self) -> TensorType:  # type: ignore[override]
        """The constant's own type."""
        if self.data is not None and (self.data.shape != self.type.shape or self.data.dtype != self.type.dtype.numpy):
            raise GraphError(
                self.parameter, expected=str(self.type), got=f"an array {self.data.dtype}{self.data.shape}"
            )
        return self.type

    @property
    def attributes(self) -> dict[str, object]:
        """Nothing but the number of a scalar; arrays are too long to show."""
        return {} if self.data is None or self.data.ndim else {"value": self.data.item()}


def constant(array: np.ndarray, parameter: str | None = None) -> Constant:
    """A Constant that holds the array as it is."""
    return Constant(TensorType(DType(array.dtype.name), array.shape), array, parameter)


@attrs.frozen(eq=False, repr=False)
class DimValues(Op):
    """The run-time values of sizes, as an int64 tensor of shape (len(sizes),)."""

    sizes: Shape

    def infer(self) -> TensorType:  # type: ignore[override]
        """int64 (n,)."""
        return TensorType(DType.int64, (len(self.sizes),))


@attrs.frozen(eq=False, repr=False)
class Reshape(Op):
    """The same elements, in row-major order, under another shape; the shape may hold symbolic sizes."""

    shape: Shape

    def infer(self, x: TensorType) -> TensorType:  # type: ignore[override]
        """The new shape."""
        if product(self.shape) != product(x.shape):
            raise ShapeError(
                expected=f"a shape of {product(x.shape)} elements for an input of shape {shape_text(x.shape)}",
                got=f"{shape_text(self.shape)} with {product(self.shape)}",
            )
        return TensorType(x.dtype, self.shape)


@attrs.frozen(eq=False, repr=False)
class Transpose(Op):
    """Axes in another order: axis i of the result is axis ``permutation[i]`` of the operand."""

    permutation: tuple[int, ...]

    def infer(self, x: TensorType) -> TensorType:  # type: ignore[override]
        """The permuted shape."""
        if sorted(self.permutation) != list(range(x.rank)):
            raise ShapeError(expected=f"a permutation of {tuple(range(x.rank))}", got=str(self.permutation))
        return TensorType(x.dtype, tuple(x.shape[i] for i in self.permutation))


@attrs.frozen(eq=False, repr=False)
class Broadcast(Op):
    """Sizes of 1 stretched to ``shape``, which has the operand's rank."""

    shape: Shape

    def infer(self, x: TensorType) -> TensorType:  # type: ignore[override]
        """The stretched shape."""
        fits = x.rank == len(self.shape) and all(a in (1, b) for a, b in zip(x.shape, self.shape, strict=True))
        if not fits:
            raise ShapeError(expected=f"a shape that stretches to {shape_text(self.shape)}", got=shape_text(x.shape))
        return TensorType(x.dtype, self.shape)


@attrs.frozen(eq=False, repr=False)
class Concat(Op):
    """Operands one after the other along an axis; all other sizes are equal."""

    axis: int

    def infer(self, *inputs: TensorType) -> TensorType:
        """The common shape with the sum of the sizes on the axis."""
        if not inputs:
            raise ShapeError(expected="at least one tensor", got="none")
        require_same_dtype(inputs)
        first = inputs[0]
        axis = normalize_axis(self.axis, first.rank)
        for other in inputs[1:]:
            rest = [(a, b) for i, (a, b) in enumerate(zip(first.shape, other.shape, strict=False)) if i != axis]
            if other.rank != first.rank or any(a != b for a, b in rest):
                raise ShapeError(
                    expected=f"shapes equal but for axis {axis}",
                    got=" and ".join(shape_text(one.shape) for one in inputs),
                )
        joined: Size = 0
        for one in inputs:
            joined = one.shape[axis] + joined
        return TensorType(first.dtype, (*first.shape[:axis], joined, *first.shape[axis + 1 :]))


@attrs.frozen(eq=False, repr=False)
class Slice(Op):
    """``sizes[i]`` elements from ``starts[i]`` in steps of ``steps[i]`` (negative steps walk backwards), for every
    axis."""

    starts: Shape
    sizes: Shape
    steps: tuple[int, ...]

    def infer(self, x: TensorType) -> TensorType:  # type: ignore[override]
        """``sizes``."""
        if not x.rank == len(self.starts) == len(self.sizes) == len(self.steps):
            raise ShapeError(expected=f"{x.rank} starts, sizes and steps", got=f"{len(self.starts)}")
        for axis, (size, start, count, step) in enumerate(
            zip(x.shape, self.starts, self.sizes, self.steps, strict=True)
        ):
            if isinstance(size, int) and isinstance(start, int) and isinstance(count, int):
                last = start + (count - 1) * step
                if count < 1 or not 0 <= start < size or not 0 <= last < size:
                    raise ShapeError(
                        expected=f"at least one element inside 0..{size - 1} on axis {axis}",
                        got=f"{count} from {start} in steps of {step}",
                    )
        return TensorType(x.dtype, self.sizes)


@attrs.frozen(eq=False, repr=False)
class Pad(Op):
    """Elements added (before, after) each axis: a constant ``value``, the "reflect"-ed inside, or the "edge"
    repeated."""

    pairs: tuple[tuple[Size, Size], ...]
    mode: Literal["constant", "reflect", "edge"] = "constant"
    value: float = 0.0

    def infer(self, x: TensorType) -> TensorType:  # type: ignore[override]
        """The shape grown by the padding."""
        if len(self.pairs) != x.rank:
            raise ShapeError(expected=f"{x.rank} (before, after) pairs", got=f"{len(self.pairs)}")
        for axis, (size, pair) in enumerate(zip(x.shape, self.pairs, strict=True)):
            known = [amount for amount in pair if isinstance(amount, int)]
            if any(amount < 0 for amount in known):
                raise ShapeError(expected="padding of 0 or more", got=f"{pair} on axis {axis}", remedy="slice to crop")
            if self.mode == "reflect" and isinstance(size, int) and any(amount >= size for amount in known):
                raise ShapeError(expected=f"reflection by less than {size} on axis {axis}", got=str(pair))
        return TensorType(x.dtype, tuple(n + a + b for n, (a, b) in zip(x.shape, self.pairs, strict=True)))


@attrs.frozen(eq=False, repr=False)
class Gather(Op):
    """Entries of an axis picked by integer indices: ``take(x, indices, axis)``; the indices' shape takes the axis's
    place.

    Indices are int32 or int64 within 0..size-1.
    """

    axis: int

    def infer(self, x: TensorType, indices: TensorType) -> TensorType:  # type: ignore[override]
        """x.shape[:axis] + indices.shape + x.shape[axis + 1:]."""
        require_dtype("indices", indices, DType.int64, DType.int32)
        axis = normalize_axis(self.axis, x.rank)
        return TensorType(x.dtype, x.shape[:axis] + indices.shape + x.shape[axis + 1 :])


def slice_size(start: Size, stop: Size, step: int) -> Size:
    """How many elements ``range(start, stop, step)`` has, when it has any."""
    return ceil_div(stop - start, step) if step > 0 else ceil_div(start - stop, -step)


def is_symbolic(size: Size) -> bool:
    """True when the size is not a plain int."""
    return isinstance(size, DimExpr)
