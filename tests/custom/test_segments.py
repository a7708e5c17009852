"""Graphs in segments around ops that only NumPy computes: where they are cut, and what runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from core.failing import failure
from hypothesis import given, settings
from hypothesis import strategies as st

import trtnn as nn
import trtnn.functional as F
from trtnn.backends.onnxruntime.engine import build
from trtnn.backends.onnxruntime.segmented import ReferenceStep, SegmentedEngine
from trtnn.backends.onnxruntime.segments import split
from trtnn.engine import Choice
from trtnn.errors import ArgumentError, CustomOpError, DimError, InputError, UnsupportedError
from trtnn.graph import Graph, Node, TensorType, verify
from trtnn.graph.graph import GraphBuilder
from trtnn.graph.ops import Binary, Custom, Unary, constant
from trtnn.passes import lower

from .networks import Network, engine_of
from .ops import BiasSwish, PositiveRows, ReferenceSwish, swish

REFERENCE = ReferenceSwish()


@nn.custom_op("tests::added")
class Added:
    """A reference with two operands."""

    def infer(self, x: TensorType, bias: TensorType) -> TensorType:
        return x

    def reference(self, x: np.ndarray, bias: np.ndarray) -> np.ndarray:
        return x + bias


BIASED = Added()


def kinds(function: Callable[[nn.Tensor], Any]) -> list[str]:
    """The pieces of a function: "segment", or the name of the NumPy operation."""
    pieces = split(lower(Network(function).trace(), verify))
    for piece in pieces:
        if isinstance(piece, Graph):
            verify(piece, frozenset(["kept", "kept_1", "batch"]))
    return [piece.op.name if isinstance(piece, Node) else "segment" for piece in pieces]


REF = "reference_swish"


@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        (REFERENCE, [REF]),
        (lambda x: REFERENCE(x + 1.0), ["segment", REF]),
        (lambda x: REFERENCE(x) + 1.0, [REF, "segment"]),
        (lambda x: REFERENCE(REFERENCE(x)), [REF, REF]),
        (lambda x: REFERENCE(x + 1.0) + REFERENCE(x * 2.0), ["segment", REF, REF, "segment"]),
        (lambda x: (REFERENCE(x), x), ["segment", REF]),
        (lambda x: REFERENCE(x + 1.0) * (x + 2.0), ["segment", REF, "segment"]),
        (lambda x: BIASED(x, np.ones(4, np.float32)), ["added"]),
        (lambda x: BIASED(x, np.ones(4, np.float32)) + np.ones(4, np.float32), ["added", "segment"]),
        (lambda x: (REFERENCE(x), np.ones(4, np.float32) + x[0] * 0.0), ["segment", REF]),
        (lambda x: (BIASED(x, x[0]), BIASED(x[:1], x[1])), ["segment", "added", "added"]),
        (lambda x: F.dim_values(x, PositiveRows()(x)[0].shape[:1]), ["positive_rows", "segment"]),
    ],
)
def test_the_pieces(function: Callable[[nn.Tensor], Any], wanted: list[str]) -> None:
    assert kinds(function) == wanted


def test_a_network_whose_ops_are_all_decomposed_is_one_session() -> None:
    engine = engine_of(lambda x: BiasSwish()(swish(x), np.ones(4, np.float32)))
    assert not isinstance(engine, SegmentedEngine)


@st.composite
def chains(draw: Any) -> Sequence[tuple[str, int, int]]:
    """Operations on earlier values: what, and which two."""
    size = draw(st.integers(1, 8))
    return [
        (draw(st.sampled_from(["add", "tanh", "op"])), *(draw(st.integers(0, place)) for _ in range(2)))
        for place in range(size)
    ]


@settings(max_examples=20)
@given(chains(), st.integers(1, 3))
def test_any_graph_in_pieces_computes_the_same(chain: Sequence[tuple[str, int, int]], batch: int) -> None:
    """Every value is an output, so that every cut is looked at."""

    def network(x: nn.Tensor) -> Any:
        values = [x]
        for kind, first, second in chain:
            one, other = values[first], values[second]
            values.append(one + other if kind == "add" else F.tanh(one) if kind == "tanh" else REFERENCE(one))
        return tuple(values)

    x = np.random.default_rng(0).normal(size=(batch, 4)).astype(np.float32)
    wanted = [x]
    for kind, first, second in chain:
        one = wanted[first]
        wanted.append(
            one + wanted[second] if kind == "add" else np.tanh(one) if kind == "tanh" else one / (1 + np.exp(-one))
        )
    for got, want in zip(engine_of(network)(x), wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


class Biased(nn.Module):
    """A parameter that NumPy reads, and a session too."""

    def __init__(self) -> None:
        self.bias = nn.Parameter((4,))

    def forward(self, x: nn.Tensor = nn.Input("batch", 4)) -> Any:
        return BIASED(x, self.bias), x * self.bias


def test_a_parameter_that_numpy_reads() -> None:
    """No session has to give it, and refitting changes it everywhere."""
    model, x = Biased(), np.ones((2, 4), np.float32)
    model.load_weights({"bias": np.arange(4.0)})
    engine: Any = model.compile(target="onnxruntime")
    for bias in (np.arange(4.0), np.arange(4.0) * 3 - 1):
        model.load_weights({"bias": bias})
        engine.refit({"bias": bias})
        added, product = engine(x)
        np.testing.assert_array_equal(added, x + bias)
        np.testing.assert_array_equal(product, x * bias)
    assert [type(step).__name__ for step in engine.steps] == ["SessionStep", "ReferenceStep"]


def test_every_piece_is_as_large_as_it_can_be() -> None:
    """Two ways that meet: what lies beside an op is in the segment before or behind it, and in no third one."""
    engine = engine_of(lambda x: F.tanh(REFERENCE(F.tanh(x))) + F.exp(F.tanh(x) * 2.0))
    assert [type(step).__name__ for step in engine.steps] == ["SessionStep", "ReferenceStep", "SessionStep"]


def test_outputs_do_not_share_memory_with_inputs() -> None:
    def same(self: Any, x: np.ndarray) -> np.ndarray:
        return x

    op = nn.custom_op("tests::same")(type("Same", (), {"infer": lambda self, x: x, "reference": same}))()
    x = np.ones((2, 4), np.float32)
    for result in engine_of(lambda x: (op(x), x))(x):
        assert not np.shares_memory(result, x)
        assert result.flags.writeable


def test_a_reference_cannot_write_to_its_operands() -> None:
    def careless(self: Any, x: np.ndarray) -> np.ndarray:
        x += 1
        return x

    op = nn.custom_op("tests::careless")(type("Careless", (), {"infer": lambda self, x: x, "reference": careless}))()
    x = np.ones((2, 4), np.float32)
    failure(CustomOpError, "tests::careless: reference raised ValueError", lambda: engine_of(op)(x))
    assert (x == 1).all()


def test_a_reference_in_a_loop() -> None:
    def step(state: nn.Tensor, row: nn.Tensor) -> Any:
        return state, REFERENCE(row)

    text = (
        "tests::reference_swish has only a reference, which cannot run inside a loop; write decompose(self, x) in "
        "trtnn's functions, or call the op outside the loop"
    )
    model = Network(lambda x: F.scan(step, x.expand_dims(0), x[:1, 0] * 0.0)[1])
    failure(UnsupportedError, text, lambda: model.compile(target="onnxruntime"))


def test_calls_are_checked_as_ever() -> None:
    engine = engine_of(REFERENCE)
    failure(InputError, "x: expected an array of float32, got float64", lambda: engine(np.ones((2, 4))))
    failure(InputError, "x: expected shape (batch, 4)", lambda: engine(np.ones((2, 5), np.float32)))
    narrow = Network(REFERENCE).compile(target="onnxruntime", dims={"batch": (1, 2, 3)})
    failure(DimError, "batch: expected 1..3, got 4", lambda: narrow(np.ones((4, 4), np.float32)))
    np.testing.assert_allclose(engine(np.zeros((2, 4), np.float32)), 0)


def test_it_cannot_be_profiled() -> None:
    text = "cannot be profiled: its custom ops run in NumPy, between several ONNX models"
    failure(UnsupportedError, text, lambda: engine_of(REFERENCE).profile(np.ones((2, 4), np.float32)))


def test_several_threads() -> None:
    engine = engine_of(lambda x: PositiveRows()(F.tanh(x))[0] * 2.0)
    found: dict[int, bool] = {}

    def run(number: int) -> None:
        x = np.random.default_rng(number).normal(size=(number + 1, 4)).astype(np.float32)
        wanted = np.tanh(x)[np.tanh(x).sum(1) > 0] * 2
        found[number] = all(np.allclose(engine(x), wanted, atol=1e-5) for _ in range(20))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == dict.fromkeys(range(4), True)


def test_the_steps_know_where_they_come_from() -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            self.inner = Network(REFERENCE)

        def forward(self, x: nn.Tensor = nn.Input("batch", 4)) -> Any:
            return self.inner(x)

    engine: Any = Outer().compile(target="onnxruntime")
    (step,) = engine.steps
    assert isinstance(step, ReferenceStep)
    assert step.origin.path == "inner"


def test_a_hand_made_graph() -> None:
    """An op behind an op of its own level, and one whose result nobody reads in its segment."""
    builder = GraphBuilder("hand", {})
    x = builder.input("x", TensorType(nn.graph.DType.float32, (3,)))
    one = builder.add(Custom(nn.custom.custom_of(REFERENCE)), [x])
    two = builder.add(Unary("exp"), [x])
    three = builder.add(Binary("add"), [one, two])
    graph = verify(builder.finish([("y", three)], "tensor"))
    pieces = split(graph)
    assert [type(piece).__name__ for piece in pieces] == ["Graph", "Node", "Graph"]
    assert [name for name, _ in pieces[0].outputs] == ["exp"]  # type: ignore[union-attr]


def test_a_constant_that_numpy_reads_and_the_network_returns() -> None:
    builder = GraphBuilder("hand", {})
    x, bias = builder.input("x", TensorType(nn.graph.DType.float32, (2, 4))), builder.add(constant(np.ones(4, "f4")))
    y = builder.add(Custom(nn.custom.custom_of(BIASED)), [x, bias])
    graph = builder.finish([("y", y), ("bias", bias)], "tuple")
    first, second = split(graph)
    assert isinstance(first, Graph) and [value for _, value in first.outputs] == [bias] and isinstance(second, Node)
    engine = build(graph, Choice("onnxruntime", "as asked"), [{}])
    for _ in range(2):
        result, returned = engine(np.zeros((2, 4), np.float32))
        assert (result == 1).all() and (returned == 1).all()
        returned[:] = 9  # a copy: the next call has the constant's own values


def test_results_in_the_callers_arrays() -> None:
    engine = engine_of(lambda x: (REFERENCE(x), PositiveRows()(x)[0]))
    x = np.ones((3, 4), np.float32)
    out = (np.zeros((3, 4), np.float32), np.zeros((3, 4), np.float32))
    results = engine(x, out=out)
    assert results[0] is out[0] and results[1] is out[1]
    np.testing.assert_array_equal(out[1], x)
    text = "out: output_1: expected shape (3, 4) for these inputs, got shape (2, 4)"
    failure(InputError, text, lambda: engine(x, out=(out[0], np.zeros((2, 4), np.float32))))
    failure(ArgumentError, "stream: this engine runs on the CPU", lambda: engine(x, stream=1))
