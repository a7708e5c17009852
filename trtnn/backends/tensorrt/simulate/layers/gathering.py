"""Layers that pick and place elements by index: gather, scatter, one-hot, top-k, non-zero, reversed sequences."""

from __future__ import annotations

from typing import Any

import numpy as np

from trtnn.backends.tensorrt.simulate.element_types import Array, storage
from trtnn.backends.tensorrt.simulate.reading import Evaluator, LayerView, axes_of, reads


@reads("GATHER", "IGatherLayer")
def gather(layer: LayerView) -> Evaluator:
    """ONNX's Gather (``DEFAULT``), GatherElements (``ELEMENT``) or GatherND (``ND``)."""
    mode, axis, shared = layer.raw.mode.name, int(layer.raw.axis), int(layer.raw.num_elementwise_dims)
    if mode == "ELEMENT":
        return lambda x, indices: np.take_along_axis(x, indices, axis)
    if mode == "ND":
        return lambda x, indices: _gather_nd(x, indices, shared)
    if shared == 0:
        return lambda x, indices: np.take(x, indices, axis)
    return lambda x, indices: np.stack([np.take(a, i, axis - 1) for a, i in zip(x, indices, strict=True)])


def _gather_nd(x: Array, indices: Array, shared: int) -> Array:
    """ONNX's GatherND: the last axis of the indices is a position, after ``shared`` leading axes in common."""
    leading = np.indices(indices.shape[:-1])[:shared]
    picked: Array = x[(*leading, *np.moveaxis(indices, -1, 0))]
    return picked


@reads("SCATTER", "IScatterLayer")
def scatter(layer: LayerView) -> Evaluator:
    """ONNX's ScatterElements (``ELEMENT``) or ScatterND (``ND``)."""
    mode, axis = layer.raw.mode.name, int(layer.raw.axis)

    def evaluate(data: Array, indices: Array, updates: Array) -> Array:
        result = data.copy()
        if mode == "ELEMENT":
            np.put_along_axis(result, indices, updates, axis)
        else:
            result[tuple(np.moveaxis(indices, -1, 0))] = updates
        return result

    return evaluate


@reads("ONE_HOT", "IOneHotLayer")
def one_hot(layer: LayerView) -> Evaluator:
    """Values are (off, on); negative indices count from the end, and indices out of range are off everywhere."""
    axis = int(layer.raw.axis)

    def evaluate(indices: Array, values: Array, depth: Array) -> Any:
        classes = np.arange(int(depth))
        place = axis % (indices.ndim + 1)
        wanted = np.expand_dims(np.where(indices < 0, indices + int(depth), indices), place)
        hot = wanted == classes.reshape(-1, *(1,) * (indices.ndim - place))
        return np.where(hot, values[1], values[0])

    return evaluate


@reads("TOPK", "ITopKLayer")
def top_k(layer: LayerView) -> Evaluator:
    """The k largest or smallest along an axis, best first, and their indices; of equals, the first comes first."""
    raw = layer.raw
    (axis,), largest, own_k = axes_of(raw.axes), raw.op.name == "MAX", int(raw.k)

    def evaluate(x: Array, k: Array | None = None) -> tuple[Array, Array]:
        keys = x if np.issubdtype(x.dtype, np.floating) else x.astype(np.int64)
        order = np.argsort(-keys if largest else keys, axis, kind="stable")
        best = order.take(np.arange(own_k if k is None else int(k)), axis)
        return np.take_along_axis(x, best, axis), best

    return evaluate


@reads("NON_ZERO", "INonZeroLayer")
def non_zero(layer: LayerView) -> Evaluator:
    """Indices (rank, count) of what is not zero, in row-major order."""
    dtype = storage(layer.outputs[0].data_type)
    return lambda x: np.stack(np.nonzero(x)).astype(dtype)


@reads("REVERSE_SEQUENCE", "IReverseSequenceLayer")
def reverse_sequence(layer: LayerView) -> Evaluator:
    """Reverses the first ``lengths[b]`` steps of each sequence b and leaves the rest in place."""
    batch_axis, sequence_axis = int(layer.raw.batch_axis), int(layer.raw.sequence_axis)

    def evaluate(x: Array, lengths: Array) -> Array:
        steps = np.arange(x.shape[sequence_axis])
        per_sequence = lengths.astype(np.int64)[:, None]
        source = np.where(steps < per_sequence, per_sequence - 1 - steps, steps)
        ordered = np.moveaxis(x, (batch_axis, sequence_axis), (0, 1))
        picked = ordered[np.arange(len(source))[:, None], source]
        return np.moveaxis(picked, (0, 1), (batch_axis, sequence_axis))

    return evaluate
