"""``engine(x, out=y)`` on the CPU: the outputs are written into the caller's arrays, or it is said why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import trtnn as nn
import trtnn.functional as F
from trtnn.errors import ArgumentError, InputError, UnsupportedError

X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
OUT_OF_TUPLE = "out: expected a tuple of 2"


class Twice(nn.Module):
    def __init__(self, returns: str = "tensor") -> None:
        self.returns = returns

    def forward(self, x: nn.Tensor = nn.Input("batch", 3)) -> Any:
        if self.returns == "tensor":
            return x * 2.0
        return (x * 2.0, F.argmax(x)) if self.returns == "tuple" else {"x": x, "twice": x * 2.0, "big": x > 0.0}


def engine(returns: str = "tensor") -> Any:
    return Twice(returns).compile(target="onnxruntime")


def empty(*shape: int) -> np.ndarray:
    return np.full(shape, np.nan, np.float32)


def test_a_tensor_is_written_into_an_array() -> None:
    out = empty(4, 3)
    assert engine()(X, out=out) is out
    np.testing.assert_array_equal(out, 2 * X)


def test_a_tuple_and_a_dict_are_written_as_forward_returns_them() -> None:
    places = (empty(4, 3), np.full(4, -1))
    got = engine("tuple")(X, out=list(places))
    assert all(one is place for one, place in zip(got, places, strict=True))
    np.testing.assert_array_equal(places[0], 2 * X)
    np.testing.assert_array_equal(places[1], X.argmax(-1))
    named = {"big": np.zeros((4, 3), bool), "twice": empty(4, 3), "x": empty(4, 3)}
    got = engine("dict")(X, out=named)
    assert list(got) == ["x", "twice", "big"]
    assert all(got[name] is array for name, array in named.items())
    np.testing.assert_array_equal(named["x"], X)
    np.testing.assert_array_equal(named["big"], X > 0)


def test_the_same_arrays_serve_many_calls_and_parts_of_larger_ones_will_do() -> None:
    twice, batches = engine(), empty(5, 4, 3)
    for place in range(5):
        twice(place * X, out=batches[place])
    np.testing.assert_array_equal(batches, [2 * place * X for place in range(5)])


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        (empty(3, 3), InputError, r"^out: output: expected shape \(4, 3\) for these inputs, got shape \(3, 3\)$"),
        (empty(4, 3).astype(np.float64), InputError, r"^out: output: expected an array of float32, got float64$"),
        (empty(3, 4).T, InputError, "expected an array in C order that can be written, got a strided or read-only one"),
        (empty(4, 6)[:, ::2], InputError, "expected an array in C order"),
        (np.broadcast_to(np.float32(0), (4, 3)), InputError, "got a strided or read-only one"),
        (X, InputError, "^out: output: expected memory of its own, got memory that it shares with x$"),
        ([[0.0] * 3] * 4, InputError, "expected a NumPy array, as the inputs are, got list"),
        ("y", InputError, "got str"),
    ],
)
def test_an_array_that_does_not_fit(out: Any, error: type[Exception], message: str) -> None:
    twice = engine()
    with pytest.raises(error, match=message):
        twice(X, out=out)
    np.testing.assert_array_equal(twice(X), 2 * X)


@pytest.mark.parametrize(
    ("returns", "out", "error", "message"),
    [
        ("tuple", empty(4, 3), ArgumentError, rf"{OUT_OF_TUPLE} \(.*\), got ndarray"),
        ("tuple", (empty(4, 3),), ArgumentError, rf"{OUT_OF_TUPLE} \(.*\), got 1 arrays"),
        ("dict", {"twice": empty(4, 3)}, ArgumentError, "expected a dict with x, twice, big, got a dict with twice"),
        ("dict", (empty(4, 3),) * 3, ArgumentError, "expected a dict with x, twice, big, got 3 arrays"),
    ],
)
def test_another_form_than_forwards(returns: str, out: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        engine(returns)(X, out=out)


def test_outputs_do_not_share_memory() -> None:
    both = empty(4, 3)
    out = {"x": both, "twice": both, "big": np.zeros((4, 3), bool)}
    with pytest.raises(
        InputError, match="out: twice: expected memory of its own, got memory that it shares with out: x"
    ):
        engine("dict")(X, out=out)


def test_a_stream_is_for_a_gpu() -> None:
    with pytest.raises(ArgumentError, match='stream: this engine runs on the CPU; compile with device="cuda"'):
        engine()(X, stream=1)


def test_sizes_that_depend_on_the_values_are_not_known_before_the_call(tmp_path: Path) -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])
    y = helper.make_tensor_value_info("y", TensorProto.INT64, [2, "found"])
    graph = helper.make_graph([helper.make_node("NonZero", ["x"], ["y"])], "found", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, tmp_path / "found.onnx")
    with pytest.warns(UserWarning):
        found = nn.Engine.load(tmp_path / "found.onnx")
    np.testing.assert_array_equal(found(X), np.nonzero(X))
    with pytest.raises(UnsupportedError, match=r"^y: the sizes of the outputs depend on the values; call without out="):
        found(X, out=np.empty((2, 12), np.int64))


def test_arrays_without_elements_may_be_nowhere() -> None:
    twice = engine()
    nothing: list[Any] = [((0, 3), 0)]
    session = twice.session
    session.run_with_iobinding(twice._ports.bind(session, nothing, nothing))
