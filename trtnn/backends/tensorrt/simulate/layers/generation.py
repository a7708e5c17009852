"""Layers that make values: constants, fills, running sums; and assertions, which only check one."""

from __future__ import annotations

import numpy as np

from trtnn.backends.tensorrt.simulate.element_types import Array, conform, storage
from trtnn.backends.tensorrt.simulate.reading import Evaluator, LayerView, reads
from trtnn.errors import InputError, UnsupportedError


@reads("CONSTANT", "IConstantLayer")
def constant(layer: LayerView) -> Evaluator:
    """The layer's weights, in its shape."""
    shape = tuple(layer.raw.shape)
    weights = layer.weights("weights")
    if weights is None:
        weights = np.zeros(0, storage(layer.outputs[0].data_type))
    value = conform(weights, layer.outputs[0].data_type).reshape(shape)
    return lambda: value


@reads("FILL", "IFillLayer")
def fill(layer: LayerView) -> Evaluator:
    """Evenly spaced numbers, ``alpha + sum(beta[axis] * index[axis])``; shape, alpha, beta may be inputs 0, 1, 2."""
    raw = layer.raw
    kind, dtype = raw.operation.name, storage(layer.outputs[0].data_type)
    if kind != "LINSPACE":
        raise UnsupportedError(layer.name, problem=f"the simulator does not have the fill operation {kind}")
    own_shape = None if raw.shape is None else np.array(tuple(raw.shape), np.int64)
    own_start, own_step = np.array(raw.alpha), np.array([raw.beta])

    def evaluate(shape: Array | None = None, alpha: Array | None = None, beta: Array | None = None) -> Array:
        extents = own_shape if shape is None else shape
        steps = own_step if beta is None else beta.reshape(-1)
        result = np.asarray(own_start if alpha is None else alpha, dtype).reshape(())
        for extent, step in zip(() if extents is None else extents, steps, strict=True):
            result = result[..., None] + np.asarray(step, dtype) * np.arange(extent, dtype=dtype)
        return result

    return evaluate


@reads("CUMULATIVE", "ICumulativeLayer")
def cumulative(layer: LayerView) -> Evaluator:
    """Sums of the elements up to (inclusive) or before (exclusive) each one, from the end if reversed."""
    exclusive, reverse, kind = bool(layer.raw.exclusive), bool(layer.raw.reverse), layer.raw.op.name
    if kind != "SUM":
        raise UnsupportedError(layer.name, problem=f"the simulator does not have the cumulative operation {kind}")

    def evaluate(x: Array, axis: Array) -> Array:
        along = np.moveaxis(x, int(axis), 0)
        along = along[::-1] if reverse else along
        sums = np.cumsum(along, 0, dtype=x.dtype)
        if exclusive:
            sums = np.concatenate([np.zeros_like(along[:1]), sums[:-1]])
        return np.moveaxis(sums[::-1] if reverse else sums, 0, int(axis))

    return evaluate


@reads("ASSERTION", "IAssertionLayer")
def assertion(layer: LayerView) -> Evaluator:
    """Raises InputError with the assertion's message when its condition is false anywhere."""
    name, message = layer.name, layer.raw.message

    def evaluate(condition: Array) -> tuple[()]:
        if not condition.all():
            raise InputError(name, problem=f"the network's own assertion fails: {message}")
        return ()

    return evaluate
