"""Transposed convolution layers."""

from __future__ import annotations

from trtnn import functional as F
from trtnn.functional.convolution import as_output_padding, transposed_crops
from trtnn.functional.nn import DataFormat, PerAxis
from trtnn.functional.operands import per_axis, positive_int
from trtnn.graph.windows import extent
from trtnn.layers.options import listed
from trtnn.layers.sliding import Sliding
from trtnn.parameter import Parameter
from trtnn.tensor import Tensor

__all__ = ["ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]


class _ConvTranspose(Sliding):
    """A transposed convolution over ``spatial`` axes: ``kernel`` (*window, out, in) and ``bias`` (out,)."""

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
        window = self._slide(kernel_size, stride, padding, dilation, data_format)
        strides, dilations = (
            per_axis(what, value, self.spatial) for what, value in (("stride", stride), ("dilation", dilation))
        )
        spans = [extent(k, d) for k, d in zip(window, dilations, strict=True)]
        transposed_crops(spans, strides, padding, as_output_padding(output_padding, strides))
        outputs = positive_int("out_channels", out_channels)
        self.kernel = Parameter((*window, outputs, positive_int("in_channels", in_channels)), layout=self.layout)
        self.bias = Parameter((outputs,)) if bias else None
        self.output_padding, self.name = output_padding, name

    def forward(self, x: Tensor) -> Tensor:
        """x (N, *spatial, in), or (N, in, *spatial) with channels first."""
        return F.conv_transpose(x, self.kernel, self.bias, output_padding=self.output_padding, **self._sliding)

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
