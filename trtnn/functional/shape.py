"""Functions that move elements: reshape, transpose, slices, concatenation, padding.

Shapes may hold symbolic sizes (``x.shape[1] // 2``). Raises ShapeError when a shape or an axis does not fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trtnn.errors import ArgumentError, ShapeError
from trtnn.functional.operands import Axes, Operand, axes_of, lift, lift_one, number, sizes_of, with_rank
from trtnn.graph import Shape, Size, shape_text
from trtnn.graph.dims import DimExpr, floor_div, is_int, product
from trtnn.graph.ops import Broadcast, Concat, DimValues, Gather, Pad, Reshape, Slice, Transpose
from trtnn.graph.ops.base import normalize_axis
from trtnn.graph.ops.shape import slice_size
from trtnn.tensor import Tensor

__all__ = [
    "broadcast_to",
    "concat",
    "dim_values",
    "expand_dims",
    "flatten",
    "gather",
    "getitem",
    "pad",
    "reshape",
    "split",
    "squeeze",
    "stack",
    "take",
    "transpose",
]


def reshape(x: Operand, shape: Sequence[Size]) -> Tensor:
    """The same elements in row-major order under another shape; one size may be -1 and is worked out."""
    tracer, tensor = lift_one(x)
    wanted = sizes_of("reshape", shape, least=-1)
    if 0 in wanted:
        raise ShapeError("reshape", expected="sizes of at least 1, or one -1", got=shape_text(wanted))
    if -1 in wanted:
        wanted = _infer_missing(tensor.shape, wanted)
    return tensor if wanted == tensor.shape else tracer.apply(Reshape(wanted), tensor)


def _infer_missing(old: Shape, new: Shape) -> Shape:
    known = [size for size in new if size != -1]
    if len(known) != len(new) - 1:
        raise ShapeError("reshape", expected="one -1 at the most", got=shape_text(new))
    left, divisors = list(old), []
    for size in known:  # cancel equal sizes first, so that batch * h * w / batch stays exact
        if size in left:
            left.remove(size)
        else:
            divisors.append(size)
    total, divisor = product(left), product(divisors)
    missing = floor_div(total, divisor)
    if missing * divisor != total:
        raise ShapeError(
            "reshape",
            expected=f"sizes that divide the {product(old)} elements of {shape_text(old)}",
            got=shape_text(new),
        )
    return tuple(missing if size == -1 else size for size in new)


def flatten(x: Operand, start_axis: int = 1) -> Tensor:
    """All axes from ``start_axis`` on joined into one: (N, H, W, C) gives (N, H * W * C)."""
    tensor = lift_one(x)[1]
    start = normalize_axis(start_axis, max(tensor.ndim, 2))
    return reshape(tensor, (*tensor.shape[:start], product(tensor.shape[start:])))


def transpose(x: Operand, axes: Sequence[int] | None = None) -> Tensor:
    """Axis i of the result is axis ``axes[i]`` of x; the axes are reversed for None."""
    tracer, tensor = lift_one(x)
    wanted = tuple(reversed(range(tensor.ndim))) if axes is None else axes_of(tuple(axes), tensor.ndim)
    return tensor if wanted == tuple(range(tensor.ndim)) else tracer.apply(Transpose(wanted), tensor)


def squeeze(x: Operand, axis: Axes = None) -> Tensor:
    """Without the given axes of size 1, or without all of them for None."""
    tensor = lift_one(x)[1]
    gone = [i for i, size in enumerate(tensor.shape) if size == 1] if axis is None else axes_of(axis, tensor.ndim)
    for i in gone:
        if tensor.shape[i] != 1:
            raise ShapeError("squeeze", expected=f"size 1 on axis {i}", got=shape_text(tensor.shape))
    return reshape(tensor, [size for i, size in enumerate(tensor.shape) if i not in gone])


def expand_dims(x: Operand, axis: int) -> Tensor:
    """With a new axis of size 1 at ``axis`` of the result."""
    tensor = lift_one(x)[1]
    place = normalize_axis(axis, tensor.ndim + 1)
    return reshape(tensor, (*tensor.shape[:place], 1, *tensor.shape[place:]))


def broadcast_to(x: Operand, shape: Sequence[Size]) -> Tensor:
    """Sizes of 1, and missing axes in front, stretched to the shape."""
    tracer, tensor = lift_one(x)
    wanted = sizes_of("broadcast_to", shape, least=1)
    if tensor.ndim > len(wanted):
        raise ShapeError("broadcast_to", expected=f"a rank of at least {tensor.ndim}", got=shape_text(wanted))
    return tensor if tensor.shape == wanted else tracer.apply(Broadcast(wanted), with_rank(tracer, tensor, len(wanted)))


def concat(tensors: Sequence[Operand], axis: int = -1) -> Tensor:
    """The tensors one after the other along an axis; all other sizes are equal."""
    tracer, lifted = lift(*tensors)
    return lifted[0] if len(lifted) == 1 else tracer.apply(Concat(normalize_axis(axis, lifted[0].ndim)), *lifted)


def stack(tensors: Sequence[Operand], axis: int = 0) -> Tensor:
    """The tensors side by side on a new axis."""
    _, lifted = lift(*tensors)
    place = normalize_axis(axis, lifted[0].ndim + 1)
    return concat([expand_dims(one, place) for one in lifted], place)


def split(x: Operand, parts: int | Sequence[int], axis: int = -1) -> list[Tensor]:
    """Pieces along an axis: ``parts`` equal ones, or one per size in ``parts``, as ``tf.split``."""
    tensor = lift_one(x)[1]
    place = normalize_axis(axis, tensor.ndim)
    total = tensor.shape[place]
    if not isinstance(total, int):
        raise ShapeError(
            "split",
            expected=f"a fixed size on axis {place}",
            got=str(total),
            remedy="slice with computed bounds",
        )
    equal = [total // parts] * parts if is_int(parts) and parts > 0 else []
    sizes = list(parts) if isinstance(parts, (tuple, list)) else equal
    if not all(is_int(size) and size > 0 for size in sizes) or sum(sizes) != total:
        raise ShapeError("split", expected=f"parts that add up to {total} on axis {place}", got=repr(parts))
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    keep: list[Any] = [slice(None)] * place
    return [tensor[(*keep, slice(end - size, end))] for end, size in zip(ends, sizes, strict=True)]


def pad(x: Operand, pairs: Sequence[Sequence[Size]], mode: str = "constant", value: float = 0.0) -> Tensor:
    """(before, after) elements added to every axis: a constant, a "reflect"-ion without the edge, or the repeated
    "edge"."""
    tracer, tensor = lift_one(x)
    wanted = tuple(sizes_of("pad", pair) for pair in pairs) if isinstance(pairs, (tuple, list, np.ndarray)) else ()
    if len(wanted) != tensor.ndim or any(len(pair) != 2 for pair in wanted):
        raise ShapeError("pad", expected=f"{tensor.ndim} (before, after) pairs, one per axis", got=repr(pairs))
    if mode not in ("constant", "reflect", "edge"):
        raise ArgumentError("pad", expected='a mode of "constant", "reflect" or "edge"', got=repr(mode))
    if all(pair == (0, 0) for pair in wanted):
        return tensor
    return tracer.apply(Pad(wanted, mode, number("pad", value)), tensor)  # type: ignore[arg-type]


def take(x: Operand, indices: Operand, axis: int = 0) -> Tensor:
    """Entries of an axis picked by int32 or int64 indices within 0..size-1; their shape takes the axis's place."""
    tracer = lift(x, indices)[0]
    tensor, picked = tracer.lift(x), tracer.lift(indices)
    place = normalize_axis(axis, tensor.ndim)
    held = tracer.builder.constant_of(picked.value)
    if held is not None and held.data is not None:
        _require_within(held.data, tensor.shape[place], place)
    return tracer.apply(Gather(place), tensor, picked)


