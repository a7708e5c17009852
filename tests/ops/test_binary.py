"""Functions of two elements against TensorFlow: broadcasting, ranks, data types, numbers on either side."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest
import strategies as own
from hypothesis import given
from hypothesis import strategies as st
from oracle import tensorflow

import trtnn as nn
import trtnn.functional as F
from ops.harness import check

tf = tensorflow()
ARITHMETIC: dict[str, Any] = {
    "add": tf.add,
    "subtract": tf.subtract,
    "multiply": tf.multiply,
    "floor_divide": tf.math.floordiv,
    "mod": tf.math.floormod,
    "maximum": tf.maximum,
    "minimum": tf.minimum,
}
COMPARISONS: dict[str, Any] = {
    "equal": tf.equal,
    "not_equal": tf.not_equal,
    "less": tf.less,
    "less_equal": tf.less_equal,
    "greater": tf.greater,
    "greater_equal": tf.greater_equal,
}
LOGICAL: dict[str, Any] = {
    "logical_and": tf.logical_and,
    "logical_or": tf.logical_or,
    "logical_xor": tf.math.logical_xor,
}
OPERATORS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@pytest.mark.parametrize("name", [name for name in (*ARITHMETIC, *COMPARISONS) if name != "mod"])
@given(own.broadcastable(2, own.NUMBERS, low=-9, high=9))
def test_numbers(name: str, pair: list[np.ndarray]) -> None:
    """Both signs on both sides; shapes of ranks 0 to 4 that broadcast; few distinct integers, so equal ones meet."""
    check(getattr(F, name), (ARITHMETIC | COMPARISONS)[name], pair)


@given(own.broadcastable(2, ("int32", "int64"), low=-9, high=9))
def test_mod_of_integers(pair: list[np.ndarray]) -> None:
    check(F.mod, tf.math.floormod, pair)


@given(own.broadcastable(2, low=-9, high=9))
def test_mod_of_floats(pair: list[np.ndarray]) -> None:
    """As exact as the first operand: TensorRT has no remainder but ``x - floor(x / y) * y``, so 9 is the scale here."""
    check(lambda x, y: F.mod(x, y) + 9, lambda x, y: tf.math.floormod(x, y) + 9, pair)


@given(own.broadcastable(2))
def test_divide(pair: list[np.ndarray]) -> None:
    check(F.divide, tf.divide, pair)


@given(own.broadcastable(2, low=0.2, high=4))
def test_power(pair: list[np.ndarray]) -> None:
    x, y = pair
    check(F.power, tf.pow, [x, y - 2])


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_power_of_integers(dtype: str) -> None:
    check(F.power, tf.pow, [np.array([-3, -1, 2, 5], dtype), np.array([3, 0, 10, 2], dtype)])


@pytest.mark.parametrize("name", LOGICAL)
@given(own.broadcastable(2, ("bool",)))
def test_logical(name: str, pair: list[np.ndarray]) -> None:
    check(getattr(F, name), LOGICAL[name], pair)


def test_logical_operators_and_equality_of_bools() -> None:
    x, y = own.random_array((4, 5), "bool"), own.random_array((5,), "bool", seed=1)
    check(lambda x, y: (x & y, x | y, x ^ y), lambda x, y: (x & y, x | y, x ^ y), [x, y])
    check(lambda x, y: (F.equal(x, y), F.not_equal(x, y)), lambda x, y: (x == y, x != y), [x, y])


@pytest.mark.parametrize("symbol", OPERATORS)
@pytest.mark.parametrize("dtype", own.NUMBERS)
@given(data=st.data())
def test_operators_with_numbers(symbol: str, dtype: str, data: st.DataObject) -> None:
    """A Python number on either side takes the tensor's data type."""
    run = OPERATORS[symbol]
    number = data.draw(st.sampled_from([-3, -2, 2, 4] if dtype.startswith("int") else [-2.5, -1.0, 0.5, 3, 2]))
    x = data.draw(own.arrays(own.shapes(0, 3), (dtype,), low=-9, high=9))
    if symbol == "**":
        x, number = np.abs(x), abs(number)
    if symbol == "/" and dtype != "float32":
        return
    check(lambda x: run(x, number), lambda x: run(tf.constant(x), number), [x])
    check(lambda x: run(number, x), lambda x: run(number, tf.constant(x)), [x])


