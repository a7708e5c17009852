"""The numbers of quantization: scales, zero points and quantized weights."""

from __future__ import annotations

from typing import TypeAlias

import attrs
import numpy as np

from trtnn.graph import DType
from trtnn.graph import ops as g
from trtnn.graph.ops.base import Op

Range: TypeAlias = tuple[float, float]

LARGEST = {DType.int8: 127.0, DType.float8: 448.0, DType.int4: 7.0}
"""What the largest magnitude becomes; the one negative integer more that a type has is left out."""
BIAS_LIMIT = 2.0**30
"""How large a quantized bias may become: half of what int32 holds, so that a sum has room beside it."""


@attrs.frozen
class Encoding:
    """How the numbers of one tensor are written: ``x / scale + zero_point``."""

    scale: float
    zero_point: int = 0


@attrs.frozen(eq=False)
class Scheme:
    """What a target wants quantized, and how.

    ``dtype`` is what activations become: int8 or float8 around zero, or uint8 with a zero point, which holds values
    that are not negative twice as finely. ``closed`` quantizes what comes out of convolutions and additions too, for
    targets that have these on integers only from end to end. ``kinds`` are the operations to quantize.
    """

    dtype: DType = DType.int8
    closed: bool = False
    kinds: tuple[type[Op], ...] = (g.Conv, g.MatMul)

    @property
    def weights(self) -> DType:
        """What weights become, always around zero."""
        return DType.int8 if self.dtype is DType.uint8 else self.dtype

    def encoding(self, low: float, high: float) -> Encoding:
        """How numbers from the lowest to the highest, and zero, are written."""
        if self.dtype is not DType.uint8:
            return Encoding(float(positive(max(-low, high) / LARGEST[self.dtype])))
        low, high = min(low, 0.0), max(high, 0.0)
        scale = float(positive((high - low) / 255))
        return Encoding(scale, int(np.clip(np.rint(-low / scale), 0, 255)))


def positive(scale: np.ndarray | float) -> np.ndarray:
    """Scales as float32; 1 for what is always zero."""
    return np.where(np.asarray(scale) > np.finfo(np.float32).tiny, scale, 1).astype(np.float32)


def quantize_weights(
    weights: np.ndarray, axis: int, dtype: DType, least: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The weights in the quantized type, and their float32 scale per slice of the axis, not less than ``least``."""
    others = tuple(other for other in range(weights.ndim) if other != axis)
    scale = np.abs(weights).max(others) / LARGEST[dtype]
    if least is not None:
        scale = np.maximum(scale, least)
    scale = positive(scale)
    return rounded(weights / np.expand_dims(scale, others), dtype), scale


def rounded(values: np.ndarray, dtype: DType) -> np.ndarray:
    """Values, divided by their scale already, as the quantized type has them."""
    largest = LARGEST[dtype]
    clipped = np.clip(values, -largest, largest)
    whole: np.ndarray = clipped if dtype is DType.float8 else np.rint(clipped)
    return whole.astype(dtype.numpy)


def least_scale(bias: np.ndarray, x_scale: float) -> np.ndarray:
    """The smallest scale of weights with which the bias still fits `quantize_bias`."""
    least: np.ndarray = np.abs(bias) / (x_scale * BIAS_LIMIT)
    return least


def quantize_bias(bias: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The bias as int32 multiples of the scale of the products that it is added to."""
    whole: np.ndarray = np.rint(bias.astype(np.float64) / scale)
    return whole.astype(np.int32)
