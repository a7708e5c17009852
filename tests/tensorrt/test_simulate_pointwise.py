"""Layers that work element by element, against TensorFlow or the documented formula in NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hand_network import HandNetwork, in_every_listing, random, trt  # noqa: F401
from hypothesis import given
from hypothesis import strategies as st
from oracle import assert_close, tensorflow

POINTS = np.linspace(-4, 4, 81, dtype=np.float32)


def activation(kind: str, alpha: float = 0.0, beta: float = 0.0) -> HandNetwork:
    net = HandNetwork()
    layer = net.network.add_activation(net.input("x", (-1,)), getattr(trt.ActivationType, kind))
    layer.alpha, layer.beta = alpha, beta
    net.mark(layer.get_output(0))
    return net


ACTIVATIONS = {
    "RELU": lambda nn, x: nn.relu(x),
    "SIGMOID": lambda nn, x: nn.sigmoid(x),
    "TANH": lambda nn, x: nn.tanh(x),
    "LEAKY_RELU": lambda nn, x: nn.leaky_relu(x, 0.3),
    "ELU": lambda nn, x: np.where(x < 0, 0.3 * nn.elu(x), x),
    "SOFTSIGN": lambda nn, x: nn.softsign(x),
    "SOFTPLUS": lambda nn, x: 0.3 * nn.softplus(1.7 * x),
    "CLIP": lambda nn, x: np.clip(x, 0.3, 1.7),
    "HARD_SIGMOID": lambda nn, x: np.clip(0.3 * x + 1.7, 0, 1),
    "SCALED_TANH": lambda nn, x: 0.3 * nn.tanh(1.7 * x),
    "THRESHOLDED_RELU": lambda nn, x: x * (x > 0.3),
    "GELU_ERF": lambda nn, x: nn.gelu(x),
    "GELU_TANH": lambda nn, x: nn.gelu(x, approximate=True),
}


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_activation(kind):
    want = np.asarray(ACTIVATIONS[kind](tensorflow().nn, POINTS))
    assert_close(activation(kind, 0.3, 1.7).simulate(x=POINTS), want)


def test_selu_with_its_own_constants():
    net = activation("SELU", 1.6732632423543772, 1.0507009873554805)
    assert_close(net.simulate(x=POINTS), tensorflow().nn.selu(POINTS).numpy())


def test_every_activation_is_proved():
    assert {*ACTIVATIONS, "SELU"} == set(trt.ActivationType.__members__)


@pytest.mark.parametrize("kind", ["SIGMOID", "SOFTPLUS", "TANH", "ELU"])
def test_activations_do_not_overflow(kind):
    result = activation(kind, 1.0, 1.0).simulate(x=np.array([-1e4, 1e4], np.float32))
    assert np.isfinite(result).all()


UNARY = {
    "EXP": "exp", "LOG": "log", "SQRT": "sqrt", "RECIP": "reciprocal", "ABS": "abs", "NEG": "negative", "SIN": "sin",
    "COS": "cos", "TAN": "tan", "SINH": "sinh", "COSH": "cosh", "ASIN": "asin", "ACOS": "acos", "ATAN": "atan",
    "ASINH": "asinh", "ACOSH": "acosh", "ATANH": "atanh", "CEIL": "ceil", "FLOOR": "floor", "ERF": "erf",
    "SIGN": "sign", "ROUND": "round", "ISINF": "is_inf", "ISNAN": "is_nan", "NOT": "logical_not",
}  # fmt: skip


def test_every_unary_operation_is_proved():
    assert set(UNARY) == set(trt.UnaryOperation.__members__)


@pytest.mark.parametrize("kind", UNARY)
def test_unary(kind):
    x = {
        "LOG": POINTS + 4.5, "SQRT": POINTS + 4.5, "ACOSH": POINTS + 5.5, "RECIP": POINTS + 4.5,
        "ASIN": POINTS / 5, "ACOS": POINTS / 5, "ATANH": POINTS / 5, "NOT": POINTS > 0,
        "ISINF": np.array([1, np.inf, -np.inf, np.nan], np.float32),
        "ISNAN": np.array([1, np.inf, -np.inf, np.nan], np.float32),
    }.get(kind, POINTS)  # fmt: skip
    net = HandNetwork()
    net.mark(net.network.add_unary(net.input("x", (-1,), x.dtype), getattr(trt.UnaryOperation, kind)).get_output(0))
    got, want = net.simulate(x=x), getattr(tensorflow().math, UNARY[kind])(x).numpy()
    assert got.dtype == want.dtype
    assert_close(got, want)


def test_erf_to_the_last_bits():
    x = np.concatenate([np.linspace(-7, 7, 4001), [1e-30, -1e-30, 0, np.inf, -np.inf, np.nan]]).astype(np.float32)
    net = HandNetwork()
    net.mark(net.network.add_unary(net.input("x", (-1,)), trt.UnaryOperation.ERF).get_output(0))
    np.testing.assert_allclose(net.simulate(x=x), np.vectorize(math.erf)(x), rtol=1.2e-7)


FLOAT_OPERATIONS = {
    "SUM": np.add, "PROD": np.multiply, "MAX": np.maximum, "MIN": np.minimum, "SUB": np.subtract, "DIV": np.divide,
    "POW": np.power, "FLOOR_DIV": np.floor_divide, "EQUAL": np.equal, "GREATER": np.greater, "LESS": np.less,
}  # fmt: skip
BOOL_OPERATIONS = {"AND": np.logical_and, "OR": np.logical_or, "XOR": np.logical_xor}


def elementwise(kind: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    net = HandNetwork()
    inputs = [net.input(name, x.shape, x.dtype) for name, x in (("a", a), ("b", b))]
    net.mark(net.network.add_elementwise(*inputs, getattr(trt.ElementWiseOperation, kind)).get_output(0))
    return net.simulate_and_build(a=a, b=b)


def test_every_elementwise_operation_is_proved():
    assert {*FLOAT_OPERATIONS, *BOOL_OPERATIONS} == set(trt.ElementWiseOperation.__members__)


@pytest.mark.parametrize("kind", FLOAT_OPERATIONS)
def test_elementwise_broadcasts(kind):
    a, b = np.abs(random(3, 1, 4)) + 0.5, np.abs(random(1, 2, 4)) + 0.5
    a[0, 0, 0] = b[0, 0, 0]
    assert_close(elementwise(kind, a, b), FLOAT_OPERATIONS[kind](a, b))


@pytest.mark.parametrize("kind", BOOL_OPERATIONS)
def test_elementwise_on_bool(kind):
    a, b = np.array([[False], [True]]), np.array([[False, True]])
    assert (elementwise(kind, a, b) == BOOL_OPERATIONS[kind](a, b)).all()


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-4, 4).filter(bool)), min_size=1, max_size=9))
def test_integer_division(pairs):
    a, b = np.array(pairs, np.int32).T
    assert elementwise("DIV", a, b).tolist() == [math.trunc(x / y) for x, y in pairs]
    assert elementwise("FLOOR_DIV", a, b).tolist() == [x // y for x, y in pairs]


def test_integers_wrap():
    big = np.array([2**31 - 1], np.int32)
    assert elementwise("SUM", big, np.array([1], np.int32)).tolist() == [-(2**31)]


def test_select():
    net = HandNetwork()
    condition, a, b = np.array([[True], [False]]), random(2, 3), random(1, 3)
    inputs = net.input("c", (2, 1), np.bool_), net.input("a", (2, 3)), net.input("b", (1, 3))
    net.mark(net.network.add_select(*inputs).get_output(0))
    assert (net.simulate_and_build(c=condition, a=a, b=b) == np.stack([a[0], b[0]])).all()


def test_parametric_relu():
    net = HandNetwork()
    x, slopes = random(2, 3, 4), random(1, 3, 1)
    net.mark(net.network.add_parametric_relu(net.input("x", (2, 3, 4)), net.constant(slopes)).get_output(0))
    assert_close(net.simulate_and_build(x=x), np.where(x > 0, x, x * slopes))


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_scale_per_channel(axis):
    x = np.abs(random(2, 3, 4, 5)) + 0.1
    scale, shift, power = np.abs(random(3, x.shape[axis])) + 0.5
    net = HandNetwork()
    mode = trt.ScaleMode.CHANNEL
    net.mark(net.network.add_scale_nd(net.input("x", x.shape), mode, shift, scale, power, axis).get_output(0))
    wide = [array.reshape([-1 if place == axis else 1 for place in range(4)]) for array in (scale, shift, power)]
    assert_close(net.simulate_and_build(x=x), (x * wide[0] + wide[1]) ** wide[2])


def test_scale_of_the_whole_tensor_and_of_each_element():
    x, shift = random(2, 3, 4, 5), random(3, 4, 5)
    net = HandNetwork()
    image = net.input("x", x.shape)
    scaled = net.network.add_scale(image, trt.ScaleMode.UNIFORM, trt.Weights(), np.array([2], np.float32))
    shifted = net.network.add_scale(image, trt.ScaleMode.ELEMENTWISE, shift)
    net.mark(scaled.get_output(0), "scaled")
    net.mark(shifted.get_output(0), "shifted")
    got = net.simulate_and_build(x=x)
    assert_close(got["scaled"], 2 * x)
    assert_close(got["shifted"], x + shift)
