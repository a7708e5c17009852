"""Transposed convolution layers."""

from __future__ import annotations

from trtnn import functional as F
from trtnn.functional.convolution import as_output_padding, transposed_crops
from trtnn.functional.nn import DataFormat, PerAxis, is_channels_first
from trtnn.functional.operands import per_axis, positive_int
from trtnn.graph.windows import extent
from trtnn.layers.options import listed
from trtnn.module import Module
from trtnn.parameter import Parameter
from trtnn.tensor import Tensor

__all__ = ["ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]


class _ConvTranspose(Module):
    """A transposed convolution over ``spatial`` axes: ``kernel`` (*window, out, in) and ``bias`` (out,)."""

    spatial: int
    layout: str

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: PerAxis,
        stride: PerAxis = 1,
        padding: str = "valid",
        output_padding: PerAxis | None = None,
        dilation: PerAxis = 1,
        bias: bool = True,
        data_format: DataFormat = "channels_last",
        name: str | None = None,
    ) -> None:
        window = per_axis("kernel_size", kernel_size, self.spatial)
        strides, dilations = (
            per_axis(what, value, self.spatial) for what, value in (("stride", stride), ("dilation", dilation))
        )
        spans = [extent(k, d) for k, d in zip(window, dilations, strict=True)]
        transposed_crops(spans, strides, padding, as_output_padding(output_padding, strides))
        is_channels_first(data_format)
        outputs = positive_int("out_channels", out_channels)
        self.kernel = Parameter((*window, outputs, positive_int("in_channels", in_channels)), layout=self.layout)
        self.bias = Parameter((outputs,)) if bias else None
        self.stride, self.padding, self.output_padding, self.dilation = stride, padding, output_padding, dilation
        self.data_format, self.name = data_format, name

    def forward(self, x: Tensor) -> Tensor:
        """x (N, *spatial, in), or (N, in, *spatial) with channels first."""
        return F.conv_transpose(
            x,
            self.kernel,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding,
            dilation=self.dilation,
            data_format=self.data_format,
        )

    def describe(self) -> str:
        """Channels, window and the options that are not the default."""
        *window, outputs, inputs = self.kernel.shape
        return listed(
            inputs,
            outputs,
            "x".join(map(str, window)),
            stride=(self.stride, 1),
            padding=(self.padding, "valid"),
            output_padding=(self.output_padding, None),
            dilation=(self.dilation, 1),
            bias=(self.bias is not None, True),
            data_format=(self.data_format, "channels_last"),
        )


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution of sequences: x (N, W, in), kernel (kw, out, in). See `ConvTranspose2d`."""

    spatial, layout = 1, "WOI"


class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution of images: x (N, H, W, in), kernel (kh, kw, out, in), result (N, H', W', out).

    ``padding`` is "valid" or "same"; without ``output_padding`` a size n becomes ``n * stride`` ("same") or
    ``n * stride + max(span - stride, 0)`` ("valid"), as in TensorFlow; see `functional.conv_transpose`. Raises
    ArgumentError for a bad option.
    """

    spatial, layout = 2, "HWOI"


class ConvTranspose3d(_ConvTranspose):
    """Transposed convolution of volumes: x (N, D, H, W, in), kernel (kd, kh, kw, out, in). See `ConvTranspose2d`."""

    spatial, layout = 3, "DHWOI"
