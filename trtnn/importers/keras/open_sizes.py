"""Sizes that Keras leaves open and takes to be equal, such as those of a U-Net's halves: h and ``2 * (h // 2)``.

Keras finds out at run time. Here a tensor that is never larger than the other is sliced to the other's size: nothing is
cut off, and where it is smaller after all (an odd h) the engine fails as Keras does.
"""

from __future__ import annotations

from collections.abc import Sequence

from trtnn.graph import Size
from trtnn.graph.dims import evaluate, names
from trtnn.tensor import Tensor

SAMPLES = range(1, 130)  # sizes for which two expressions are compared


def aligned(tensors: Sequence[Tensor], but: int | None = None) -> list[Tensor]:
    """The tensors with equal open sizes on all axes except ``but``, where these can be equal."""
    result = list(tensors)
    rank = result[0].ndim
    if any(one.ndim != rank for one in result):
        return result
    for axis in range(rank):
        sizes = {one.shape[axis] for one in result}
        largest = _largest(sizes) if len(sizes) > 1 and (but is None or axis != but % rank) else None
        if largest is not None:
            front = (slice(None),) * axis
            result = [one if one.shape[axis] == largest else one[(*front, slice(0, largest))] for one in result]
    return result


def _largest(sizes: set[Size]) -> Size | None:
    """The size that no other one ever exceeds; None for sizes of different dims."""
    dims = {names(size) for size in sizes}
    if len(dims) != 1 or not next(iter(dims)):
        return None
    (known,) = dims
    values = [dict.fromkeys(known, sample) for sample in SAMPLES]
    by_size = {size: [evaluate(size, one) for one in values] for size in sizes}
    for size, most in by_size.items():
        if all(a <= b for found in by_size.values() for a, b in zip(found, most, strict=True)):
            return size
    return None
