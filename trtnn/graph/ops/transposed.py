"""Transposed convolution, also called deconvolution: what a convolution's gradient does to its input."""

from __future__ import annotations

import attrs

from trtnn.errors import ShapeError
from trtnn.graph.dims import Size
from trtnn.graph.ops.base import Op, require_float, require_rank, require_same_dtype
from trtnn.graph.ops.nn import join_channels, split_channels, split_kernel
from trtnn.graph.types import Shape, TensorType, shape_text
from trtnn.graph.windows import Pairs, extent


@attrs.frozen(eq=False, repr=False)
class ConvTranspose(Op):
    """Every element spread over a window, ``strides`` apart: ``conv_transpose(x, kernel[, bias])``.

    Channels last: x (N, *spatial, in), kernel (*spatial, out, in). ``channels_first``: x (N, in, *spatial), kernel (in,
    out, *spatial). bias (out,). ``crops`` are the elements cut off (before, after) each spatial axis of the whole
    result, which has ``(n - 1) * stride + span`` elements; a negative one behind appends zeros instead, before the
    bias.
    """

    strides: tuple[int, ...]
    crops: Pairs
    dilations: tuple[int, ...]
    channels_first: bool = False

    def infer(self, x: TensorType, kernel: TensorType, bias: TensorType | None = None) -> TensorType:  # type: ignore[override]
        """(N, *out spatial, out) or (N, out, *out spatial)."""
        spatial = len(self.strides)
        require_rank("an input", x, spatial + 2)
        require_rank("a kernel", kernel, spatial + 2)
        require_float("an input", x)
        require_same_dtype([x, kernel, *([bias] if bias else [])])
        channels, sizes = split_channels(x.shape, self.channels_first)
        inputs, out, window = split_kernel(kernel.shape, self.channels_first)
        if channels != inputs:
            raise ShapeError(
                expected=f"{inputs} input channels",
                got=f"{channels}, shape {shape_text(x.shape)}",
                remedy=f"axis {1 if self.channels_first else x.rank - 1} holds the channels",
            )
        if bias is not None and bias.shape != (out,):
            raise ShapeError(expected=f"a bias of shape ({out},)", got=shape_text(bias.shape))
        return TensorType(x.dtype, join_channels(x.shape[0], out, self._sizes(sizes, window), self.channels_first))

    def _sizes(self, sizes: Shape, window: tuple[int, ...]) -> Shape:
        spread = zip(sizes, window, self.strides, self.dilations, self.crops, strict=True)
        grown: list[Size] = [(n - 1) * s + extent(k, d) - before - after for n, k, s, d, (before, after) in spread]
        if any(isinstance(size, int) and size < 1 for size in grown):
            raise ShapeError(expected="something left after cropping", got=f"sizes {tuple(grown)}")
        return tuple(grown)
