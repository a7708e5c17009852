"""Symbolic dims: the canonical form means what Python's integers mean, and equal expressions are equal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtnn.errors import TraceError
from trtnn.graph import Dim, DimExpr, Size
from trtnn.graph.dims import ceil_div, evaluate, floor_div, is_int, maximum, names, product, symbol

NAMES = ("batch", "height", "width")
batch, height, width = map(symbol, NAMES)


@attrs.frozen
class Pair:
    """An expression and what Python's own integers make of it."""

    size: Size
    value: Callable[[Mapping[str, int]], int]


def pairs() -> st.SearchStrategy[Pair]:
    """Sums, products, floor divisions, remainders and maxima of named dims and small ints."""
    names_ = st.sampled_from(NAMES).map(lambda name: Pair(symbol(name), lambda values: values[name]))
    ints = st.integers(-4, 9).map(lambda number: Pair(number, lambda values: number))
    return st.recursive(names_ | ints, _combined, max_leaves=7)


def _combined(parts: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    divisors, near = st.integers(1, 6), st.integers(-3, 3)
    return st.one_of(
        st.builds(lambda a, b: Pair(a.size + b.size, lambda v: a.value(v) + b.value(v)), parts, parts),
        st.builds(lambda a, b: Pair(a.size - b.size, lambda v: a.value(v) - b.value(v)), parts, parts),
        st.builds(lambda a, b: Pair(a.size * b.size, lambda v: a.value(v) * b.value(v)), parts, parts),
        st.builds(lambda a, k: Pair(a.size // k, lambda v: a.value(v) // k), parts, divisors),
        st.builds(lambda a, k: Pair(a.size % k, lambda v: a.value(v) % k), parts, divisors),
        st.builds(lambda a, k: Pair(ceil_div(a.size, k), lambda v: -(-a.value(v) // k)), parts, divisors),
        st.builds(lambda a, b: Pair(maximum(a.size, b.size), lambda v: max(a.value(v), b.value(v))), parts, parts),
        st.builds(
            lambda a, k: Pair(maximum(a.size, a.size + k), lambda v: max(a.value(v), a.value(v) + k)), parts, near
        ),
        st.builds(lambda a, b: Pair(a.size * b // b, lambda v: a.value(v)), parts, st.sampled_from([batch, height])),
    )


values_of_names = st.fixed_dictionaries({name: st.integers(1, 300) for name in NAMES})


@given(pairs(), values_of_names)
def test_an_expression_means_what_python_computes(pair: Pair, values: dict[str, int]) -> None:
    assert evaluate(pair.size, values) == pair.value(values)


@given(pairs(), values_of_names)
def test_division_by_a_symbolic_size_rounds_down(pair: Pair, values: dict[str, int]) -> None:
    assert evaluate(floor_div(pair.size, width), values) == pair.value(values) // values["width"]
    assert evaluate(floor_div(pair.size, 3 * width), values) == pair.value(values) // (3 * values["width"])


@given(pairs(), pairs())
def test_arithmetic_has_one_form_whatever_the_order(one: Pair, other: Pair) -> None:
    assert one.size + other.size == other.size + one.size
    assert one.size * other.size == other.size * one.size
    assert one.size - one.size == 0
    assert (one.size + other.size) * 2 == one.size * 2 + other.size * 2


@given(pairs())
def test_names_are_those_the_value_depends_on(pair: Pair) -> None:
    found = names(pair.size)
    first, second = dict.fromkeys(NAMES, 5), {name: 5 if name in found else 11 for name in NAMES}
    assert evaluate(pair.size, first) == evaluate(pair.size, second)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (((width + 1) // 2 + 1) // 2, (width + 3) // 4),
        (ceil_div(ceil_div(ceil_div(width, 2), 2), 2), ceil_div(width, 8)),
        ((2 * width + 1) // 2, width),
        ((4 * width + 6) // 4, width + 1),
        (batch * width // width, batch),
        ((6 * batch * width) // (2 * batch), 3 * width),
        (width // width, 1),
        (width % 1, 0),
        ((width - 1) // 1 + 1, width),
        (maximum(width, width - 3), width),
        (maximum(width - 3, width), width),
        (maximum(height, width), maximum(width, height)),
        (maximum(width + 2, width), width + 2),
        (product([batch, 2, width, 3]), 6 * width * batch),
        (0 - (-width), width),
        (5 - (5 - width), width),
        (width + 0 * batch, width),
    ],
    ids=str,
)
def test_equal_sizes_are_equal(one: Size, other: Size) -> None:
    assert one == other
    assert hash(one) == hash(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (width // 2, (width + 1) // 2),
        ((width // 2) * 2, width),
        (maximum(width, height), width),
        (width, height),
        (width, 1),
        (floor_div(height, width), 1),
    ],
    ids=str,
)
def test_different_sizes_are_different(one: Size, other: Size) -> None:
    assert one != other


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (batch, "batch"),
        (width + 1, "width + 1"),
        (width - 2, "width - 2"),
        (2 * width, "2*width"),
        (-width, "-width"),
        (batch * width, "batch*width"),
        ((width + 1) // 2, "(width + 1) // 2"),
        (width // 2, "width // 2"),
        (3 * ((width + 1) // 2), "3*((width + 1) // 2)"),
        (floor_div(height, width), "height // width"),
        (floor_div(7, width), "7 // width"),
        (maximum(width - 3, 1), "max(1, width - 3)"),
    ],
)
def test_text(size: Size, text: str) -> None:
    assert str(size) == text
    assert repr(size) == text


def test_constants_are_plain_ints() -> None:
    for size in (width - width, 3 + 0 * width, floor_div(7, 2), maximum(2, 9), product([2, 3])):
        assert type(size) is int


def test_a_dim_knows_its_symbol_and_range() -> None:
    assert Dim("width", 32, 200, 2000).symbol == width
    assert Dim("width", max=8).range == (1, 8, 8)
    assert Dim("width").range is None
    assert str(Dim("width", 1, 2, 4)) == "width=1..4"


def test_integers_are_pythons_and_numpys() -> None:
    import numpy as np

    assert is_int(3)
    assert is_int(np.int64(3))
    assert not any(map(is_int, [True, np.bool_(True), 3.0, "3", None, width]))
    assert isinstance(width * np.int64(2), DimExpr)
    assert width * np.int64(2) == 2 * width == np.int64(2) * width


@pytest.mark.parametrize(
    ("use", "text"),
    [
        (lambda: width > 3, "width: cannot be compared with 3: the size is not known while tracing; declare the dim"),
        (lambda: 3 >= width, "width: cannot be compared with 3"),  # noqa: SIM300  # the reflected comparison
        (lambda: range(width), "width: is a symbolic dimension and has no value while tracing; use it in shape arith"),
        (lambda: float(width), "width: is a symbolic dimension and has no value"),
        (lambda: width / 2, "width: cannot be divided with /, since sizes are integers; use //"),
        (lambda: width * 1.5, "arithmetic on sizes: expected ints and other sizes, got float 1.5"),
        (lambda: width + "1", "arithmetic on sizes: expected ints and other sizes, got str '1'"),
        (lambda: width // 2.0, "arithmetic on sizes: expected a positive int or a size to divide by, got 2.0"),
        (lambda: width // 0, "arithmetic on sizes: expected a positive int or a size to divide by, got 0"),
    ],
)
def test_what_a_size_cannot_do(use: Callable[[], Any], text: str) -> None:
    with pytest.raises(TraceError) as caught:
        use()
    assert text in str(caught.value)
