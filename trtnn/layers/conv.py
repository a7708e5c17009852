"""Convolution layers."""

from __future__ import annotations

from trtnn import functional as F
from trtnn.errors import ArgumentError
from trtnn.functional.nn import DataFormat, PaddingSpec, PerAxis, as_padding
from trtnn.functional.operands import per_axis, positive_int
from trtnn.layers.options import listed
from trtnn.layers.sliding import Sliding
from trtnn.parameter import Parameter
from trtnn.tensor import Tensor

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
]


class _Conv(Sliding):
    """A convolution over ``spatial`` axes, with the weights ``kernel`` (*window, in / groups, out) and ``bias``
    (out,)."""

    layout: str

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: PerAxis,
        stride: PerAxis = 1,
        padding: PaddingSpec = "valid",
        dilation: PerAxis = 1,
        groups: int = 1,
        bias: bool = True,
        data_format: DataFormat = "channels_last",
        name: str | None = None,
    ) -> None:
        window = self._slide(kernel_size, stride, padding, dilation, data_format)
        if padding == "causal" and self.spatial == 1:
            self.padding = F.causal_padding(window[0], per_axis("dilation", dilation, 1)[0])
        as_padding(self.padding, self.spatial)
        for what, count in (("in_channels", in_channels), ("out_channels", out_channels), ("groups", groups)):
            positive_int(what, count)
        if in_channels % groups or out_channels % groups:
            raise ArgumentError(
                type(self).__name__,
                expected=f"channels divisible by groups={groups}",
                got=f"in_channels={in_channels}, out_channels={out_channels}",
            )
        self.kernel = Parameter((*window, in_channels // groups, out_channels), layout=self.layout)
        self.bias = Parameter((out_channels,)) if bias else None
        self.groups, self.name = groups, name

    def forward(self, x: Tensor) -> Tensor:
        """x (N, *spatial, in), or (N, in, *spatial) with channels first."""
        return F.conv(x, self.kernel, self.bias, groups=self.groups, **self._sliding)

    def describe(self) -> str:
        """Channels, window and the options that are not the default."""
        *window, per_group, out = self.kernel.shape
        said = listed(
            per_group * self.groups,
            out,
            "x".join(map(str, window)),
            stride=(self.stride, 1),
            padding=(self.padding, "valid"),
            dilation=(self.dilation, 1),
            groups=(self.groups, 1),
            bias=(self.bias is not None, True),
        )
        return said if self.data_format == "channels_last" else f"{said}, {self.data_format}"


class Conv1d(_Conv):
    """Convolution of sequences: x (N, W, in), kernel (kw, in / groups, out), result (N, W', out). See `Conv2d`.

    ``padding="causal"`` puts all padding before the sequence, so that no element sees a later one.
    """

    spatial, layout = 1, "WIO"


class Conv2d(_Conv):
    """Convolution of images: x (N, H, W, in), kernel (kh, kw, in / groups, out) in TensorFlow's HWIO layout, result
    (N, H', W', out).

    ``padding`` is "valid", "same" (TensorFlow's, also for dynamic sizes), an int, one int per axis, or (before,
    after) pairs. ``data_format="channels_first"`` takes and gives (N, C, H, W); the kernel stays HWIO. Raises
    ArgumentError for a bad option and, while tracing, ShapeError when the input has other channels.
    """

    spatial, layout = 2, "HWIO"


class Conv3d(_Conv):
    """Convolution of volumes: x (N, D, H, W, in), kernel (kd, kh, kw, in / groups, out), result (N, D', H', W', out).
    See `Conv2d`."""

    spatial, layout = 3, "DHWIO"
