"""Slices, padding, reshapes and shape arithmetic with symbolic sizes, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from emitting import DTYPES, emitted, random, simulate
from hand_network import in_every_listing  # noqa: F401
from hypothesis import assume, example, given
from hypothesis import strategies as st

import trtnn as nn
import trtnn.functional as F
from trtnn.graph.dims import DimExpr, evaluate, floor_div, maximum, symbol

X = random(5, 7, 6)
DYNAMIC = [nn.Input("batch", "height", 6)]
BOUNDS = st.none() | st.integers(-5, 5)
STEPS = st.sampled_from([-3, -2, -1, 1, 2, 3])


@given(BOUNDS, BOUNDS, STEPS, BOUNDS, BOUNDS, STEPS, st.booleans())
def test_slices(a: Any, b: Any, step: int, c: Any, d: Any, other: int, dynamic: bool) -> None:
    index = (slice(a, b, step), slice(c, d, other))
    want = X[index]
    assume(want.size)
    np.testing.assert_array_equal(simulate(lambda x: x[index], X, inputs=DYNAMIC if dynamic else None), want)


def test_slices_with_symbolic_bounds() -> None:
    got = simulate(lambda x: x[:, x.shape[1] // 3 : x.shape[1] - 1, ::-1], X, inputs=DYNAMIC)
    np.testing.assert_array_equal(got, X[:, 2:6, ::-1])


PAIRS = st.tuples(st.integers(0, 4), st.integers(0, 4))


@given(PAIRS, PAIRS, st.sampled_from(["constant", "reflect", "edge"]), st.booleans())
def test_padding(first: Any, second: Any, mode: Any, dynamic: bool) -> None:
    pairs = (first, second, (0, 0))
    got = simulate(lambda x: F.pad(x, pairs, mode), X, inputs=DYNAMIC if dynamic else None)
    np.testing.assert_array_equal(got, np.pad(X, pairs, mode))


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge"])
def test_padding_by_symbolic_amounts(mode: Any) -> None:
    got = simulate(lambda x: F.pad(x, ((0, 0), (x.shape[0] - 1, x.shape[1] // 2), (1, 1)), mode), X, inputs=DYNAMIC)
    np.testing.assert_array_equal(got, np.pad(X, ((0, 0), (4, 3), (1, 1)), mode))


@pytest.mark.parametrize("dtype", [dtype.numpy for dtype in DTYPES], ids=str)
@pytest.mark.parametrize("value", [0, 1])
def test_every_data_type_moves(dtype: np.dtype, value: int) -> None:
    """Nothing here computes: slices, padding, transposes, joins and selections take every data type."""
    x = (np.arange(12) % 3).reshape(3, 4).astype(dtype)
    fill = np.array([[2]], dtype)

    def move(x: Any) -> Any:
        padded = F.pad(x[:, ::-1], ((1, 0), (0, 2)), value=value)
        joined = F.concat([padded, F.broadcast_to(x[:1, :1], (4, 6))], 0)
        return F.where(F.equal(joined, fill), fill, F.transpose(F.reshape(joined, (6, 8))).reshape((8, 6)))

    got = simulate(move, x)
    padded = np.pad(x[:, ::-1], ((1, 0), (0, 2)), constant_values=value)
    joined = np.concatenate([padded, np.broadcast_to(x[:1, :1], (4, 6))])
    want = np.where(joined == fill, fill, joined.reshape(6, 8).T)
    assert got.dtype == want.dtype == dtype
    np.testing.assert_array_equal(got, want)


@st.composite
def expressions(draw: Any) -> DimExpr:
    """Expressions over two named dims with every kind of term."""
    batch, height = symbol("batch"), symbol("height")
    size: Any = draw(st.sampled_from([batch, height]))
    for _ in range(draw(st.integers(1, 4))):
        number = draw(st.integers(1, 5))
        change = draw(st.sampled_from(["+", "-", "*", "//", "max", "product"]))
        if change == "max":
            size = maximum(size, draw(st.sampled_from([batch, height])) - number)
        elif change == "product":
            size = size * batch
        else:
            size = {"+": size + number, "-": size - number, "*": size * number, "//": floor_div(size, number)}[change]
    assume(isinstance(size, DimExpr))
    return size


@example([floor_div(symbol("batch") - 9, 3)])  # -4 / 3, rounded down
@given(st.lists(expressions(), min_size=1, max_size=3))
def test_shape_arithmetic(sizes: list[Any]) -> None:
    got = simulate(lambda x: F.dim_values(x, (*sizes, 7)), X, inputs=DYNAMIC)
    np.testing.assert_array_equal(got, [*(evaluate(size, {"batch": 5, "height": 7}) for size in sizes), 7])


def test_shape_arithmetic_is_emitted_once() -> None:
    def network(count: int) -> Any:
        halves = lambda x: F.dim_values(x, [(x.shape[0] + 1) // 2] * count)  # noqa: E731
        return emitted(lambda x: tuple(halves(x) for _ in range(count)), *DYNAMIC).definition

    kinds = [[layer_type(network(count), i) for i in range(network(count).num_layers)] for count in (1, 4)]
    assert [one.count("ELEMENTWISE") for one in kinds] == [2, 2]
    assert [one.count("SHAPE") for one in kinds] == [1, 1]


def layer_type(network: Any, index: int) -> str:
    return str(network.get_layer(index).type.name)


@pytest.mark.parametrize(
    "shape",
    [
        lambda x: (x.shape[0], -1),
        lambda x: (x.shape[0], x.shape[1], 2, 3),
        lambda x: (x.shape[1], x.shape[0], 6),
        lambda x: (x.shape[0] * x.shape[1], 6),
    ],
)
def test_reshapes(shape: Any) -> None:
    got = simulate(lambda x: F.reshape(x, shape(x)), X, inputs=DYNAMIC)
    np.testing.assert_array_equal(got, X.reshape(shape(X)))


def test_a_reshape_with_one_unknown_size_needs_no_shape_arithmetic() -> None:
    definition = emitted(lambda x: F.reshape(x, (x.shape[0], 3, x.shape[1] * 2)), *DYNAMIC).definition
    assert [layer_type(definition, i) for i in range(definition.num_layers)] == ["SHUFFLE"]


def test_gather_takes_indices_of_every_rank() -> None:
    for indices in (np.int64(3), np.array([1, 0]), np.array([[5, 2], [0, 0]], np.int32)):
        got = simulate(lambda x, i=indices: F.take(x, np.asarray(i), 2), X, inputs=DYNAMIC)
        np.testing.assert_array_equal(got, X.take(indices, 2))


def test_broadcast_to_symbolic_sizes() -> None:
    got = simulate(lambda x: F.broadcast_to(x[:1, :, :1], (x.shape[0] + 1, x.shape[1], 4)), X, inputs=DYNAMIC)
    np.testing.assert_array_equal(got, np.broadcast_to(X[:1, :, :1], (6, 7, 4)))
