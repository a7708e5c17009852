"""Typing custom ops at a call: dtypes, ranks, sizes, and an ``infer`` that makes no sense."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from core.failing import failure, failure_inside

import trtnn as nn
import trtnn.functional as F
from trtnn.custom import custom_of
from trtnn.errors import CustomOpError, DTypeError, GraphError, ShapeError
from trtnn.graph import DType, GraphBuilder, TensorType, verify
from trtnn.graph.dims import symbol
from trtnn.graph.ops import Custom

from .ops import BiasSwish, PositiveRows, free_swish, swish

F32, F16, I32 = DType.float32, DType.float16, DType.int32
BATCH = symbol("batch")
X = TensorType(F32, (2, BATCH))


def inferring(infer: Callable[..., Any], **members: Any) -> Any:
    """An op of one operand with this ``infer``."""
    return nn.custom_op("tests::inferring")(
        type("Op", (), {"infer": infer, "reference": lambda self, x: x, **members})
    )()


def test_results_follow_symbolic_operands() -> None:
    types = custom_of(BiasSwish()).infer(TensorType(F32, (BATCH, 5)), TensorType(F32, (5,)))
    assert types == (TensorType(F32, (BATCH, 5)),)
    assert custom_of(swish).infer(TensorType(F32, (BATCH + 1, 5))) == (TensorType(F32, (BATCH + 1, 5)),)


def test_operands_that_do_not_fit() -> None:
    text = "tests::bias_swish: bias: expected (4,), got (3,)"
    failure_inside(ShapeError, text, lambda x: BiasSwish()(x, x[0, 0, 0, :3]))
    text = (
        "tests::swish: expected x of float32, got float16; cast it, or declare what the op computes on: "
        'dtypes=("float32", "float16")'
    )
    failure_inside(DTypeError, text, lambda x: swish(x.cast("float16")))
    failure_inside(CustomOpError, "tests::bias_swish: expected 2 operands (x, bias), got 1", lambda x: BiasSwish()(x))
    failure_inside(CustomOpError, "tests::swish: expected 1 operand (x), got 2", lambda x: swish(x, x))
    failure_inside(
        DTypeError, "tests::swish: multiply: expected operands of one data type", lambda x: swish(x.cast("int32"))
    )


def test_the_dtypes_that_an_op_has() -> None:
    assert custom_of(free_swish).infer(TensorType(F16, (2, 3))) == (TensorType(F16, (2, 3)),)


def test_any_number_of_operands() -> None:
    @nn.custom_op("tests::sum")
    def total(first: nn.Tensor, *others: nn.Tensor) -> nn.Tensor:
        for one in others:
            first = first + one
        return first

    op, one = custom_of(total), TensorType(F32, (2,))
    assert op.infer(one, one, one) == (one,)
    failure(CustomOpError, "tests::sum: expected at least 1 operand (first), got 0", op.infer)
    failure(
        DTypeError, "expected further operand of float32, got float16", lambda: op.infer(one, TensorType(F16, (2,)))
    )


def test_results_in_other_words() -> None:
    """Names of types, NumPy's numbers and lists of sizes are what they mean."""
    op = inferring(lambda self, x: TensorType("int32", [np.int64(3), x.shape[1]]))
    (found,) = custom_of(op).infer(X)
    assert found == TensorType(I32, (3, BATCH)) and type(found.shape[0]) is int


def raising(self: Any, x: Any) -> Any:
    """What a form may do that nobody thought of."""
    raise KeyError("gone")


WANTED = "expected infer to return a TensorType or a tuple of them, with sizes of 0 and more"
RAISED = "raised KeyError: 'gone' (test_typing.py:"


def test_an_infer_that_fails() -> None:
    error = failure_inside(CustomOpError, f"tests::inferring: infer {RAISED}", lambda x: inferring(raising)(x))
    assert isinstance(error.__cause__, KeyError)
    text = "tests::inferring: infer raised IndexError: tuple index out of range (test_typing.py:"
    failure_inside(CustomOpError, text, lambda x: inferring(lambda self, x: TensorType(F32, (x.shape[9],)))(x))


@pytest.mark.parametrize("infer", [None, lambda self, x: x])
def test_a_decomposition_that_fails(infer: Any) -> None:
    """When it is traced for its types, and when a target needs it."""
    members = {"decompose": raising} | ({"infer": infer} if infer else {})
    op = nn.custom_op("tests::failing")(type("Failing", (), members))()

    class Inner(nn.Module):
        def forward(self, x: nn.Tensor) -> nn.Tensor:
            return op(x)

    class Outer(nn.Module):
        def __init__(self) -> None:
            self.inner = Inner()

        def forward(self, x: nn.Tensor = nn.Input("batch", 4)) -> nn.Tensor:
            return self.inner(x)

    text = f"inner: tests::failing: decompose {RAISED}"
    error = failure(CustomOpError, text, lambda: Outer().compile(target="onnxruntime"))
    assert error.line is not None and error.line.code == "return op(x)"
    assert isinstance(error.__cause__, KeyError)


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ((2, 3), f"{WANTED}, got tuple (2, 3)"),
        ((), f"{WANTED}, got tuple ()"),
        (None, f"{WANTED}, got NoneType None"),
        (TensorType(F32, (-1,)), WANTED),
        (TensorType(F32, (2.5,)), WANTED),
        (TensorType("floaty", (2,)), "dtype: expected one of float32,"),
        (
            TensorType(F32, (symbol("rows"),)),
            "expected sizes that are made of the operands' sizes, got the dim rows; declare a size that only running "
            'the op tells: sizes = (trtnn.Dim("rows"),)',
        ),
    ],
)
def test_an_infer_that_makes_no_sense(result: Any, text: str) -> None:
    kind = DTypeError if text.startswith("dtype") else CustomOpError
    failure(kind, f"tests::inferring: {text}", lambda: custom_of(inferring(lambda self, x: result)).infer(X))


