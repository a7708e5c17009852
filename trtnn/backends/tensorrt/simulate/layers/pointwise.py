"""Layers that map each element of one tensor: activations, unary operations, casts and identities.

Formulas of the activations are those of ``ActivationType``'s documentation, with the layer's alpha and beta.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

from trtnn.backends.tensorrt.simulate.element_types import Array, storage
from trtnn.backends.tensorrt.simulate.reading import Evaluator, LayerView, reads
from trtnn.errors import UnsupportedError


@functools.cache
def _erf_table() -> tuple[Array, Array]:
    nodes = np.arange(6 * _ERF_NODES_PER_UNIT + 2) / _ERF_NODES_PER_UNIT
    return np.array([math.erf(node) for node in nodes]), 2 / math.sqrt(math.pi) * np.exp(-(nodes**2))


_ERF_NODES_PER_UNIT = 256


def erf(x: Array) -> Array:
    """The error function, to 1e-11: NumPy has none, so cubic Hermite interpolation between values of ``math.erf``.

    Past 6 the function is 1 to the last bit of float64.
    """
    values, slopes = _erf_table()
    position = np.minimum(np.abs(x.astype(np.float64)), 6.0) * _ERF_NODES_PER_UNIT
    position = np.where(np.isnan(position), 0.0, position)
    node = position.astype(np.int64)
    t = position - node
    step = 1 / _ERF_NODES_PER_UNIT
    left = values[node] * (1 + 2 * t) + slopes[node] * (step * t)
    right = values[node + 1] * (3 - 2 * t) + slopes[node + 1] * (step * (t - 1))
    result = np.copysign(left * (1 - t) ** 2 + right * t**2, x)
    return np.where(np.isnan(x), np.nan, result).astype(x.dtype)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), computed without an overflow for large negative x."""
    small = np.exp(-np.abs(x))
    result: Array = np.where(x >= 0, 1, small) / (1 + small)
    return result


_ACTIVATIONS: dict[str, Callable[[Array, float, float], Array]] = {
    "RELU": lambda x, a, b: np.maximum(x, 0),
    "SIGMOID": lambda x, a, b: sigmoid(x),
    "TANH": lambda x, a, b: np.tanh(x),
    "LEAKY_RELU": lambda x, a, b: np.where(x >= 0, x, a * x),
    "ELU": lambda x, a, b: np.where(x >= 0, x, a * np.expm1(np.minimum(x, 0))),
    "SELU": lambda x, a, b: b * np.where(x > 0, x, a * np.expm1(np.minimum(x, 0))),
    "SOFTSIGN": lambda x, a, b: x / (1 + np.abs(x)),
    "SOFTPLUS": lambda x, a, b: a * np.logaddexp(b * x, np.zeros((), x.dtype)),
    "CLIP": lambda x, a, b: np.maximum(a, np.minimum(b, x)),
    "HARD_SIGMOID": lambda x, a, b: np.clip(a * x + b, 0, 1),
    "SCALED_TANH": lambda x, a, b: a * np.tanh(b * x),
    "THRESHOLDED_RELU": lambda x, a, b: np.where(x > a, x, 0),
    "GELU_ERF": lambda x, a, b: 0.5 * x * (1 + erf(math.sqrt(0.5) * x)),
    "GELU_TANH": lambda x, a, b: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (0.044715 * x**3 + x))),
}

_UNARY: dict[str, Callable[[Array], Array]] = {
    "EXP": np.exp,
    "LOG": np.log,
    "SQRT": np.sqrt,
    "RECIP": lambda x: 1 / x,
    "ABS": np.abs,
    "NEG": np.negative,
    "SIN": np.sin,
    "COS": np.cos,
    "TAN": np.tan,
    "SINH": np.sinh,
    "COSH": np.cosh,
    "ASIN": np.arcsin,
    "ACOS": np.arccos,
    "ATAN": np.arctan,
    "ASINH": np.arcsinh,
    "ACOSH": np.arccosh,
    "ATANH": np.arctanh,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "ERF": erf,
    "NOT": np.logical_not,
    "SIGN": np.sign,
    "ROUND": np.rint,
    "ISINF": np.isinf,
    "ISNAN": np.isnan,
}


@reads("ACTIVATION", "IActivationLayer")
def activation(layer: LayerView) -> Evaluator:
    """An activation, with the layer's alpha and beta."""
    kind, alpha, beta = layer.raw.type.name, float(layer.raw.alpha), float(layer.raw.beta)
    if kind not in _ACTIVATIONS:
        raise UnsupportedError(layer.name, problem=f"the simulator does not have the activation {kind}")
    function = _ACTIVATIONS[kind]
    return lambda x: function(x, alpha, beta)


@reads("UNARY", "IUnaryLayer")
def unary(layer: LayerView) -> Evaluator:
    """A unary operation; ROUND is to the nearest, halves to even."""
    kind = layer.raw.op.name
    if kind not in _UNARY:
        raise UnsupportedError(layer.name, problem=f"the simulator does not have the unary operation {kind}")
    return _UNARY[kind]


@reads("PARAMETRIC_RELU", "IParametricReLULayer")
def parametric_relu(layer: LayerView) -> Evaluator:
    """x where it is not negative, else slopes * x."""
    return lambda x, slopes: np.where(x >= 0, x, slopes * x)


@reads("CAST", "ICastLayer")
def cast(layer: LayerView) -> Evaluator:
    """Casts to a tensor's type: floating point to integers toward zero, to bool by ``!= 0``."""
    dtype = storage(layer.outputs[0].data_type)
    return lambda x: x.astype(dtype) if not np.issubdtype(dtype, np.floating) else x


@reads("IDENTITY", "IIdentityLayer")
def identity(layer: LayerView) -> Evaluator:
    """The input itself."""
    return lambda x: x
