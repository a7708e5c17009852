"""Resizing, cropping and adaptive pooling of images and other activations with channels.

x is (N, *spatial, C), or (N, C, *spatial) with ``data_format="channels_first"``. Sizes may be symbolic unless said
otherwise. Raises ArgumentError for a bad option, ShapeError and DTypeError for operands that do not fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trtnn.errors import ArgumentError, ShapeError
from trtnn.functional import reductions
from trtnn.functional.nn import DataFormat, PerAxis, average_pool, is_channels_first, max_pool
from trtnn.functional.operands import Operand, lift_one, per_axis, sizes_of
from trtnn.functional.products import einsum
from trtnn.functional.resampling import (
    is_on_the_edge,
    nearest_places,
    pooling_matrix,
    pooling_windows,
    resampling_matrix,
)
from trtnn.functional.shape import concat, pad, take
from trtnn.graph import Shape, Size, shape_text
from trtnn.graph.dims import floor_div, maximum
from trtnn.graph.ops import Resize
from trtnn.tensor import Tensor

__all__ = [
    "adaptive_average_pool",
    "adaptive_max_pool",
    "center_crop",
    "crop",
    "crop_to_aspect_ratio",
    "pad_to_aspect_ratio",
    "resize",
    "upsample",
    "zero_pad",
]

METHODS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5", "area")
COORDINATES = ("half_pixel", "asymmetric", "align_corners")


def resize(
    x: Operand,
    size: Sequence[Size],
    method: str = "bilinear",
    *,
    antialias: bool = False,
    coordinates: str = "half_pixel",
    data_format: DataFormat = "channels_last",
) -> Tensor:
    """The spatial axes resampled to ``size``, as ``tf.image.resize`` does.

    "nearest" and "bilinear" (linear along each axis) are layers of the targets. "bicubic", "lanczos3", "lanczos5",
    "area" and ``antialias`` need fixed sizes: they become products with constant matrices. "nearest" picks what
    TensorFlow's float32 arithmetic picks for fixed sizes, and what exact arithmetic does for named ones, where a place
    falls exactly between two elements. ``coordinates`` of "nearest" and "bilinear": "half_pixel" (TensorFlow 2), or
    TensorFlow 1's "asymmetric" (its default) and "align_corners".
    """
    tracer, tensor = lift_one(x)
    first = is_channels_first(data_format)
    wanted = sizes_of("resize", tuple(size), least=1)
    if len(wanted) != tensor.ndim - 2:
        raise ShapeError(
            "resize", expected=f"{tensor.ndim - 2} sizes for x of rank {tensor.ndim}", got=shape_text(wanted)
        )
    if method not in METHODS or coordinates not in COORDINATES:
        raise ArgumentError(
            "resize",
            expected=f"a method of {', '.join(METHODS)} and coordinates of {', '.join(COORDINATES)}",
            got=f"{method!r} and {coordinates!r}",
        )
    if method == "nearest":
        tensor = _pick_delicate(tensor, wanted, coordinates, first)
        return tracer.apply(Resize(wanted, "nearest", coordinates, first), tensor)  # type: ignore[arg-type]
    if method == "bilinear" and not antialias:
        return tracer.apply(Resize(wanted, "linear", coordinates, first), tensor)  # type: ignore[arg-type]
    if coordinates != "half_pixel":
        raise ArgumentError("resize", expected=f'coordinates="half_pixel" for {method!r}', got=repr(coordinates))
    now = _spatial(tensor, first)
    for axis, (old, new) in enumerate(zip(now, wanted, strict=True), start=2 if first else 1):
        if not isinstance(old, int) or not isinstance(new, int):
            raise ShapeError("resize", expected=f"fixed sizes for {method!r}", got=f"{old} to {new} on axis {axis}")
        if old != new:
            tensor = _along(tensor, axis, resampling_matrix(method, old, new, antialias))
    return tensor


def _pick_delicate(x: Tensor, wanted: Shape, coordinates: str, first: bool) -> Tensor:
    """The axes of fixed size where float32 decides between two elements, resampled by TensorFlow's own choice."""
    for axis, (old, new) in enumerate(zip(_spatial(x, first), wanted, strict=True), start=2 if first else 1):
        if isinstance(old, int) and isinstance(new, int) and is_on_the_edge(old, new, coordinates):
            x = take(x, nearest_places(old, new, coordinates), axis)
    return x


def _along(x: Tensor, axis: int, matrix: np.ndarray) -> Tensor:
    """Every vector along an axis multiplied by a matrix (out, in)."""
    labels = "abcde"[: x.ndim]
    return einsum(f"{labels},z{labels[axis]}->{labels.replace(labels[axis], 'z')}", x, matrix)


def _spatial(x: Tensor, first: bool) -> Shape:
    if x.ndim not in (3, 4, 5):
        raise ShapeError(expected="an input (N, *spatial, C) of rank 3, 4 or 5", got=shape_text(x.shape))
    return x.shape[2:] if first else x.shape[1:-1]


def upsample(x: Operand, factor: PerAxis, method: str = "nearest", data_format: DataFormat = "channels_last") -> Tensor:
    """The spatial axes enlarged by whole factors, as Keras's UpSampling; for ``method`` see `resize`."""
    _, tensor = lift_one(x)
    now = _spatial(tensor, is_channels_first(data_format))
    factors = per_axis("factor", factor, len(now))
    wanted = [size * times for size, times in zip(now, factors, strict=True)]
    return resize(tensor, wanted, method, data_format=data_format)


