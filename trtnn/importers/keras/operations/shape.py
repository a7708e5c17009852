"""Operations of ``keras.ops`` that move elements, and products of tensors."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from trtnn import functional as F
from trtnn.functional.operands import axes_of
from trtnn.importers.keras.operations.registry import as_number, operation, promoted
from trtnn.tensor import Tensor


@operation("GetItem")
def get_item(x: Tensor, key: Any) -> Tensor:
    """Ints, slices, ``...`` and None; Keras writes a tuple as a list."""
    return x[tuple(key) if isinstance(key, list) else key]


@operation("Reshape")
def reshape(x: Tensor, newshape: Sequence[int | None]) -> Tensor:
    """One size may be -1 or None."""
    sizes = newshape if isinstance(newshape, (list, tuple)) else (newshape,)
    return F.reshape(x, [-1 if size is None else size for size in sizes])


@operation("Ravel")
def ravel(x: Tensor) -> Tensor:
    """One axis."""
    return F.reshape(x, (-1,))


@operation("Transpose")
def transpose(x: Tensor, axes: Sequence[int] | None = None) -> Tensor:
    """Axes in another order."""
    return F.transpose(x, axes)


@operation("Swapaxes")
def swapaxes(x: Tensor, axis1: int, axis2: int) -> Tensor:
    """Two axes."""
    return F.swapaxes(x, axis1, axis2)


@operation("Moveaxis")
def moveaxis(x: Tensor, source: Any, destination: Any) -> Tensor:
    """Axes to other places."""
    return F.moveaxis(x, source, destination)


@operation("Squeeze")
def squeeze(x: Tensor, axis: Any = None) -> Tensor:
    """Without axes of size 1."""
    return F.squeeze(x, axis)


@operation("ExpandDims")
def expand_dims(x: Tensor, axis: Any) -> Tensor:
    """New axes of size 1, at places of the result."""
    places = axis if isinstance(axis, tuple) else (axis,)
    rank = x.ndim + len(places)
    for place in sorted(one % rank for one in places):
        x = F.expand_dims(x, place)
    return x


@operation("BroadcastTo")
def broadcast_to(x: Tensor, shape: Sequence[int]) -> Tensor:
    """A fixed shape."""
    return F.broadcast_to(x, shape)


@operation("Concatenate")
def concatenate(xs: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Along an axis."""
    return F.concat(promoted(*xs), axis)


@operation("Append")
def append(x1: Tensor, x2: Tensor, axis: int | None = None) -> Tensor:
    """Along an axis, flattened for None."""
    return (
        F.concat([F.reshape(one, (-1,)) for one in (x1, x2)], 0) if axis is None else F.concat(promoted(x1, x2), axis)
    )


@operation("Stack")
def stack(x: Sequence[Tensor], axis: int = 0) -> Tensor:
    """On a new axis."""
    return F.stack(promoted(*x), axis)


@operation("Hstack")
def hstack(xs: Sequence[Tensor]) -> Tensor:
    """Along axis 1, of vectors along axis 0."""
    return F.concat(promoted(*xs), 0 if xs[0].ndim == 1 else 1)


@operation("Vstack")
def vstack(xs: Sequence[Tensor]) -> Tensor:
    """Along axis 0, of vectors on a new one."""
    return F.stack(promoted(*xs)) if xs[0].ndim == 1 else F.concat(promoted(*xs), 0)