def test_a_size_that_cannot_be_read() -> None:
    rows = nn.Dim("rows")
    op = inferring(lambda self, x: TensorType(F32, (rows.symbol * 2,)), sizes=(rows,))
    text = "tests::inferring: expected a result with an axis of just rows, to read it from, got f32[2*rows]"
    failure(CustomOpError, text, lambda: custom_of(op).infer(X))


def test_an_elementwise_op_of_two_ranks() -> None:
    members = {"infer": lambda self, x, y: x, "reference": lambda self, x, y: x + y}
    op = nn.custom_op("tests::pair", elementwise=True)(type("Pair", (), members))()
    text = "tests::pair: expected one result, of the rank of every operand, from an elementwise op, got f32[2, batch]"
    error = failure(ShapeError, text, lambda: custom_of(op).infer(X, TensorType(F32, (BATCH,))))
    assert error.remedy == "reshape the operands, or leave elementwise=True out"


def test_a_decomposition_of_no_tensors() -> None:
    for result, got in ((3, "int"), ((), "an empty tuple")):
        members = {"decompose": returning(result)}
        op = nn.custom_op("tests::nothing")(type("Nothing", (), members))()
        text = f"tests::nothing: expected decompose to return a tensor or a tuple of tensors, got {got}"
        failure(CustomOpError, text, lambda op=op: custom_of(op).infer(X))


def returning(result: Any) -> Callable[..., Any]:
    """A decomposition that returns this."""
    return lambda self, x: result


def test_an_op_in_its_own_decomposition() -> None:
    @nn.custom_op("tests::forever")
    def forever(x: nn.Tensor) -> nn.Tensor:
        return forever(x) + 1.0

    text = "tests::forever: decompose does not end; it must not use the op itself"
    failure(CustomOpError, text, lambda: custom_of(forever).infer(X))


def test_own_sizes_get_names_of_their_own() -> None:
    """An operand's dim of the same name, two uses of one op, and arithmetic on both."""
    op = custom_of(PositiveRows())
    kept = TensorType(F32, (symbol("kept"), 4))
    (rows, _) = op.infer(kept, sizes={"kept": "kept_1"})
    assert rows == TensorType(F32, (symbol("kept_1"), 4))

    class Twice(nn.Module):
        def forward(self, x: nn.Tensor = nn.Input("kept", 4)) -> Any:
            first, _ = PositiveRows()(x)
            second, _ = PositiveRows()(first)
            assert [str(one.shape[0]) for one in (x, first, second)] == ["kept", "kept_1", "kept_2"]
            return F.concat([x, first, second], 0)

    graph = verify(Twice().trace())
    assert str(graph.outputs[0][1].type) == "f32[kept + kept_1 + kept_2, 4]"
    assert set(graph.dims) == {"kept"}


def test_own_sizes_in_a_loop() -> None:
    def step(state: nn.Tensor, row: nn.Tensor) -> Any:
        rows, _ = PositiveRows()(row)
        return state, F.reduce_sum(rows)

    text = "tests::positive_rows: an op with sizes of its own cannot stand in a loop, nor in another op's decomposition"
    failure_inside(CustomOpError, text, lambda x: F.scan(step, x, x[:, 0] * 0.0)[1])


def test_own_sizes_in_a_decomposition() -> None:
    @nn.custom_op("tests::counting")
    def counting(x: nn.Tensor) -> nn.Tensor:
        return F.reduce_sum(PositiveRows()(x)[0])

    failure_inside(CustomOpError, "tests::counting: tests::positive_rows: an op with sizes", lambda x: counting(x))


def test_a_graph_with_a_size_that_is_made_twice() -> None:
    builder = GraphBuilder("twice", {})
    x = builder.input("x", TensorType(F32, (3, 4)))
    op = Custom(custom_of(PositiveRows()), {"kept": "kept"})
    (one, _), (two, _) = builder.add_all(op, [x]), builder.add_all(op, [x])
    graph = builder.finish([("one", one), ("two", two)], "tuple")
    with pytest.raises(GraphError, match="positive_rows_2: makes the dim kept, which there is already"):
        verify(graph)