def crop(x: Operand, pairs: Sequence[Sequence[Size]], data_format: DataFormat = "channels_last") -> Tensor:
    """(before, after) elements cut off every spatial axis."""
    _, tensor = lift_one(x)
    first = is_channels_first(data_format)
    now = _spatial(tensor, first)
    kept = [slice(before, size - after) for size, (before, after) in zip(now, _pairs(pairs, len(now)), strict=True)]
    return tensor[(slice(None), *([slice(None)] if first else []), *kept)]


def zero_pad(x: Operand, pairs: Sequence[Sequence[Size]], data_format: DataFormat = "channels_last") -> Tensor:
    """(before, after) zeros added to every spatial axis."""
    _, tensor = lift_one(x)
    first = is_channels_first(data_format)
    around = _pairs(pairs, len(_spatial(tensor, first)))
    return pad(tensor, [(0, 0), (0, 0), *around] if first else [(0, 0), *around, (0, 0)])


def _pairs(pairs: Sequence[Sequence[Size]], spatial: int) -> list[Shape]:
    found = [sizes_of("padding", tuple(pair)) for pair in pairs]
    if len(found) != spatial or any(len(pair) != 2 for pair in found):
        raise ArgumentError("pairs", expected=f"{spatial} pairs (before, after)", got=repr(pairs))
    return found


def center_crop(x: Operand, size: Sequence[int], data_format: DataFormat = "channels_last") -> Tensor:
    """The middle ``size`` elements of every spatial axis; one more is cut off behind where the rest is odd.

    Symbolic sizes must be at least as large at run time.
    """
    _, tensor = lift_one(x)
    now = _spatial(tensor, is_channels_first(data_format))
    starts = [floor_div(old - new, 2) for old, new in zip(now, size, strict=True)]
    if any(isinstance(start, int) and start < 0 for start in starts):
        raise ShapeError("center_crop", expected=f"an image of at least {tuple(size)}", got=shape_text(now))
    ends = [old - new - start for old, new, start in zip(now, size, starts, strict=True)]
    return crop(tensor, list(zip(starts, ends, strict=True)), data_format)


def crop_to_aspect_ratio(x: Operand, ratio: tuple[int, int], data_format: DataFormat = "channels_last") -> Tensor:
    """The largest middle part of an image with ``ratio`` (height, width)."""
    _, tensor = lift_one(x)
    height, width = _spatial(tensor, is_channels_first(data_format))
    rows = maximum(_minimum(height, floor_div(width * ratio[0], ratio[1])), 1)
    columns = maximum(_minimum(width, floor_div(height * ratio[1], ratio[0])), 1)
    pairs = []
    for size, kept in ((height, rows), (width, columns)):
        start = floor_div(size - kept, 2)
        pairs.append((start, size - kept - start))
    return crop(tensor, pairs, data_format)


def pad_to_aspect_ratio(
    x: Operand, ratio: tuple[int, int], value: float = 0.0, data_format: DataFormat = "channels_last"
) -> Tensor:
    """An image with a border of ``value``, equal on both sides, that brings it to ``ratio`` (height, width)."""
    _, tensor = lift_one(x)
    first = is_channels_first(data_format)
    height, width = _spatial(tensor, first)
    rows = floor_div(maximum(height, floor_div(width * ratio[0], ratio[1])) - height, 2)
    columns = floor_div(maximum(width, floor_div(height * ratio[1], ratio[0])) - width, 2)
    around = [(rows, rows), (columns, columns)]
    return pad(tensor, [(0, 0), (0, 0), *around] if first else [(0, 0), *around, (0, 0)], value=value)


def _minimum(left: Size, right: Size) -> Size:
    return left + right - maximum(left, right)


def adaptive_average_pool(x: Operand, size: PerAxis, data_format: DataFormat = "channels_last") -> Tensor:
    """Means over windows that share out each spatial axis, of fixed size, into ``size`` parts."""
    return _adaptive(
        x, size, data_format, average_pool, lambda one, axis, old, new: _along(one, axis, pooling_matrix(old, new))
    )


def adaptive_max_pool(x: Operand, size: PerAxis, data_format: DataFormat = "channels_last") -> Tensor:
    """Maxima over windows that share out each spatial axis, of fixed size, into ``size`` parts."""
    return _adaptive(x, size, data_format, max_pool, _maxima)


def _adaptive(x: Operand, size: PerAxis, data_format: DataFormat, pool: Any, along: Any) -> Tensor:
    _, tensor = lift_one(x)
    first = is_channels_first(data_format)
    now = _spatial(tensor, first)
    wanted = per_axis("size", size, len(now))
    for old, new in zip(now, wanted, strict=True):
        if not isinstance(old, int) or old < new:
            raise ShapeError("adaptive pooling", expected=f"fixed sizes of at least {wanted}", got=shape_text(now))
    if all(old % new == 0 for old, new in zip(now, wanted, strict=True)):
        pooled: Tensor = pool(
            tensor, [old // new for old, new in zip(now, wanted, strict=True)], data_format=data_format
        )
        return pooled
    for axis, (old, new) in enumerate(zip(now, wanted, strict=True), start=2 if first else 1):
        tensor = along(tensor, axis, old, new)
    return tensor


def _maxima(x: Tensor, axis: int, size: int, pooled: int) -> Tensor:
    lead: list[Any] = [slice(None)] * axis
    windows = [x[(*lead, slice(start, end))] for start, end in pooling_windows(size, pooled)]
    return concat([reductions.reduce_max(one, axis, keepdims=True) for one in windows], axis)
