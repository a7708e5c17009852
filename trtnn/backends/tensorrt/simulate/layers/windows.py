"""Sliding windows: how padding modes place the windows of convolutions and poolings over an axis.

The formulas are those of ``PaddingMode`` in TensorRT's documentation, with I the input's extent, B and A the padding
before and after it, S the stride, DK = 1 + dilation * (kernel - 1) a window's extent and O the output's extent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np

from trtnn.backends.tensorrt.simulate.element_types import Array
from trtnn.backends.tensorrt.simulate.reading import LayerView
from trtnn.errors import UnsupportedError


@attrs.frozen
class AxisWindows:
    """``count`` windows along one axis of an input, whose padding is ``before`` and ``after`` it.

    ``after`` is what the padding mode says; windows may end earlier or, if the count was rounded up, reach further.
    """

    count: int
    before: int
    after: int


@attrs.frozen
class Windows:
    """The windows of a layer, one entry per spatial axis."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    mode: str

    def extent(self, axis: int) -> int:
        """DK, the extent of one window."""
        return 1 + self.dilation[axis] * (self.kernel[axis] - 1)

    def over(self, sizes: Sequence[int]) -> tuple[AxisWindows, ...]:
        """The windows over an input's spatial extents (convolution and pooling)."""
        return tuple(self._over(axis, size) for axis, size in enumerate(sizes))

    def _over(self, axis: int, size: int) -> AxisWindows:
        stride, extent = self.stride[axis], self.extent(axis)
        if self.mode in ("SAME_UPPER", "SAME_LOWER"):
            total = max((size - 1) // stride * stride + extent - size, 0)
            return AxisWindows(-(-size // stride), *self._split(total))
        before, after = self.before[axis], self.after[axis]
        span = size + before + after - extent
        if span < 0:
            raise ValueError(f"a window of {extent} does not fit into {size + before + after} elements")
        if self.mode == "EXPLICIT_ROUND_DOWN":
            return AxisWindows(span // stride + 1, before, after)
        if self.mode == "EXPLICIT_ROUND_UP":
            return AxisWindows(-(-span // stride) + 1, before, after)
        raise UnsupportedError("padding_mode", problem=f"the simulator does not have {self.mode}")

    def cropping(self, axis: int) -> tuple[int, int]:
        """What a deconvolution cuts off at the start and the end of an output axis."""
        if self.mode in ("SAME_UPPER", "SAME_LOWER"):
            return self._split(max(self.extent(axis) - self.stride[axis], 0))
        return self.before[axis], self.after[axis]

    def _split(self, total: int) -> tuple[int, int]:
        less, more = total // 2, total - total // 2
        return (less, more) if self.mode == "SAME_UPPER" else (more, less)


def read_windows(layer: LayerView, kernel: Sequence[int], dilation: Sequence[int]) -> Windows:
    """The windows of a convolution, deconvolution or pooling layer."""
    raw: Any = layer.raw
    return Windows(
        kernel=tuple(kernel),
        stride=tuple(raw.stride_nd),
        dilation=tuple(dilation),
        before=tuple(raw.pre_padding),
        after=tuple(raw.post_padding),
        mode=raw.padding_mode.name,
    )


def padded(array: Array, axis: int, before: int, length: int, filler: float) -> Array:
    """The array with ``before`` fillers put in front of an axis, and that axis then filled up or cut to ``length``."""
    size = array.shape[axis]
    if before == 0 and length == size:
        return array
    shape = (*array.shape[:axis], length, *array.shape[axis + 1 :])
    result = np.full(shape, filler, array.dtype)
    kept = min(size, length - before)
    leading = (slice(None),) * axis
    result[(*leading, slice(before, before + kept))] = array[(*leading, slice(0, kept))]
    return result
