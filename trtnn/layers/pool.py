"""Pooling layers: over windows, and over all spatial axes at once."""

from __future__ import annotations

from typing import Any

from trtnn import functional as F
from trtnn.functional.nn import DataFormat, PaddingSpec, PerAxis
from trtnn.layers.options import listed
from trtnn.module import Module
from trtnn.tensor import Tensor

__all__ = [
    "AdaptiveAveragePool",
    "AdaptiveMaxPool",
    "AveragePool1d",
    "AveragePool2d",
    "AveragePool3d",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
]


class _Pool(Module):
    """A window sliding over the spatial axes; the stride is the window unless given."""

    function: Any

    def __init__(
        self,
        window: PerAxis,
        stride: PerAxis | None = None,
        padding: PaddingSpec = "valid",
        data_format: DataFormat = "channels_last",
    ) -> None:
        self.window, self.stride = window, window if stride is None else stride
        self.padding, self.data_format = padding, data_format

    def forward(self, x: Tensor) -> Tensor:
        """x (N, *spatial, C), or (N, C, *spatial) with channels first."""
        result: Tensor = type(self).function(x, self.window, self.stride, self.padding, self.data_format)
        return result

    def describe(self) -> str:
        """Window, stride and padding."""
        return f"{self.window}, stride={self.stride}, padding={self.padding!r}"


class MaxPool1d(_Pool):
    """Maximum over windows of (N, W, C); padding counts as -inf."""

    function = staticmethod(F.max_pool)


class MaxPool2d(_Pool):
    """Maximum over windows of (N, H, W, C); padding counts as -inf."""

    function = staticmethod(F.max_pool)


class MaxPool3d(_Pool):
    """Maximum over windows of (N, D, H, W, C); padding counts as -inf."""

    function = staticmethod(F.max_pool)


class AveragePool1d(_Pool):
    """Mean over windows of (N, W, C); padding is left out of the count, as in TensorFlow."""

    function = staticmethod(F.average_pool)


class AveragePool2d(_Pool):
    """Mean over windows of (N, H, W, C); padding is left out of the count, as in TensorFlow."""

    function = staticmethod(F.average_pool)


class AveragePool3d(_Pool):
    """Mean over windows of (N, D, H, W, C); padding is left out of the count, as in TensorFlow."""

    function = staticmethod(F.average_pool)


class _AdaptivePool(Module):
    """``size`` windows that share out each spatial axis, of fixed size, as evenly as they can."""

    function: Any

    def __init__(self, size: PerAxis, data_format: DataFormat = "channels_last") -> None:
        self.size, self.data_format = size, data_format

    def forward(self, x: Tensor) -> Tensor:
        """x (N, *spatial, C) gives (N, *size, C); channels first likewise."""
        result: Tensor = type(self).function(x, self.size, self.data_format)
        return result

    def describe(self) -> str:
        """The size and the data format."""
        return listed(self.size, data_format=(self.data_format, "channels_last"))


class AdaptiveAveragePool(_AdaptivePool):
    """The mean of every window; of sequences, images and volumes."""

    function = staticmethod(F.adaptive_average_pool)


class AdaptiveMaxPool(_AdaptivePool):
    """The maximum of every window; of sequences, images and volumes."""

    function = staticmethod(F.adaptive_max_pool)


class _GlobalPool(Module):
    """One value per channel, over all spatial axes."""

    function: Any

    def __init__(self, keepdims: bool = False, data_format: DataFormat = "channels_last") -> None:
        self.keepdims, self.data_format = keepdims, data_format

    def forward(self, x: Tensor) -> Tensor:
        """x (N, *spatial, C) gives (N, C), or (N, 1, .., C) with ``keepdims``."""
        result: Tensor = type(self).function(x, self.keepdims, self.data_format)
        return result


class GlobalAveragePool(_GlobalPool):
    """The mean over all spatial axes: (N, *spatial, C) gives (N, C)."""

    function = staticmethod(F.global_average_pool)


class GlobalMaxPool(_GlobalPool):
    """The maximum over all spatial axes: (N, *spatial, C) gives (N, C)."""

    function = staticmethod(F.global_max_pool)