def _require_within(indices: np.ndarray, size: Size, axis: int) -> None:
    """Raises ShapeError when a known index lies outside a known size: what a target would then read is not defined."""
    if indices.dtype.kind == "i" and (indices.min() < 0 or (isinstance(size, int) and indices.max() >= size)):
        raise ShapeError(
            "take", expected=f"indices from 0 to {size - 1} on axis {axis}", got=f"{indices.min()} to {indices.max()}"
        )


gather = take


def dim_values(x: Tensor, sizes: Sequence[Size] | None = None) -> Tensor:
    """Sizes as data: an int64 tensor of ``sizes``, which are x's own shape unless given."""
    return x.tracer.apply(DimValues(tuple(x.shape if sizes is None else sizes)))


def getitem(x: Tensor, index: Any) -> Tensor:
    """``x[index]`` with ints, slices, ``...`` and ``None``, as in NumPy; no arrays (see `take`)."""
    parts = list(index) if isinstance(index, tuple) else [index]
    dots = [i for i, part in enumerate(parts) if part is Ellipsis]
    count = sum(part is not None for part in parts) - len(dots)
    if len(dots) > 1 or count > x.ndim:
        raise ShapeError("index", expected=f"at most {x.ndim} indices", got=str(index))
    place = dots[0] if dots else len(parts)
    parts[place : place + 1] = [slice(None)] * (x.ndim - count)
    ranges: list[tuple[Size, Size, int]] = []
    shape: list[Size] = []
    for part in parts:
        if part is None:
            shape.append(1)
            continue
        axis = len(ranges)
        ranges.append(_range_of(part, x.shape[axis], axis))
        if isinstance(part, slice):
            shape.append(ranges[-1][1])
    starts, sizes, steps = zip(*ranges, strict=True) if ranges else ((), (), ())
    whole = starts == (0,) * x.ndim and sizes == x.shape and steps == (1,) * x.ndim
    return reshape(x if whole else x.tracer.apply(Slice(starts, sizes, steps), x), tuple(shape))


