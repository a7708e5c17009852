"""Attention, which TensorRT makes of two boundary layers; here the first one computes it and the second one passes it.

Query, key and value are (batch, heads, sequence, size).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trtnn.backends.tensorrt.simulate.element_types import Array
from trtnn.backends.tensorrt.simulate.layers.reduction import softmax
from trtnn.backends.tensorrt.simulate.reading import Evaluator, LayerView, reads
from trtnn.errors import UnsupportedError


@reads("ATTENTION_INPUT", "IAttentionInputLayer")
def attention(layer: LayerView) -> Evaluator:
    """softmax(query @ transposed key, masked) @ value; the query is expected to be scaled already.

    A bool mask says what takes part, any other is added. A causal mask aligns the first query with the first key
    (``UPPER_LEFT``) or the last with the last (``LOWER_RIGHT``, which older versions do not have).
    """
    settings = layer.raw.attention
    normalized, causal = settings.norm_op.name == "SOFTMAX", bool(settings.causal)
    kind = getattr(settings, "causal_kind", None)
    aligned_at_end = kind is not None and kind.name == "LOWER_RIGHT"
    if any(tensor is not None for tensor in layer.inputs[4:]):
        raise UnsupportedError(layer.name, problem="the simulator has no attention with quantization or with lengths")

    def evaluate(query: Array, key: Array, value: Array, mask: Array | None = None, *_: Array | None) -> Any:
        scores = np.matmul(query, key.swapaxes(-1, -2))
        if causal:
            queries, keys = scores.shape[-2:]
            mask = np.tri(queries, keys, keys - queries if aligned_at_end else 0, dtype=bool)
        if mask is not None:
            scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
        return np.matmul(softmax(scores, (3,)) if normalized else scores, value)

    return evaluate


@reads("ATTENTION_OUTPUT", "IAttentionOutputLayer")
def attention_output(layer: LayerView) -> Evaluator:
    """The end of the attention, which changes nothing."""
    return lambda result: result
