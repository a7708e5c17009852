"""Layers that combine tensors element by element, broadcasting extents of 1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from trtnn.backends.tensorrt.simulate.element_types import Array
from trtnn.backends.tensorrt.simulate.reading import Evaluator, LayerView, reads
from trtnn.errors import UnsupportedError


def _divide(a: Array, b: Array) -> Array:
    """Integers divide toward zero, as in C++."""
    if np.issubdtype(a.dtype, np.floating):
        return a / b
    quotient = np.floor_divide(a, b)
    inexact_and_negative = (quotient < 0) & (quotient * b != a)
    result: Array = quotient + inexact_and_negative
    return result


_OPERATIONS: dict[str, Callable[[Array, Array], Array]] = {
    "SUM": np.add,
    "PROD": np.multiply,
    "MAX": np.maximum,
    "MIN": np.minimum,
    "SUB": np.subtract,
    "DIV": _divide,
    "POW": np.power,
    "FLOOR_DIV": np.floor_divide,
    "AND": np.logical_and,
    "OR": np.logical_or,
    "XOR": np.logical_xor,
    "EQUAL": np.equal,
    "GREATER": np.greater,
    "LESS": np.less,
}


@reads("ELEMENTWISE", "IElementWiseLayer")
def elementwise(layer: LayerView) -> Evaluator:
    """A binary operation; comparisons give bool."""
    kind = layer.raw.op.name
    if kind not in _OPERATIONS:
        raise UnsupportedError(layer.name, problem=f"the simulator does not have the elementwise operation {kind}")
    return _OPERATIONS[kind]


@reads("SELECT", "ISelectLayer")
def select(layer: LayerView) -> Evaluator:
    """The second input where the first is true, else the third."""
    return np.where


@reads("SCALE", "IScaleLayer")
def scale(layer: LayerView) -> Evaluator:
    """(x * scale + shift) ^ power, with one value for the tensor, per channel or per element of a sample."""
    raw = layer.raw
    mode, axis = raw.mode.name, int(raw.channel_axis)
    scales, shifts, powers = (layer.float_weights(role) for role in ("scale", "shift", "power"))

    def spread(weights: Array, x: Array) -> Array:
        if mode == "UNIFORM":
            return weights.reshape(())
        if mode == "CHANNEL":
            return weights.reshape(-1, *(1,) * (x.ndim - 1 - axis))
        return weights.reshape(x.shape[-_trailing(x.shape, weights.size) :])

    def evaluate(x: Array) -> Array:
        if scales is not None:
            x = x * spread(scales, x)
        if shifts is not None:
            x = x + spread(shifts, x)
        return x if powers is None else np.power(x, spread(powers, x))

    return evaluate


def _trailing(shape: tuple[int, ...], volume: int) -> int:
    """How many of the last dimensions have the volume of elementwise weights (the batch is not part of it)."""
    for count in range(len(shape) - 1, len(shape) + 1):
        if int(np.prod(shape[-count:])) == volume:
            return count
    raise ValueError(f"{volume} elementwise weights do not match the shape {shape}")
