"""Depthwise and separable convolution layers."""

from __future__ import annotations

from trtnn import functional as F
from trtnn.functional.nn import DataFormat, PaddingSpec, PerAxis, as_padding
from trtnn.functional.operands import positive_int
from trtnn.layers.options import listed
from trtnn.layers.sliding import Sliding
from trtnn.parameter import Parameter
from trtnn.tensor import Tensor

__all__ = ["DepthwiseConv1d", "DepthwiseConv2d", "SeparableConv1d", "SeparableConv2d"]


class _Depthwise(Sliding):
    """What both families share: how they print."""

    def _described(self, window: tuple[int, ...], *channels: int, multiplier: int, bias: bool) -> str:
        return listed(
            *channels,
            "x".join(map(str, window)),
            multiplier=(multiplier, 1),
            stride=(self.stride, 1),
            padding=(self.padding, "valid"),
            dilation=(self.dilation, 1),
            bias=(bias, True),
            data_format=(self.data_format, "channels_last"),
        )


class _DepthwiseConv(_Depthwise):
    """Every channel convolved with kernels of its own: ``kernel`` (*window, channels, multiplier), ``bias``."""

    def __init__(
        self,
        channels: int,
        kernel_size: PerAxis,
        stride: PerAxis = 1,
        padding: PaddingSpec = "valid",
        multiplier: int = 1,
        dilation: PerAxis = 1,
        bias: bool = True,
        data_format: DataFormat = "channels_last",
        name: str | None = None,
    ) -> None:
        window = self._slide(kernel_size, stride, padding, dilation, data_format)
        as_padding(padding, self.spatial)
        shape = (*window, positive_int("channels", channels), positive_int("multiplier", multiplier))
        self.kernel = Parameter(
            shape, layout="window, channels, multiplier", aliases=("depthwise_kernel", "depthwise_weights")
        )
        self.bias = Parameter((channels * multiplier,)) if bias else None
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        """x (N, *spatial, channels) gives (N, *out spatial, channels * multiplier)."""
        return F.depthwise_conv(x, self.kernel, self.bias, **self._sliding)

    def describe(self) -> str:
        """Channels, window and the options that are not the default."""
        *window, channels, multiplier = self.kernel.shape
        return self._described(tuple(window), channels, multiplier=multiplier, bias=self.bias is not None)


class DepthwiseConv1d(_DepthwiseConv):
    """Depthwise convolution of sequences: x (N, W, C), kernel (kw, C, M). See `DepthwiseConv2d`."""

    spatial = 1


class DepthwiseConv2d(_DepthwiseConv):
    """Depthwise convolution of images: x (N, H, W, C), kernel (kh, kw, C, M), bias (C * M,), result (N, H', W', C * M).

    Output channel ``c * M + m`` comes from channel c. Options as in `Conv2d`.
    """

    spatial = 2


class _SeparableConv(_Depthwise):
    """A depthwise convolution, then one of window 1: ``depthwise_kernel``, ``pointwise_kernel``, ``bias``."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: PerAxis,
        stride: PerAxis = 1,
        padding: PaddingSpec = "valid",
        multiplier: int = 1,
        dilation: PerAxis = 1,
        bias: bool = True,
        data_format: DataFormat = "channels_last",
        name: str | None = None,
    ) -> None:
        window = self._slide(kernel_size, stride, padding, dilation, data_format)
        as_padding(padding, self.spatial)
        between = positive_int("in_channels", in_channels) * positive_int("multiplier", multiplier)
        outputs = positive_int("out_channels", out_channels)
        self.depthwise_kernel = Parameter((*window, in_channels, multiplier), layout="window, channels, multiplier")
        self.pointwise_kernel = Parameter((*(1 for _ in window), between, outputs), layout="window, in, out")
        self.bias = Parameter((outputs,)) if bias else None
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        """x (N, *spatial, in) gives (N, *out spatial, out)."""
        return F.separable_conv(x, self.depthwise_kernel, self.pointwise_kernel, self.bias, **self._sliding)

    def describe(self) -> str:
        """Channels, window and the options that are not the default."""
        *window, channels, multiplier = self.depthwise_kernel.shape
        outputs = self.pointwise_kernel.shape[-1]
        return self._described(tuple(window), channels, outputs, multiplier=multiplier, bias=self.bias is not None)


class SeparableConv1d(_SeparableConv):
    """Separable convolution of sequences: kernels (kw, in, M) and (1, in * M, out). See `SeparableConv2d`."""

    spatial = 1


class SeparableConv2d(_SeparableConv):
    """Separable convolution of images: depthwise_kernel (kh, kw, in, M), pointwise_kernel (1, 1, in * M, out).

    x (N, H, W, in) gives (N, H', W', out). Options as in `Conv2d`; all of them belong to the depthwise half.
    """

    spatial = 2
