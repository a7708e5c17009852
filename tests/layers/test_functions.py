"""The functions that are put together from others against NumPy's and Keras's of the same name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ops.harness import check, named_inputs, traced
from oracle import keras
from strategies import axes

import trtnn as nn
import trtnn.functional as F
from layers.twins import data
from trtnn.errors import ArgumentError, ShapeError

ops = keras().ops


def both(function: Callable[..., Any], reference: Callable[..., Any], *arrays: np.ndarray) -> None:
    """With the arrays' sizes and with named ones."""
    check(function, reference, list(arrays))
    check(function, reference, list(arrays), inputs=named_inputs(arrays))


ELEMENTWISE: dict[str, tuple[float, float]] = {  # and the range of x
    "exp2": (-4, 4),
    "expm1": (-4, 4),
    "log1p": (-0.9, 5),
    "log2": (0.1, 5),
    "log10": (0.1, 5),
    "trunc": (-3, 3),
    "isfinite": (-3, 3),
    "isinf": (-3, 3),
    "isnan": (-3, 3),
    "ones_like": (-3, 3),
    "zeros_like": (-3, 3),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise(name: str) -> None:
    """Over the whole range."""
    both(getattr(F, name), getattr(ops, name), data(3, 5, low=ELEMENTWISE[name][0], high=ELEMENTWISE[name][1]))


@pytest.mark.parametrize("name", ["expm1", "log1p"])
def test_next_to_zero(name: str) -> None:
    """Where ``exp(x) - 1`` has lost all digits, these have not: compared with each element, not with the largest."""
    x = np.float32([-1e-2, -1e-4, -1e-6, 1e-7, 1e-5, 1e-3])
    check(
        lambda x: getattr(F, name)(x) / x, lambda x: getattr(np, name)(x.astype(np.float64)).astype(np.float32) / x, [x]
    )


@pytest.mark.parametrize("name", ["isfinite", "isinf", "isnan"])
def test_not_a_number_inside(name: str) -> None:
    """Infinities and NaN that the network itself computes."""
    x = np.float32([-1.0, 0.0, 1.0])
    with np.errstate(all="ignore"):
        check(lambda x: getattr(F, name)(F.log(x) / x), lambda x: getattr(np, name)(np.log(x) / x), [x])


REDUCTIONS: list[tuple[str, dict[str, Any]]] = [
    ("var", {}),
    ("std", {}),
    ("logsumexp", {}),
    ("any", {}),
    ("all", {}),
    ("norm", {}),
    ("norm", {"order": 1}),
    ("norm", {"order": 3}),
    ("norm", {"order": np.inf}),
    ("norm", {"order": -np.inf}),
]
TWINS: dict[str, Callable[..., Any]] = {
    "logsumexp": lambda x, axis, keepdims: np.log(np.exp(x).sum(axis, keepdims=keepdims)),
    "norm": lambda x, axis, keepdims, order=2: _norm(x, axis, keepdims, order),
}


def _norm(x: np.ndarray, axis: tuple[int, ...], keepdims: bool, order: float) -> np.ndarray:
    """NumPy's vector norm over several axes: all of them as one."""
    rest = [i for i in range(x.ndim) if i not in {one % x.ndim for one in axis}]
    flat = x.transpose(*rest, *axis).reshape(*(x.shape[i] for i in rest), -1)
    result = np.linalg.norm(flat, order, -1)
    return np.expand_dims(result, axis) if keepdims else result


@pytest.mark.parametrize(("name", "options"), REDUCTIONS, ids=str)
@given(drawn=st.data())
def test_reductions(name: str, options: dict[str, Any], drawn: st.DataObject) -> None:
    """Any axes of three, kept or not."""
    axis, keepdims = drawn.draw(axes(3, min_size=1)), drawn.draw(st.booleans())
    x = data(2, 3, 4, low=-2, high=2)
    if name in ("any", "all"):
        x = np.round(x)
    twin = TWINS.get(name, getattr(np, name, None))
    function = getattr(F, name)
    check(
        lambda x: function(x, axis=axis, keepdims=keepdims, **options),
        lambda x: np.asarray(twin(x, axis=axis, keepdims=keepdims, **options)),  # type: ignore[misc]
        [x],
    )


def test_large_exponents() -> None:
    """No overflow on the way."""
    x = np.float32([[100.0, 101.0], [-100.0, -120.0]])
    check(lambda x: F.logsumexp(x, 1), lambda x: ops.logsumexp(x, 1), [x])
    check(lambda x: F.logaddexp(x[:, 0], x[:, 1]), lambda x: np.logaddexp(x[:, 0], x[:, 1]), [x])


def test_count_nonzero_and_bools() -> None:
    """Numbers and bools."""
    x = np.round(data(3, 4))
    check(lambda x: F.count_nonzero(x, 1), lambda x: np.count_nonzero(x, 1).astype(np.int32), [x])
    check(lambda x: F.any(x, 1), lambda x: x.any(1), [x > 1])
    check(lambda x: F.all(x), lambda x: np.asarray(x.all()), [x > 1])


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize(("exclusive", "reverse"), [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_cumsum(axis: int, exclusive: bool, reverse: bool, dtype: str) -> None:
    """As ``tf.cumsum``."""
    import tensorflow as tf

    both(
        lambda x: F.cumsum(x, axis, exclusive, reverse),
        lambda x: tf.cumsum(x, axis, exclusive, reverse),
        data(2, 4, 3, dtype=dtype),
    )


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("largest", [True, False])
def test_order_along_an_axis(axis: int, largest: bool) -> None:
    """Values and places, the first of equal ones first; vectors too."""
    for x in (data(4, 5, 6), np.float32([[2, 1, 2, 1, 3]] * 5), *([data(7)] if axis != 1 else [])):
        order = np.argsort(-x if largest else x, axis, kind="stable")
        best = np.take(order, range(3), axis)
        check(
            lambda x: F.top_k(x, 3, axis, largest), lambda x, best=best: (np.take_along_axis(x, best, axis), best), [x]
        )
        check(lambda x: F.argsort(x, axis, largest), lambda x, order=order: order, [x])
        check(lambda x: F.sort(x, axis, largest), lambda x, order=order: np.take_along_axis(x, order, axis), [x])
        check(lambda x: F.argmin(x, axis), lambda x: x.argmin(axis), [x])


def test_top_k_of_named_sizes() -> None:
    """The axis may have a name as long as it is large enough."""
    calls = [[data(2, 4)], [data(1, 7)]]
    check(
        lambda x: F.top_k(x, 2),
        lambda x: tuple(map(np.asarray, ops.top_k(x, 2)))[:1] + (np.argsort(-x, 1)[:, :2],),
        *calls,
        inputs=[nn.Input("n", "k")],
    )


def test_arange() -> None:
    """Fixed and named sizes, as integers and as floats."""
    check(lambda x: F.arange(x, 5), lambda x: np.arange(5), [data(2, 3)])
    both(
        lambda x: F.arange(x, x.shape[1] * 2, "float32"),
        lambda x: np.arange(x.shape[1] * 2, dtype=np.float32),
        data(2, 3),
    )


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("dtype", ["float32", "int32", "bool"])
def test_one_hot(axis: int, dtype: str) -> None:
    """On any axis; indices outside give nothing."""
    x = np.int32([[0, 3, -1], [2, 9, 1]])
    both(lambda x: F.one_hot(x, 4, axis, dtype), lambda x: np.asarray(ops.one_hot(x, 4, axis=axis, dtype=dtype)), x)
    check(lambda x: F.multi_hot(x, 4), lambda x: np.asarray(ops.multi_hot(x, 4)), [x])


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_searchsorted(dtype: str) -> None:
    """Bins of numbers and of integers, boundaries included."""
    boundaries = [-2.0, -0.5, 0.0, 1.5, 2.0]
    x = np.concatenate([data(4), np.float32(boundaries)]).astype(dtype)
    check(lambda x: F.searchsorted(x, boundaries), lambda x: np.searchsorted(boundaries, x, "right"), [x])


MOVES: list[tuple[str, tuple[Any, ...]]] = [
    ("flip", ()),
    ("flip", (1,)),
    ("flip", ((0, 2),)),
    ("roll", (2, 1)),
    ("roll", (-1, 2)),
    ("roll", (7, 0)),
    ("tile", ((2, 1, 3),)),
    ("tile", ((2,),)),
    ("tile", ((2, 1, 1, 2),)),
    ("repeat", (3, 1)),
    ("repeat", (2, -1)),
    ("moveaxis", (0, 2)),
    ("moveaxis", ((0, 1), (2, 0))),
    ("moveaxis", ((0, 1), (1, 0))),
    ("swapaxes", (0, -1)),
    ("tril", ()),
    ("tril", (1,)),
    ("triu", ()),
    ("triu", (-1,)),
]


@pytest.mark.parametrize(("name", "arguments"), MOVES, ids=str)
def test_moving_elements(name: str, arguments: tuple[Any, ...]) -> None:
    """As NumPy's; with named sizes where that is possible."""
    function, twin = getattr(F, name), getattr(np, name)
    test = check if name == "roll" else both
    test(
        lambda x: function(x, *arguments),
        lambda x: twin(x, *arguments),
        *([[data(3, 4, 5)]] if name == "roll" else [data(3, 4, 5)]),
    )


def test_errors() -> None:
    """What is said about arguments that do not fit."""
    x = nn.Input(2, 3)
    with pytest.raises(ShapeError, match="expected k of at most 3, the size of axis 1, got 4"):
        traced(lambda x: F.top_k(x, 4), [x])
    with pytest.raises(ShapeError, match=r"roll: expected a fixed size on axis 1, got \(2, n\)"):
        traced(lambda x: F.roll(x, 1, 1), [nn.Input(2, "n")])
    with pytest.raises(ArgumentError, match="norm: expected an order that is a number other than 0, got 'nuc'"):
        traced(lambda x: F.norm(x, "nuc"), [x])
    with pytest.raises(ShapeError, match=r"moveaxis: expected as many distinct sources as .*, got \(0, 1\) and 0"):
        traced(lambda x: F.moveaxis(x, (0, 1), 0), [x])
