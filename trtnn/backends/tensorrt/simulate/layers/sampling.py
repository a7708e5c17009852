"""The grid sample layer: values of an input (N, C, *spatial) at the points of a grid (N, *out, rank).

A point's coordinates run from -1 to 1, the last spatial axis first (x, y, z).
"""

from __future__ import annotations

import itertools

import numpy as np

from trtnn.backends.tensorrt.simulate.element_types import Array
from trtnn.backends.tensorrt.simulate.reading import Evaluator, LayerView, reads
from trtnn.errors import UnsupportedError


@reads("GRID_SAMPLE", "IGridSampleLayer")
def grid_sample(layer: LayerView) -> Evaluator:
    """Nearest or linear sampling; beyond the edges zeros, the edge itself or its mirror image."""
    raw = layer.raw
    interpolation, aligned, mode = raw.interpolation_mode.name, bool(raw.align_corners), raw.sample_mode.name
    if interpolation not in ("NEAREST", "LINEAR") or mode not in ("FILL", "CLAMP", "REFLECT"):
        raise UnsupportedError(layer.name, problem=f"the simulator does not have {interpolation} sampling with {mode}")

    def evaluate(x: Array, grid: Array) -> Array:
        sizes = x.shape[2:]
        points = [_position(grid[..., -1 - axis], size, aligned) for axis, size in enumerate(sizes)]
        if mode == "REFLECT":
            points = [_reflected(point, size, aligned) for point, size in zip(points, sizes, strict=True)]
        if mode != "FILL":
            points = [np.clip(point, 0, size - 1) for point, size in zip(points, sizes, strict=True)]
        if interpolation == "NEAREST":
            return _at(x, [np.rint(point).astype(np.int64) for point in points])
        lows = [np.floor(point).astype(np.int64) for point in points]
        result = np.zeros((*x.shape[:2], *grid.shape[1:-1]), x.dtype)
        for corner in itertools.product((0, 1), repeat=len(sizes)):
            weight = np.ones(grid.shape[:-1], x.dtype)
            for point, low, side in zip(points, lows, corner, strict=True):
                weight *= 1 - np.abs(point - (low + side))
            result += _at(x, [low + side for low, side in zip(lows, corner, strict=True)]) * weight[:, None]
        return result

    return evaluate


def _position(coordinate: Array, size: int, aligned: bool) -> Array:
    """From -1..1 to an index: the ends are the outer elements' centres if aligned, else their outer edges."""
    return (coordinate + 1) / 2 * (size - 1) if aligned else ((coordinate + 1) * size - 1) / 2


def _reflected(point: Array, size: int, aligned: bool) -> Array:
    low, span = (0.0, size - 1) if aligned else (-0.5, size)
    if span == 0:
        return np.zeros_like(point)
    folded = np.abs(point - low) % (2 * span)
    return np.asarray(np.minimum(folded, 2 * span - folded) + low)


def _at(x: Array, indices: list[Array]) -> Array:
    """Elements (N, C, *out) at indices (N, *out) per axis; those outside are 0."""
    inside = np.ones(indices[0].shape, bool)
    clipped = []
    for index, size in zip(indices, x.shape[2:], strict=True):
        inside &= (index >= 0) & (index < size)
        clipped.append(np.clip(index, 0, size - 1))
    samples = np.arange(len(x)).reshape(-1, *(1,) * (indices[0].ndim - 1))
    picked = np.moveaxis(x, 1, -1)[(samples, *clipped)]
    return np.moveaxis(np.where(inside[..., None], picked, np.zeros((), x.dtype)), -1, 1)
