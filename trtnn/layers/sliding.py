"""What the layers share whose window slides over the spatial axes."""

from __future__ import annotations

from typing import Any

from trtnn.functional.nn import DataFormat, PaddingSpec, PerAxis, is_channels_first
from trtnn.functional.operands import per_axis
from trtnn.module import Module


class Sliding(Module):
    """A layer with a window over ``spatial`` axes, and the options of how it slides."""

    spatial: int

    def _slide(
        self, kernel_size: PerAxis, stride: PerAxis, padding: PaddingSpec, dilation: PerAxis, data_format: DataFormat
    ) -> tuple[int, ...]:
        """Keeps the options and returns the window. Raises ArgumentError for a bad one, but for ``padding``: what that
        may be is the layer's matter."""
        window = per_axis("kernel_size", kernel_size, self.spatial)
        for what, value in (("stride", stride), ("dilation", dilation)):
            per_axis(what, value, self.spatial)
        is_channels_first(data_format)
        self.stride, self.padding, self.dilation, self.data_format = stride, padding, dilation, data_format
        return window

    @property
    def _sliding(self) -> dict[str, Any]:
        """The options by the names of `trtnn.functional.conv`."""
        return {
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "data_format": self.data_format,
        }