@pytest.mark.parametrize("dtype", own.NUMBERS)
def test_floor_division_with_every_sign(dtype: str) -> None:
    """// rounds down and % has the divisor's sign, for every combination; integers that need all their digits too."""
    x, y = (
        np.array(one, dtype) for one in zip(*[(a, b) for a in range(-7, 8) for b in (-4, -3, -1, 1, 2, 7)], strict=True)
    )
    check(lambda x, y: (x // y, x % y), lambda x, y: (tf.math.floordiv(x, y), tf.math.floormod(x, y)), [x, y])
    if dtype != "float32":
        large = np.array([2**31 - 1, -(2**31) + 1, 2**30 + 1], np.int64).astype(dtype)
        if dtype == "int64":
            large = np.append(large, [2**53 + 1, -(2**53) - 1])
        check(lambda x: (x // 3, x % 3), lambda x: (tf.math.floordiv(x, 3), tf.math.floormod(x, 3)), [large])


def test_floor_division_of_constants_is_that_of_tensors() -> None:
    """1 // 0.1 is 10 in TensorFlow, whose quotient is rounded first, and 9 in NumPy."""
    one, tenth = np.array([1, -1, 6], np.float32), np.array([0.1, 0.1, -0.1], np.float32)
    check(F.floor_divide, tf.math.floordiv, [one, tenth])

    def folded(x: nn.Tensor) -> nn.Tensor:
        return x + F.floor_divide(F.broadcast_to(x.tracer.constant(one), (3,)), tenth)

    check(folded, lambda x: x + tf.math.floordiv(one, tenth), [one])


@given(own.broadcastable(3, own.NUMBERS), st.data())
def test_where(arrays: list[np.ndarray], data: st.DataObject) -> None:
    condition = own.random_array(arrays[0].shape, "bool", data.draw(own.seeds))
    check(F.where, tf.where, [condition, *arrays[1:]])


@pytest.mark.parametrize("dtype", own.ALL_DTYPES)
def test_where_with_numbers(dtype: str) -> None:
    """Numbers in either place, or in both: then the condition alone says the shape, and the numbers the data type."""
    x = own.random_array((3, 4), dtype)
    flags = own.random_array((3, 4), "bool")
    number = True if dtype == "bool" else 7
    check(lambda c, x: F.where(c, x, number), lambda c, x: tf.where(c, x, tf.cast(number, dtype)), [flags, x])
    check(lambda c, x: F.where(c, number, x), lambda c, x: tf.where(c, tf.cast(number, dtype), x), [flags, x])
    check(lambda c: F.where(c, 1.5, -2.0), lambda c: tf.where(c, 1.5, -2.0), [flags])


@given(st.data())
def test_arrays_and_parameters_as_operands(data: st.DataObject) -> None:
    """A NumPy array on either side, and a parameter, which becomes a constant of the graph."""
    x, y = data.draw(own.broadcastable(2))
    check(lambda x: (x + y, y - x, y * x), lambda x: (x + y, y - x, y * x), [x])

    class Scaled(nn.Module):
        def __init__(self) -> None:
            self.scale = nn.Parameter(y.shape)

        def forward(self, x: nn.Tensor) -> nn.Tensor:
            return x * self.scale + 1

    layer = Scaled()
    layer.scale.assign(y)
    check(layer, lambda x: x * y + 1, [x])


def test_broadcasting_of_named_sizes() -> None:
    """Sizes of one name, and sizes of 1 that stretch to named ones, in operands of different ranks."""
    inputs = [nn.Input("batch", "height", "width"), nn.Input("width"), nn.Input("height", 1)]

    def arrays(batch: int, height: int, width: int) -> list[np.ndarray]:
        return [
            own.random_array(shape, seed=i) for i, shape in enumerate([(batch, height, width), (width,), (height, 1)])
        ]

    calls = [arrays(1, 2, 3), arrays(3, 1, 1), arrays(2, 5, 4)]
    check(lambda x, y, z: x * y + F.maximum(y, z), lambda x, y, z: x * y + tf.maximum(y, z), *calls, inputs=inputs)
