"""Along one axis: counting, running sums, order, encodings of integers, repetition.

Sizes may be symbolic (``x.shape[1]``) unless said otherwise. Raises ShapeError, DTypeError or ArgumentError for what
does not fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trtnn.errors import ArgumentError, ShapeError
from trtnn.functional import math as fm
from trtnn.functional import reductions
from trtnn.functional.operands import Axes, Operand, axes_of, lift, lift_one, positive_int, sizes_of
from trtnn.functional.shape import broadcast_to, concat, expand_dims, reshape, transpose
from trtnn.graph import Size, shape_text
from trtnn.graph.ops import CumSum, Range, TopK
from trtnn.graph.ops.base import normalize_axis
from trtnn.tensor import Tensor

__all__ = [
    "arange",
    "argmin",
    "argsort",
    "cumsum",
    "flip",
    "moveaxis",
    "multi_hot",
    "one_hot",
    "repeat",
    "roll",
    "searchsorted",
    "sort",
    "swapaxes",
    "tile",
    "top_k",
    "tril",
    "triu",
]


def arange(like: Tensor, size: Size, dtype: object = "int64") -> Tensor:
    """0, 1, 2 and so on, ``size`` of them; ``like`` is any tensor of the network that is traced."""
    (length,) = sizes_of("arange", (size,), least=1)
    counted = like.tracer.constant(np.arange(length)) if isinstance(length, int) else like.tracer.apply(Range(length))
    return fm.cast(counted, dtype)


def cumsum(x: Operand, axis: int = -1, exclusive: bool = False, reverse: bool = False) -> Tensor:
    """Sums of the elements up to each one along an axis; without itself if ``exclusive``, from the
    end if ``reverse``.
    """
    tracer, tensor = lift_one(x)
    return tracer.apply(CumSum(normalize_axis(axis, tensor.ndim), exclusive, reverse), tensor)


def top_k(x: Operand, k: int, axis: int = -1, largest: bool = True) -> tuple[Tensor, Tensor]:
    """The k largest elements along an axis, best first, and their int64 positions; of equal ones the first comes first.

    The smallest with ``largest=False``. TensorRT takes a k of at most 3840.
    """
    tracer, tensor = lift_one(x)
    best, places = tracer.apply_all(TopK(positive_int("k", k), normalize_axis(axis, tensor.ndim), largest), tensor)
    return best, places


def sort(x: Operand, axis: int = -1, descending: bool = False) -> Tensor:
    """The elements in ascending order along an axis of fixed size."""
    return top_k(x, _fixed_size("sort", x, axis), axis, largest=descending)[0]


def argsort(x: Operand, axis: int = -1, descending: bool = False) -> Tensor:
    """The int64 positions of the elements in ascending order along an axis of fixed size; equal ones in theirs."""
    return top_k(x, _fixed_size("argsort", x, axis), axis, largest=descending)[1]


def argmin(x: Operand, axis: int = -1) -> Tensor:
    """The int64 position of the smallest element along an axis, the first one among equals."""
    place = normalize_axis(axis, lift_one(x)[1].ndim)
    return top_k(x, 1, place, largest=False)[1].squeeze(place)


def _fixed_size(what: str, x: Operand, axis: int) -> int:
    shape = lift_one(x)[1].shape
    size = shape[normalize_axis(axis, len(shape))]
    if not isinstance(size, int):
        raise ShapeError(what, expected=f"a fixed size on axis {axis}", got=shape_text(shape))
    return size


def one_hot(indices: Operand, classes: int, axis: int = -1, dtype: object = "float32") -> Tensor:
    """1 at each index on a new ``axis`` of ``classes`` elements, 0 elsewhere; an index outside gives zeros."""
    _, tensor = lift_one(indices)
    place = normalize_axis(axis, tensor.ndim + 1)
    numbers = np.arange(positive_int("classes", classes), dtype=tensor.dtype.numpy)
    hot = fm.equal(expand_dims(tensor, place), numbers.reshape(-1, *(1,) * (tensor.ndim - place)))
    return fm.cast(hot, dtype)


def multi_hot(indices: Operand, classes: int, dtype: object = "float32") -> Tensor:
    """1 at every index of a sample, 0 elsewhere: indices (N, T, ...) give (N, ..., classes), (T,) give (classes,)."""
    hot = one_hot(indices, classes)
    return fm.cast(reductions.reduce_max(hot, 1 if hot.ndim > 2 else 0), dtype)


def searchsorted(x: Operand, boundaries: Sequence[float]) -> Tensor:
    """How many of the ascending ``boundaries`` lie at or below each element, as int64: its bin."""
    _, tensor = lift_one(x)
    edges = np.asarray(boundaries, np.float64)
    if edges.ndim != 1 or not edges.size or (np.diff(edges) < 0).any():
        raise ArgumentError("boundaries", expected="one or more numbers in ascending order", got=repr(boundaries))
    if not tensor.dtype.is_float:
        edges = np.ceil(edges).astype(tensor.dtype.numpy)  # an integer is at or above an edge from the next integer on
    column = expand_dims(tensor, -1)
    return reductions.reduce_sum(fm.cast(fm.greater_equal(column, edges), "int64"), -1)


def flip(x: Operand, axis: Axes = None) -> Tensor:
    """The elements in reverse order along axes (all when None)."""
    _, tensor = lift_one(x)
    axes = axes_of(axis, tensor.ndim)
    return tensor[tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(tensor.ndim))]


def roll(x: Operand, shift: int, axis: int) -> Tensor:
    """The elements moved on by ``shift`` places along an axis of fixed size; the last ones come back in front."""
    _, tensor = lift_one(x)
    place = normalize_axis(axis, tensor.ndim)
    cut = -shift % _fixed_size("roll", tensor, place)
    lead: list[Any] = [slice(None)] * place
    return tensor if cut == 0 else concat([tensor[(*lead, slice(cut, None))], tensor[(*lead, slice(cut))]], place)


def tile(x: Operand, repeats: Sequence[Size]) -> Tensor:
    """The whole tensor ``repeats[i]`` times along axis i, as ``np.tile``."""
    _, tensor = lift_one(x)
    counts = sizes_of("tile", repeats, least=1)
    rank = max(tensor.ndim, len(counts))
    counts = (1,) * (rank - len(counts)) + counts
    shape = (1,) * (rank - tensor.ndim) + tensor.shape
    spread = [part for size in shape for part in (1, size)]
    stretched = [part for size, count in zip(shape, counts, strict=True) for part in (count, size)]
    whole = broadcast_to(reshape(tensor, spread), stretched)
    return reshape(whole, [count * size for count, size in zip(counts, shape, strict=True)])


def repeat(x: Operand, repeats: Size, axis: int) -> Tensor:
    """Every element ``repeats`` times along an axis, next to each other, as ``np.repeat``."""
    _, tensor = lift_one(x)
    place = normalize_axis(axis, tensor.ndim)
    (count,) = sizes_of("repeat", (repeats,), least=1)
    front, size, back = tensor.shape[:place], tensor.shape[place], tensor.shape[place + 1 :]
    whole = broadcast_to(expand_dims(tensor, place + 1), (*front, size, count, *back))
    return reshape(whole, (*front, size * count, *back))


def moveaxis(x: Operand, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """Axes moved to other places; the others keep their order, as ``np.moveaxis``."""
    _, tensor = lift_one(x)
    old, new = axes_of(_several(source), tensor.ndim), axes_of(_several(destination), tensor.ndim)
    if len(old) != len(new) or len(set(old)) != len(old) or len(set(new)) != len(new):
        raise ShapeError(
            "moveaxis", expected="as many distinct sources as destinations", got=f"{source} and {destination}"
        )
    order = [axis for axis in range(tensor.ndim) if axis not in old]
    for place, axis in sorted(zip(new, old, strict=True)):
        order.insert(place, axis)
    return transpose(tensor, order)


def _several(axis: int | Sequence[int]) -> tuple[int, ...]:
    return (axis,) if isinstance(axis, int) else tuple(axis)


def swapaxes(x: Operand, first: int, second: int) -> Tensor:
    """Two axes in each other's place."""
    _, tensor = lift_one(x)
    order = list(range(tensor.ndim))
    a, b = axes_of((first, second), tensor.ndim)
    order[a], order[b] = order[b], order[a]
    return transpose(tensor, order)


def tril(x: Operand, diagonal: int = 0) -> Tensor:
    """The last two axes with zeros above the ``diagonal``-th diagonal."""
    return _triangle(x, lambda row, column: fm.greater_equal(row + diagonal, column))


def triu(x: Operand, diagonal: int = 0) -> Tensor:
    """The last two axes with zeros below the ``diagonal``-th diagonal."""
    return _triangle(x, lambda row, column: fm.less_equal(row + diagonal, column))


def _triangle(x: Operand, keep: Any) -> Tensor:
    _, tensor = lift_one(x)
    if tensor.ndim < 2:
        raise ShapeError("a triangle", expected="a tensor of rank 2 or more", got=shape_text(tensor.shape))
    row = expand_dims(arange(tensor, tensor.shape[-2]), 1)
    column = expand_dims(arange(tensor, tensor.shape[-1]), 0)
    return fm.where(keep(row, column), tensor, lift(0, tensor)[1][0])
