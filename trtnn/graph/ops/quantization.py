"""Quantization: floats as small integers, or as FP8, times a scale."""

from __future__ import annotations

import attrs

from trtnn.errors import ShapeError
from trtnn.graph.ops.base import Op, normalize_axis, require_dtype, require_float
from trtnn.graph.types import DType, TensorType, shape_text

QUANTIZED = (DType.int8, DType.uint8, DType.int4, DType.float8)


@attrs.frozen(eq=False, repr=False)
class Quantize(Op):
    """``clamp(round(x / scale) + zero_point)`` to the range of ``dtype``, halves to even; float8 rounds to its own
    values.

    The scale is float32 and positive: () for all elements, (n,) along ``axis``, or of x's rank with one element for
    each block of x.
    """

    dtype: DType = DType.int8
    axis: int | None = None
    zero_point: int = 0

    def infer(self, x: TensorType, scale: TensorType) -> TensorType:  # type: ignore[override]
        """The input's shape with the quantized type."""
        require_float("an operand", x)
        require_scale(x, scale, self.axis, DType.float32)
        return TensorType(self.dtype, x.shape)


@attrs.frozen(eq=False, repr=False)
class Dequantize(Op):
    """``(x - zero_point) * scale``, the inverse of `Quantize` but for the rounding, in the floating-point ``dtype``.

    x may also be int32, as the bias of a quantized convolution is. Scales of blocks have the type of the result.
    """

    dtype: DType = DType.float32
    axis: int | None = None
    zero_point: int = 0

    def infer(self, x: TensorType, scale: TensorType) -> TensorType:  # type: ignore[override]
        """The input's shape with the floating-point type."""
        require_dtype("an operand", x, *QUANTIZED, DType.int32)
        per_block = self.axis is None and scale.rank > 0
        require_scale(x, scale, self.axis, self.dtype if per_block else DType.float32)
        return TensorType(self.dtype, x.shape)


def require_scale(x: TensorType, scale: TensorType, axis: int | None, dtype: DType) -> None:
    """Raises DTypeError or ShapeError unless the scale is one for all of x, one per slice of the axis, or one per
    block."""
    require_dtype("a scale", scale, dtype)
    if axis is None:
        fits = scale.rank == 0 or (scale.rank == x.rank and _divides(x, scale))
        wanted = "a scale of shape (), or one of x's rank whose sizes divide x's"
    else:
        axis = normalize_axis(axis, x.rank)
        fits, wanted = scale.shape == (x.shape[axis],), f"a scale of shape ({x.shape[axis]},) along axis {axis}"
    if not fits:
        raise ShapeError(expected=f"{wanted}, for x {shape_text(x.shape)}", got=shape_text(scale.shape))


def _divides(x: TensorType, scale: TensorType) -> bool:
    pairs = zip(x.shape, scale.shape, strict=True)
    return all(isinstance(n, int) and isinstance(blocks, int) and n % blocks == 0 for n, blocks in pairs)
