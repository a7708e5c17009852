"""Normalization (layer, group, instance) and local response normalization."""

from __future__ import annotations

import numpy as np

from trtnn.backends.tensorrt.simulate.element_types import Array
from trtnn.backends.tensorrt.simulate.layers.windows import padded
from trtnn.backends.tensorrt.simulate.reading import Evaluator, LayerView, axes_of, reads


@reads("NORMALIZATION", "INormalizationLayer")
def normalization(layer: LayerView) -> Evaluator:
    """(x - mean) / sqrt(variance + epsilon) * scale + bias, with the biased variance over the axes.

    With groups, the channels (axis 1) are split and each group is normalized together with the axes; scale and bias
    are then per group, (1, G, 1, ...), or per channel, (1, C, 1, ...).
    """
    raw = layer.raw
    axes, epsilon, groups = axes_of(raw.axes), float(raw.epsilon), int(raw.num_groups)

    def evaluate(x: Array, scale: Array, bias: Array) -> Array:
        if groups == 1:
            return _standardized(x, axes, epsilon) * scale + bias
        grouped = x.reshape(x.shape[0], groups, -1, *x.shape[2:])
        within = (2, *(axis + 1 for axis in axes))
        standard = _standardized(grouped, within, epsilon).reshape(x.shape)
        return standard * _per_channel(scale, x.shape[1], groups) + _per_channel(bias, x.shape[1], groups)

    return evaluate


def _standardized(x: Array, axes: tuple[int, ...], epsilon: float) -> Array:
    centred = x - x.mean(axis=axes, keepdims=True)
    variance = np.square(centred).mean(axis=axes, keepdims=True)
    standard: Array = centred / np.sqrt(variance + epsilon)
    return standard


def _per_channel(weights: Array, channels: int, groups: int) -> Array:
    return weights.repeat(channels // groups, axis=1) if weights.shape[1] == groups else weights


@reads("LRN", "ILRNLayer")
def local_response_normalization(layer: LayerView) -> Evaluator:
    """x / (k + alpha / window * sum of squares over the window of channels) ^ beta; the channel is the third last axis.

    TensorRT's documentation leaves alpha's divisor open; its own ONNX parser hands ONNX's alpha through unchanged, and
    ONNX divides by the window.
    """
    raw = layer.raw
    window, alpha, beta, k = int(raw.window_size), float(raw.alpha), float(raw.beta), float(raw.k)

    def evaluate(x: Array) -> Array:
        axis = x.ndim - 3
        channels = x.shape[axis]
        squares = padded(np.square(x), axis, window // 2, channels + window - 1, 0.0)
        leading = (slice(None),) * axis
        total = sum(squares[(*leading, slice(start, start + channels))] for start in range(window))
        return x / np.power(k + alpha / window * total, beta)

    return evaluate
