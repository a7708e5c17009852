"""Functions of one element against TensorFlow, over their whole domains and data types."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import strategies as own
from hypothesis import given
from hypothesis import strategies as st
from oracle import tensorflow

import trtnn.functional as F
from ops.harness import check, named_inputs

tf = tensorflow()
MATH: dict[str, tuple[Any, float, float]] = {  # name: TensorFlow's function, the domain
    "exp": (tf.exp, -10, 10),
    "log": (tf.math.log, 1e-3, 100),
    "sqrt": (tf.sqrt, 0, 100),
    "rsqrt": (tf.math.rsqrt, 1e-2, 100),
    "reciprocal": (tf.math.reciprocal, 0.1, 50),
    "square": (tf.square, -9, 9),
    "sin": (tf.sin, -7, 7),
    "cos": (tf.cos, -7, 7),
    "tan": (tf.tan, -1.5, 1.5),
    "asin": (tf.asin, -1, 1),
    "acos": (tf.acos, -1, 1),
    "atan": (tf.atan, -20, 20),
    "sinh": (tf.sinh, -5, 5),
    "cosh": (tf.cosh, -5, 5),
    "asinh": (tf.asinh, -20, 20),
    "acosh": (tf.acosh, 1, 20),
    "atanh": (tf.atanh, -0.99, 0.99),
    "erf": (tf.math.erf, -3, 3),
    "floor": (tf.floor, -9, 9),
    "ceil": (tf.math.ceil, -9, 9),
    "round": (tf.round, -9, 9),
}
NUMBERS = {"negative": tf.negative, "abs": tf.abs, "sign": tf.sign, "square": tf.square}


@pytest.mark.parametrize("name", MATH)
@given(shape=own.shapes(0, 4), seed=own.seeds)
def test_math(name: str, shape: own.Shape, seed: int) -> None:
    reference, low, high = MATH[name]
    check(getattr(F, name), reference, [own.random_array(shape, seed=seed, low=low, high=high)])


@pytest.mark.parametrize("name", MATH)
def test_math_over_the_domain(name: str) -> None:
    """From end to end, and both ways of the domain where it has two; every size named."""
    reference, low, high = MATH[name]
    x = np.linspace(low, high, 201, dtype=np.float32)
    check(getattr(F, name), reference, [x], inputs=named_inputs([x]))


@pytest.mark.parametrize("dtype", own.NUMBERS)
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers(name: str, dtype: str) -> None:
    x = np.append(own.random_array((40,), dtype, low=-9, high=9), 0).astype(dtype)
    check(getattr(F, name), NUMBERS[name], [x])


def test_operators() -> None:
    x, flags = own.random_array((3, 4)), own.random_array((3, 4), "bool")
    check(lambda x: (-x, abs(x)), lambda x: (-x, abs(x)), [x])
    check(lambda x: (~x, F.logical_not(F.logical_not(x))), lambda x: (~x, x), [flags])


def test_round_is_half_to_even() -> None:
    check(F.round, tf.round, [np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5], np.float32)])


CASTS = [(one, other) for one in own.ALL_DTYPES for other in own.ALL_DTYPES]


@pytest.mark.parametrize(("source", "target"), CASTS)
def test_cast(source: str, target: str) -> None:
    """Floats round toward zero; anything but zero is true."""
    x = own.random_array((5, 7), source, low=-9, high=9)
    x.flat[0] = 0
    check(lambda x: x.cast(target), lambda x: tf.cast(x, target), [x])


@pytest.mark.parametrize("narrow", ["float16", "int8", "uint8"])
def test_cast_to_a_narrow_type_and_back(narrow: str) -> None:
    x = own.random_array((5, 7), low=0 if narrow == "uint8" else -100, high=100)
    check(lambda x: x.cast(narrow).cast("float32"), lambda x: tf.cast(tf.cast(x, narrow), tf.float32), [x])


@given(st.data())
def test_chains(data: st.DataObject) -> None:
    """Several functions one after the other, on shapes with every size named."""
    names = data.draw(
        st.lists(
            st.sampled_from(["sin", "cos", "tan", "abs", "negative", "erf", "floor", "asinh"]), min_size=2, max_size=4
        )
    )
    x = data.draw(own.arrays(own.shapes(1, 3), low=-1, high=1))

    def chain(library: Any) -> Any:
        def run(x: Any) -> Any:
            for name in names:
                x = getattr(library, name, None)(x)
            return x + 10  # away from zero, which says nothing

        return run

    namespace = {name: MATH[name][0] if name in MATH else NUMBERS[name] for name in names}
    check(
        chain(F),
        chain(type("math", (), {k: staticmethod(v) for k, v in namespace.items()})),
        [x],
        inputs=named_inputs([x]),
    )
