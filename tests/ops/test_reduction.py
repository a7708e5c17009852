"""Reductions and argmax against TensorFlow."""

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
REDUCTIONS: dict[str, Any] = {
    "reduce_sum": tf.reduce_sum,
    "reduce_mean": tf.reduce_mean,
    "reduce_max": tf.reduce_max,
    "reduce_min": tf.reduce_min,
    "reduce_prod": tf.reduce_prod,
}


@pytest.mark.parametrize("name", REDUCTIONS)
@given(data=st.data())
def test_reduction(name: str, data: st.DataObject) -> None:
    """Any axes from either end, all of them, or none; with and without keepdims; fixed and named sizes."""
    dtypes = own.FLOATS if name == "reduce_mean" else own.NUMBERS
    low = 1 if name in ("reduce_sum", "reduce_mean") else -2  # a sum around zero would be all rounding
    most = 2 if name == "reduce_prod" else 5  # more would overflow
    x = data.draw(own.arrays(own.shapes(1, 3, max_size=most), dtypes, low=low, high=2))
    axes = data.draw(st.none() | own.axes(x.ndim) | st.integers(-x.ndim, x.ndim - 1))
    keepdims = data.draw(st.booleans())
    function, reference = getattr(F, name), REDUCTIONS[name]
    larger = own.random_array([size + 1 for size in x.shape], str(x.dtype), low=low, high=2)
    check(lambda x: function(x, axes, keepdims), lambda x: reference(x, axes, keepdims), [x])
    check(
        lambda x: function(x, axes, keepdims),
        lambda x: reference(x, axes, keepdims),
        [x],
        [larger],
        inputs=named_inputs([x]),
    )


def test_methods_and_short_names() -> None:
    x = own.random_array((2, 3, 4), low=1)
    methods = ("sum", "mean", "max", "min")
    check(
        lambda x: tuple(getattr(x, name)(1) for name in methods),
        lambda x: tuple(getattr(x, name)(1) for name in methods),
        [x],
    )
    check(
        lambda x: tuple(getattr(F, name)(x, (0, 2), True) for name in methods),
        lambda x: tuple(getattr(np, name)(x, (0, 2), keepdims=True) for name in methods),
        [x],
    )


@pytest.mark.parametrize("dtype", own.NUMBERS)
@given(data=st.data())
def test_argmax(dtype: str, data: st.DataObject) -> None:
    """Few distinct values, so that there are ties: the first one counts."""
    x = data.draw(own.arrays(own.shapes(1, 4), ("int32",), low=-2, high=2)).astype(dtype)
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    check(lambda x: F.argmax(x, axis), lambda x: tf.argmax(x, axis), [x])
    check(lambda x: F.argmax(x, axis), lambda x: tf.argmax(x, axis), [x], inputs=named_inputs([x]))


@pytest.mark.parametrize("dtype", own.NUMBERS)
def test_argmax_of_equal_values_is_the_first(dtype: str) -> None:
    x = np.array([[3, 1, 3, 3], [1, 1, 1, 1], [-5, -4, -4, -9]], dtype)
    check(F.argmax, lambda x: np.array([0, 0, 1]), [x])
