"""Max and average pooling in any number of spatial dimensions, over inputs (N, C, *spatial).

Both are computed axis by axis: the maximum and the sum over a window are those over its rows' maxima and sums.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from trtnn.backends.tensorrt.simulate.element_types import Array
from trtnn.backends.tensorrt.simulate.layers.windows import AxisWindows, Windows, padded, read_windows
from trtnn.backends.tensorrt.simulate.reading import Evaluator, LayerView, reads


@reads("POOLING", "IPoolingLayer")
def pooling(layer: LayerView) -> Evaluator:
    """The maximum or average of each window, or a blend of both."""
    raw = layer.raw
    size = tuple(raw.window_size_nd)
    windows = read_windows(layer, size, (1,) * len(size))
    excludes, blend = bool(raw.average_count_excludes_padding), float(raw.blend_factor)

    def average(x: Array) -> Array:
        return _reduce(x, windows, np.add, 0.0) / _counts(x.shape[-len(size) :], windows, excludes)

    def maximum(x: Array) -> Array:
        return _reduce(x, windows, np.maximum, -np.inf)

    def blended(x: Array) -> Array:
        return (1 - blend) * maximum(x) + blend * average(x)

    return {"AVERAGE": average, "MAX": maximum, "MAX_AVERAGE_BLEND": blended}[raw.type.name]


def _reduce(x: Array, windows: Windows, combine: Callable[[Array, Array], Array], filler: float) -> Array:
    first = x.ndim - len(windows.kernel)
    if not np.issubdtype(x.dtype, np.floating):
        filler = 0 if filler == 0 else np.iinfo(x.dtype).min
    for axis, here in enumerate(windows.over(x.shape[first:])):
        stride, kernel = windows.stride[axis], windows.kernel[axis]
        x = padded(x, first + axis, here.before, (here.count - 1) * stride + kernel, filler)
        leading = (slice(None),) * (first + axis)
        ends = (here.count - 1) * stride + 1
        result = x[(*leading, slice(0, ends, stride))]
        for offset in range(1, kernel):
            result = combine(result, x[(*leading, slice(offset, offset + ends, stride))])
        x = result
    return x


def _counts(sizes: tuple[int, ...], windows: Windows, excludes_padding: bool) -> Array:
    """How many elements of each window count: those inside the input or, if it does not exclude it, the padding too."""
    counts = np.ones((), np.float32)
    for axis, (size, here) in enumerate(zip(sizes, windows.over(sizes), strict=True)):
        counts = counts[..., None] * _axis_counts(size, here, windows, axis, excludes_padding)
    return counts


def _axis_counts(size: int, here: AxisWindows, windows: Windows, axis: int, excludes_padding: bool) -> Array:
    starts = np.arange(here.count) * windows.stride[axis] - here.before
    lowest, highest = (0, size) if excludes_padding else (-here.before, size + here.after)
    inside = np.minimum(starts + windows.kernel[axis], highest) - np.maximum(starts, lowest)
    return inside.astype(np.float32)
