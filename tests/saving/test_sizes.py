"""Sizes as JSON: every expression comes back equal, and nothing else is taken."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtnn.errors import SavedEngineError
from trtnn.graph import Size
from trtnn.graph.dims import floor_div, maximum, symbol
from trtnn.saving.fields import Field, parse
from trtnn.saving.sizes import shape_from_json, shape_to_json, size_from_json, size_to_json

LEAVES = st.integers(1, 9) | st.sampled_from(["batch", "width", "height"]).map(symbol)


def _combined(sizes: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    pairs = st.tuples(sizes, sizes)
    return st.one_of(
        pairs.map(lambda pair: pair[0] + pair[1]),
        pairs.map(lambda pair: pair[0] * pair[1]),
        pairs.map(lambda pair: pair[0] - pair[1]),
        st.tuples(sizes, st.integers(1, 7)).map(lambda pair: floor_div(*pair)),
        pairs.map(lambda pair: maximum(*pair)),
        st.tuples(sizes, LEAVES).map(lambda pair: floor_div(*pair)),
    )


SIZES = st.recursive(LEAVES, _combined, max_leaves=5)


@given(SIZES)
def test_a_size_comes_back_equal(size: Size) -> None:
    written = json.loads(json.dumps(size_to_json(size)))
    assert size_from_json(Field(written, "$", "file")) == size


@given(st.lists(SIZES, max_size=3).map(tuple))
def test_a_shape_comes_back_equal(shape: tuple[Size, ...]) -> None:
    assert shape_from_json(Field(json.loads(json.dumps(shape_to_json(shape))), "$", "file")) == shape


WIDTH = ["width"]
DEEP: Any = "width"
for _ in range(40):
    DEEP = {"floor_div": [{"sum": [[1, []], [1, [DEEP]]]}, 2]}


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (1.5, r"\$: expected an object, got 1.5"),
        (None, r"\$: expected an object, got null"),
        (True, r"\$: expected an integer from .* got true"),
        (2**70, r"\$: expected an integer"),
        ("2 * width", r"\$: expected a dim's name, got '2 \* width'"),
        ({"min": [1, 2]}, r'\$: expected a member "floor_div", got min'),
        ({"floor_div": ["width"]}, r"\$\.floor_div: expected a list of 2, got a list of 1"),
        ({"floor_div": ["width", 0]}, r"\$\.floor_div: expected sizes that can be divided"),
        ({"floor_div": ["width", -2]}, r"\$\.floor_div: expected sizes that can be divided"),
        ({"floor_div": ["width", 1]}, r"\$: expected an expression in its canonical form, got one that is width"),
        ({"floor_div": [7, 2]}, r"\$: expected an expression in its canonical form, got one that is 3"),
        ({"max": ["width", "width"]}, r"\$: expected an expression in its canonical form"),
        ({"sum": [[1, WIDTH]]}, r"\$: expected an expression in its canonical form, got one that is width"),
        ({"sum": [[0, WIDTH]]}, r"\$: expected an expression in its canonical form, got one that is 0"),
        ({"sum": [[2, WIDTH], [3, WIDTH]]}, r"\$: expected an expression in its canonical form, got one that is 5\*w"),
        ({"sum": [[2]]}, r"\$\.sum\[0\]: expected a list of 2"),
        ({"sum": [[2, [{"sum": []}]]]}, r'\$\.sum\[0\]\[1\]\[0\]: expected a member "floor_div", got sum'),
        ({"sum": [], "max": []}, r'\$: expected no members but sum, got "max"'),
        (DEEP, r"expected an expression of at most 32 levels"),
    ],
)
def test_what_is_no_size_is_an_error_with_its_path(written: Any, message: str) -> None:
    with pytest.raises(SavedEngineError, match=message):
        size_from_json(Field(written, "$", "file"))


def test_a_shape_has_so_many_axes_at_the_most() -> None:
    with pytest.raises(SavedEngineError, match=r"\$: expected at most 64 axes, got 65"):
        shape_from_json(Field([1] * 65, "$", "file"))


def test_a_product_of_many_atoms_takes_no_time() -> None:
    atoms = [{"floor_div": [{"sum": [[1, []], [1, [name]]]}, 2]} for name in ("batch", "height", "width")] * 60
    written = {"sum": [[1, sorted(atoms, key=str)]]}
    assert "width" in str(size_from_json(Field(written, "$", "file")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", r"file: is not the JSON that trtnn writes: .*line 1 column 1"),
        (b'{"a": 1', r"is not the JSON that trtnn writes: .*line 1 column 8"),
        (b'{"a": NaN}', r"NaN is not a number"),
        (b'{"a": 1, "a": 2}', r'the member "a" comes twice'),
        (b"\xff\xfe", r"is not the JSON that trtnn writes: 'utf-8' codec"),
        (b"[" * 100_000, r"is not the JSON that trtnn writes: "),
        (b" " * ((16 << 20) + 1), r"expected at most 16,777,216 bytes, got 16,777,217"),
    ],
)
def test_what_is_no_json_is_an_error(text: bytes, message: str) -> None:
    with pytest.raises(SavedEngineError, match=message):
        parse(text, "file")


def test_a_long_value_is_shown_by_its_beginning() -> None:
    with pytest.raises(SavedEngineError, match=r'expected true or false, got "x{56}\.\.\.; save'):
        Field("x" * 99, "$", "file").flag()
