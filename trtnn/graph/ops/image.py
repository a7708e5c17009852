"""Operations on images and other activations with channels: resizing."""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from trtnn.errors import ShapeError
from trtnn.graph.ops.base import Op, require_float, require_rank
from trtnn.graph.ops.nn import join_channels, split_channels
from trtnn.graph.types import Shape, TensorType

Method: TypeAlias = Literal["nearest", "linear"]
Coordinates: TypeAlias = Literal["half_pixel", "asymmetric", "align_corners"]


@attrs.frozen(eq=False, repr=False)
class Resize(Op):
    """Resampling of the spatial axes to ``sizes``: x (N, *spatial, C), or (N, C, *spatial) when ``channels_first``.

    Without antialiasing. Element i of n, made from m, lies at ``(i + 1/2) * m / n - 1/2`` ("half_pixel", TensorFlow 2),
    at ``i * m / n`` ("asymmetric", TensorFlow 1) or at ``i * (m - 1) / (n - 1)`` ("align_corners"). "nearest" takes
    ``floor((i + 1/2) * m / n)`` for half-pixel coordinates, the floor of the coordinate for asymmetric ones and the
    nearest, halves up, for aligned corners; "linear" mixes the neighbours along each axis, the edge repeated.
    """

    sizes: Shape
    method: Method
    coordinates: Coordinates = "half_pixel"
    channels_first: bool = False

    def infer(self, x: TensorType) -> TensorType:  # type: ignore[override]
        """The input's type with the new spatial sizes."""
        require_rank("an input", x, len(self.sizes) + 2)
        require_float("an input", x)
        if any(isinstance(size, int) and size < 1 for size in self.sizes):
            raise ShapeError(expected="sizes of at least 1", got=str(self.sizes))
        channels, _ = split_channels(x.shape, self.channels_first)
        return TensorType(x.dtype, join_channels(x.shape[0], channels, self.sizes, self.channels_first))