@operation("Split")
def split(x: Tensor, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """Equal parts, or parts between indices."""
    if isinstance(indices_or_sections, int):
        return F.split(x, indices_or_sections, axis)
    (place,) = axes_of(axis, x.ndim)
    edges = [None, *indices_or_sections, None]
    front = (slice(None),) * place
    return [x[(*front, slice(start, end))] for start, end in itertools.pairwise(edges)]


@operation("Unstack")
def unstack(x: Tensor, num: int | None = None, axis: int = 0) -> list[Tensor]:
    """Every entry of an axis."""
    (place,) = axes_of(axis, x.ndim)
    size = x.shape[place] if num is None else num
    return [x[(*(slice(None),) * place, i)] for i in range(int(size))]


@operation("Take")
def take(x: Any, indices: Any, axis: int | None = None) -> Tensor:
    """Entries by integers; negative ones count from the end where they are known."""
    x = F.reshape(x, (-1,)) if axis is None else x
    place = 0 if axis is None else axes_of(axis, x.ndim)[0]
    if isinstance(indices, Tensor):
        return F.take(x, indices if indices.dtype.value in ("int32", "int64") else F.cast(indices, "int32"), place)
    known = np.asarray(indices)
    size = x.shape[place]
    if (known < 0).any() and isinstance(size, int):
        known = np.where(known < 0, known + size, known)
    return F.take(x, known.astype(np.int64), place)


@operation("Repeat")
def repeat(x: Tensor, repeats: int, axis: int | None = None) -> Tensor:
    """Every element several times."""
    return F.repeat(F.reshape(x, (-1,)), repeats, 0) if axis is None else F.repeat(x, repeats, axis)


@operation("Tile")
def tile(x: Tensor, repeats: Any) -> Tensor:
    """The whole several times."""
    return F.tile(x, repeats if isinstance(repeats, tuple) else (repeats,))


@operation("Flip")
def flip(x: Tensor, axis: Any = None) -> Tensor:
    """In reverse order."""
    return F.flip(x, axis)


@operation("Roll")
def roll(x: Tensor, shift: int, axis: int | None = None) -> Tensor:
    """Moved on; flattened for None."""
    return F.reshape(F.roll(F.reshape(x, (-1,)), shift, 0), x.shape) if axis is None else F.roll(x, shift, axis)


@operation("Pad")
def pad(x: Tensor, pad_width: Any, mode: str = "constant", constant_values: float | None = None) -> Tensor:
    """(before, after) per axis, or the same for all."""
    pairs = pad_width if isinstance(pad_width, tuple) else ((pad_width, pad_width),)
    pairs = pairs if isinstance(pairs[0], tuple) else (pairs,)
    pairs = pairs * x.ndim if len(pairs) == 1 else pairs
    return F.pad(x, pairs, mode, constant_values or 0.0)


@operation("Tril")
def tril(x: Tensor, k: int = 0) -> Tensor:
    """Zeros above a diagonal."""
    return F.tril(x, k)


@operation("Triu")
def triu(x: Tensor, k: int = 0) -> Tensor:
    """Zeros below a diagonal."""
    return F.triu(x, k)


@operation("Slice")
def slice_(inputs: Tensor, start_indices: Sequence[int], shape: Sequence[int]) -> Tensor:
    """A block of a fixed size."""
    return inputs[tuple(slice(start, start + size) for start, size in zip(start_indices, shape, strict=True))]


@operation("Matmul")
def matmul(x1: Any, x2: Any) -> Tensor:
    """The matrix product."""
    return F.matmul(*promoted(as_number(x1), as_number(x2)))


@operation("Dot")
def dot(x1: Any, x2: Any) -> Tensor:
    """Over the last axis of x1 and the one before the last of x2."""
    x1, x2 = promoted(x1, x2)
    rank = x2.ndim
    return F.matmul(x1, x2) if rank <= 2 else F.tensordot(x1, x2, ((x1.ndim - 1,), (rank - 2,)))


@operation("Einsum")
def einsum(*operands: Any, subscripts: str) -> Tensor:
    """An Einstein sum."""
    return F.einsum(subscripts, *promoted(*operands))


@operation("Tensordot")
def tensordot(x1: Any, x2: Any, axes: Any = 2) -> Tensor:
    """Over several axes."""
    x1, x2 = promoted(x1, x2)
    return F.tensordot(x1, x2, axes)


@operation("Outer")
def outer(x1: Any, x2: Any) -> Tensor:
    """All products."""
    return F.outer(*promoted(x1, x2))


@operation("Inner")
def inner(x1: Any, x2: Any) -> Tensor:
    """Over the last axes."""
    x1, x2 = promoted(x1, x2)
    return F.tensordot(x1, x2, ((x1.ndim - 1,), (x2.ndim - 1,)))
