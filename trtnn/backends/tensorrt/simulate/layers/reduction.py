"""Reductions over axes, and softmax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from trtnn.backends.tensorrt.simulate.element_types import Array
from trtnn.backends.tensorrt.simulate.reading import Evaluator, LayerView, axes_of, reads
from trtnn.errors import UnsupportedError

_REDUCTIONS: dict[str, Callable[..., Any]] = {
    "SUM": np.sum,
    "PROD": np.prod,
    "MAX": np.max,
    "MIN": np.min,
    "AVG": np.mean,
}


@reads("REDUCE", "IReduceLayer")
def reduce(layer: LayerView) -> Evaluator:
    """Sum, product, maximum, minimum or average over a set of axes."""
    raw = layer.raw
    kind, axes, keep = raw.op.name, axes_of(raw.axes), bool(raw.keep_dims)
    if kind not in _REDUCTIONS:
        raise UnsupportedError(layer.name, problem=f"the simulator does not have the reduction {kind}")
    function = _REDUCTIONS[kind]
    return lambda x: function(x, axis=axes, keepdims=keep)


@reads("SOFTMAX", "ISoftMaxLayer")
def softmax_layer(layer: LayerView) -> Evaluator:
    """Softmax over the layer's axis."""
    axes = axes_of(layer.raw.axes)
    return lambda x: softmax(x, axes)


def softmax(x: Array, axes: tuple[int, ...]) -> Array:
    """exp(x) / sum(exp(x)) over the axes, with the maximum subtracted first."""
    powers = np.exp(x - x.max(axis=axes, keepdims=True))
    result: Array = powers / powers.sum(axis=axes, keepdims=True)
    return result
