"""References that do not do what the op says, or fail: each call is checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from core.failing import failure

import trtnn as nn
from trtnn.errors import CustomOpError
from trtnn.graph import TensorType

from .networks import engine_of


def lying(infer: Callable[..., Any], reference: Callable[..., Any], **members: Any) -> Any:
    """An engine of an op that returns something else than it says."""
    op = nn.custom_op("tests::lying")(type("Lying", (), {"infer": infer, "reference": reference, **members}))()
    return engine_of(lambda x: op(x * 1.0))


ROWS = nn.Dim("rows")
SAME = lambda self, x: x  # noqa: E731
CASES: list[tuple[str, Callable[..., Any], Callable[..., Any]]] = [
    (
        'expected result 0 of float32, got float64; use .astype("float32")',
        SAME,
        lambda self, x: x.astype(np.float64),
    ),
    ("expected result 0 of float32, got int64", SAME, lambda self, x: 3),
    ("expected result 0 of shape (batch, 4) with batch=2, got (2, 3)", SAME, lambda self, x: x[:, 1:]),
    ("expected result 0 of shape (batch, 4) with batch=2, got (1, 4)", SAME, lambda self, x: x[1:]),
    ("expected result 0 of shape (batch, 4) with batch=2, got (8,)", SAME, lambda self, x: x.ravel()),
    (
        "expected result 0 of shape (2*batch + 1, 4) with batch=2, got (2, 4)",
        lambda self, x: TensorType(x.dtype, (x.shape[0] * 2 + 1, 4)),
        SAME,
    ),
    ("expected 1 result, got 2", SAME, lambda self, x: (x, x)),
    ("expected an array of float32 as result 0, got NoneType None", SAME, lambda self, x: None),
    ("expected an array of float32 as result 0, got dict {'x': 1}", SAME, lambda self, x: {"x": 1}),
    ("expected 2 results, got 1", lambda self, x: (x, x), SAME),
]


@pytest.mark.parametrize(("text", "infer", "reference"), CASES)
def test_a_reference_that_is_not_what_infer_says(
    text: str, infer: Callable[..., Any], reference: Callable[..., Any]
) -> None:
    engine = lying(infer, reference)
    x = np.ones((2, 4), np.float32)
    text = f"tests::lying: reference does not return what infer says; {text}"
    for _ in range(2):  # the engine stays usable
        error = failure(CustomOpError, text, lambda: engine(x))
    assert error.line is not None and error.line.code == "return engine_of(lambda x: op(x * 1.0))"


def test_a_size_of_its_own_that_differs_between_results() -> None:
    def infer(self: Any, x: TensorType) -> tuple[TensorType, ...]:
        return (TensorType(x.dtype, (ROWS.symbol, 4)),) * 2

    engine = lying(infer, lambda self, x: (x, x[1:]), sizes=(ROWS,))
    text = "expected result 1 of shape (rows, 4) with rows=2, got (1, 4)"
    failure(CustomOpError, text, lambda: engine(np.ones((2, 4), np.float32)))


def test_a_size_of_its_own_past_its_end() -> None:
    most = nn.Dim("few", max=3)
    engine = lying(lambda self, x: TensorType(x.dtype, (most.symbol, 4)), lambda self, x: x, sizes=(most,))
    assert engine(np.ones((3, 4), np.float32)).shape == (3, 4)
    text = "reference does not return what infer says; expected at most 3 for few, got 4"
    failure(CustomOpError, text, lambda: engine(np.ones((4, 4), np.float32)))


def test_a_reference_that_fails() -> None:
    def failing(self: Any, x: np.ndarray) -> np.ndarray:
        raise KeyError("gone")

    text = "tests::lying: reference raised KeyError: 'gone' (test_references.py:"
    error = failure(CustomOpError, text, lambda: lying(SAME, failing)(np.ones((2, 4), np.float32)))
    assert isinstance(error.__cause__, KeyError)