def _range_of(part: Any, size: Size, axis: int) -> tuple[Size, Size, int]:
    """(start, count, step) of one index."""
    if isinstance(part, slice):
        return _slice_range(part, size, axis)
    if not isinstance(part, DimExpr) and not is_int(part):
        raise ShapeError(
            "index",
            expected="ints, slices, ... or None",
            got=type(part).__name__,
            remedy="use functional.take for indices that are data, functional.where for masks",
        )
    place = part if isinstance(part, DimExpr) else int(part)
    start = place if isinstance(place, DimExpr) or place >= 0 else size + place
    if isinstance(size, int) and isinstance(start, int) and not 0 <= start < size:
        raise ShapeError("index", expected=f"an index within {size} on axis {axis}", got=str(part))
    return start, 1, 1


def _slice_range(part: slice, size: Size, axis: int) -> tuple[Size, Size, int]:
    bounds = [one for one in (part.start, part.stop) if one is not None and not isinstance(one, DimExpr)]
    step = 1 if part.step is None else part.step
    if not all(map(is_int, bounds)) or not is_int(step) or step == 0:
        raise ShapeError("index", expected="ints or sizes as bounds, and an int other than 0 as step", got=str(part))
    if isinstance(size, int) and not any(isinstance(bound, DimExpr) for bound in (part.start, part.stop)):
        found = range(*part.indices(size))
        start, count = found.start, len(found)
        if not count:
            raise ShapeError("index", expected=f"at least one element on axis {axis}", got=f"{part} of {size}")
        return start, count, step
    first = _bound(part.start, size, 0 if step > 0 else size - 1)
    stop = _bound(part.stop, size, size if step > 0 else -1)
    return first, slice_size(first, stop, step), step


def _bound(bound: Any, size: Size, default: Size) -> Size:
    if bound is None:
        return default
    return bound if isinstance(bound, DimExpr) or bound >= 0 else size + int(bound)
