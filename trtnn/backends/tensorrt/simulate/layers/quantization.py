"""Quantization to INT8, INT4 or FP8 and back, with one scale, one per slice of an axis, or one per block."""

from __future__ import annotations

import numpy as np

from trtnn.backends.tensorrt.simulate.element_types import FP8_MAX, Array
from trtnn.backends.tensorrt.simulate.reading import Evaluator, LayerView, reads
from trtnn.errors import UnsupportedError

_RANGES = {"INT8": (-128, 127), "INT4": (-8, 7)}


@reads("QUANTIZE", "IQuantizeLayer")
def quantize(layer: LayerView) -> Evaluator:
    """clamp(round(x / scale)), halves to even; FP8 saturates and is rounded to its own values afterwards."""
    data_type, axis = layer.outputs[0].data_type, int(layer.raw.axis)
    if data_type not in (*_RANGES, "FP8"):
        raise UnsupportedError(layer.name, problem=f"the simulator does not quantize to {data_type}")

    def evaluate(x: Array, scale: Array, zero_point: Array | None = None) -> Array:
        scaled = x / _spread(scale, x, axis)
        if data_type == "FP8":
            return np.clip(scaled, -FP8_MAX, FP8_MAX)
        return np.clip(np.rint(scaled), *_RANGES[data_type])

    return evaluate


@reads("DEQUANTIZE", "IDequantizeLayer")
def dequantize(layer: LayerView) -> Evaluator:
    """x * scale."""
    axis = int(layer.raw.axis)

    def evaluate(x: Array, scale: Array, zero_point: Array | None = None) -> Array:
        return x.astype(np.float32) * _spread(scale, x, axis)

    return evaluate


def _spread(scale: Array, x: Array, axis: int) -> Array:
    """The scale of each element: a scalar, a vector along the axis, or a block-wise tensor of x's rank.

    Zero points need no term: TensorRT allows none but zero.
    """
    if scale.size == 1:
        return scale.reshape(())
    if scale.ndim == 1:
        return scale.reshape(-1, *(1,) * (x.ndim - 1 - axis % x.ndim))
    for place, (blocks, extent) in enumerate(zip(scale.shape, x.shape, strict=True)):
        scale = scale.repeat(extent // blocks, axis=place)
    return scale
