"""The slice layer, which also pads: it picks ``start + stride * i`` along each axis, out of bounds by its mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trtnn.backends.tensorrt.simulate.element_types import Array
from trtnn.backends.tensorrt.simulate.reading import Evaluator, LayerView, reads
from trtnn.errors import UnsupportedError


@reads("SLICE", "ISliceLayer")
def slice_layer(layer: LayerView) -> Evaluator:
    """Inputs: data, start, size, stride, fill value, axes; each but the first may be the layer's own or absent."""
    raw = layer.raw
    mode = raw.mode.name
    if mode not in ("STRICT_BOUNDS", "WRAP", "CLAMP", "FILL", "REFLECT"):
        raise UnsupportedError(layer.name, problem=f"the simulator does not have the sample mode {mode}")
    own = [None if dims is None else tuple(dims) for dims in (raw.start, raw.shape, raw.stride, raw.axes)]

    def evaluate(
        x: Array,
        start: Array | None = None,
        size: Array | None = None,
        stride: Array | None = None,
        fill: Array | None = None,
        axes: Array | None = None,
    ) -> Array:
        given = (start, size, stride, axes)
        starts, sizes, strides, places = (_ints(a, b) for a, b in zip(given, own, strict=True))
        outside = np.zeros((), bool)
        for axis, first, count, step in zip(places or range(x.ndim), starts, sizes, strides, strict=True):
            axis %= x.ndim
            indices = first + step * np.arange(count)
            beyond = (indices < 0) | (indices >= x.shape[axis])
            if beyond.any():
                if mode == "STRICT_BOUNDS":
                    raise IndexError(f"axis {axis} has {x.shape[axis]} elements, asked for {indices[beyond][0]}")
                outside = outside | beyond.reshape(-1, *(1,) * (x.ndim - 1 - axis))
                indices = _within(indices, x.shape[axis], mode)
            elif step > 0:
                x = x[(slice(None),) * axis + (slice(first, first + step * count, step),)]
                continue
            x = x.take(indices, axis)
        if mode == "FILL" and outside.any():
            x = np.where(outside, np.zeros((), x.dtype) if fill is None else fill.reshape(()), x)
        return x

    return evaluate


def _ints(array: Array | None, own: Sequence[int] | None) -> tuple[int, ...]:
    return tuple(own or ()) if array is None else tuple(int(number) for number in array.reshape(-1))


def _within(indices: Array, length: int, mode: str) -> Any:
    """Maps indices out of bounds to where their value is taken from; FILL overwrites that value later."""
    if mode == "WRAP":
        return indices % length
    if mode == "REFLECT" and length > 1:
        # Around the edges, which are not repeated: -1 is 1, -2 is 2, ...
        period = 2 * (length - 1)
        folded = indices % period
        return np.minimum(folded, period - folded)
    return np.clip(indices, 0, max(length - 1, 0))
