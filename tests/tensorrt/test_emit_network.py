"""The network around the operations: inputs, outputs, weights, lifetimes, and errors that name the user's line."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import attrs
import numpy as np
import pytest
from emitting import DTYPES, Function, emitted, graph_of, random, simulate
from hand_network import in_every_listing  # noqa: F401
from oracle import assert_close

import trtnn as nn
import trtnn.functional as F
from trtnn.backends.tensorrt.emit import emit, emit_op
from trtnn.backends.tensorrt.library import load
from trtnn.errors import BuildError, UnsupportedError
from trtnn.graph import DType, Graph, GraphBuilder, TensorType
from trtnn.graph.ops import Activation, BatchNorm, Conv, Op, constant
from trtnn.passes import lower
from trtnn.trace import trace

X = random(2, 3)


def test_outputs_have_the_graphs_names_and_order() -> None:
    network = emitted(lambda x: {"twice": x * 2, "once": x, "again": x, "sum": x + x}, nn.Input("batch", 3))
    assert network.outputs == ("twice", "once", "again", "sum")
    for got, want in zip(network.simulate({"x0": X}), [X * 2, X, X, X + X], strict=True):
        np.testing.assert_array_equal(got, want)


def test_one_value_returned_twice_and_a_constant() -> None:
    def both(x: Any) -> Any:
        y = F.relu(x)
        return y, y, F.broadcast_to(np.float32([[1, 2, 3]]) + 0 * x[:1], (1, 3)), x

    got = simulate(both, X)
    for one, want in zip(got, [np.maximum(X, 0), np.maximum(X, 0), [[1, 2, 3]], X], strict=True):
        np.testing.assert_array_equal(one, want)


def test_an_output_with_the_name_of_an_input() -> None:
    network = emitted(lambda x: {"x0": F.exp(x), "exp": x}, nn.Input(2, 3))
    assert network.outputs == ("x0#1", "exp")
    assert_close(network.simulate({"x0": X})[0], np.exp(X))


@pytest.mark.parametrize("dtype", [dtype.numpy for dtype in DTYPES], ids=str)
def test_every_data_type_goes_in_and_out(dtype: np.dtype) -> None:
    x = np.array([[0, 1, 100]], dtype)
    got = simulate(lambda x: x, x)
    assert got.dtype == x.dtype
    np.testing.assert_array_equal(got, x)


@pytest.mark.parametrize("dtype", [dtype.numpy for dtype in DTYPES], ids=str)
def test_constants_of_every_data_type(dtype: np.dtype) -> None:
    data = np.array([[0, 1, 100]], dtype)
    got = simulate(lambda x: F.where(x, data, data[:, ::-1]), np.array([[True, False, True]]))
    np.testing.assert_array_equal(got, np.where([[True, False, True]], data, data[:, ::-1]))


def test_named_dims_are_named_in_the_network() -> None:
    network = emitted(lambda x, y: x + y, nn.Input("batch", "width"), nn.Input("batch", 1))
    tensors = [network.definition.get_input(i) for i in range(2)]
    assert [tensor.get_dimension_name(0) for tensor in tensors] == ["batch", "batch"]
    assert tensors[0].get_dimension_name(1) == "width"


def test_numbers_of_rank_0() -> None:
    got = simulate(lambda x: F.clip(F.exp(F.reduce_sum(x)) * 2 + F.reduce_max(x), -1, 1e6), X)
    assert got.shape == ()
    assert_close(got, np.exp(X.sum()) * 2 + X.max())


def test_layers_are_named_after_values() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            self.fc = nn.Linear(3, 4)

        def forward(self, x: Any) -> Any:
            return F.mish(self.fc(x))

    class Model(nn.Module):
        def __init__(self) -> None:
            self.block = Block()

        def forward(self, x: Any) -> Any:
            return self.block(x)

    model = Model()
    for parameter in model.parameters():
        parameter.assign(random(*parameter.shape))
    network = emit(lower(trace(model, {"x": nn.Input("batch", 3)})), load("tensorrt-rtx"))
    definition = network.definition
    names = [definition.get_layer(i).name for i in range(definition.num_layers)]
    assert len(set(names)) == len(names)
    assert {"block.fc.mat_mul", "block.fc.add", "block.mish", "block.mish#1"} <= set(names)
    assert network.nodes["block.mish#1"].origin.path == "block"


def graph_with_batch_norm(axis: int, shape: tuple[int, ...], statistics: list[np.ndarray]) -> Graph:
    builder = GraphBuilder("BatchNorm", {})
    x = builder.input("x", TensorType(DType.float32, shape))
    y = builder.add(BatchNorm(0.01, axis), [x, *(builder.add(constant(one)) for one in statistics)])
    return builder.finish([("y", y)], "tensor")


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_batch_norm_along_any_axis(axis: int) -> None:
    x = random(2, 3, 4)
    gamma, beta, mean, variance = (random(x.shape[axis], seed=s, low=0.5, high=1.5) for s in range(4))
    network = emit(graph_with_batch_norm(axis, x.shape, [gamma, beta, mean, variance]), load("tensorrt-rtx"))
    shape = [-1 if i == axis % 3 else 1 for i in range(3)]
    gamma, beta, mean, variance = (one.reshape(shape) for one in (gamma, beta, mean, variance))
    assert_close(network.simulate({"x": x})[0], (x - mean) / np.sqrt(variance + 0.01) * gamma + beta)


def test_weights_are_not_copied() -> None:
    kernel = random(8, 3, 3, 3)
    graph = conv_graph(kernel)
    assert any(np.shares_memory(held, kernel) for held in emit(graph, load("tensorrt-rtx")).held)


def conv_graph(kernel: np.ndarray) -> Graph:
    builder = GraphBuilder("Conv", {})
    x = builder.input("x", TensorType(DType.float32, (1, 3, 8, 8)))
    op = Conv(strides=(1, 1), padding=((0, 0), (0, 0)), dilations=(1, 1), channels_first=True)
    return builder.finish([("y", builder.add(op, [x, builder.add(constant(kernel))]))], "tensor")


@pytest.mark.parametrize("kind", ["strided", "misaligned", "read-only"])
def test_weights_of_any_memory_layout(kind: str) -> None:
    kernel = random(8, 3, 3, 3)
    if kind == "strided":
        odd = np.repeat(kernel, 2, axis=-1)[..., ::2]
    elif kind == "misaligned":
        odd = np.zeros(kernel.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(kernel.shape)
        odd[:] = kernel
    else:
        odd = kernel.copy()
        odd.flags.writeable = False
    x = {"x": random(1, 3, 8, 8, seed=1)}
    library = load("tensorrt-rtx")
    want = emit(conv_graph(kernel), library).simulate(x)[0]
    np.testing.assert_array_equal(emit(conv_graph(odd), library).simulate(x)[0], want)


def test_weights_live_as_long_as_the_network() -> None:
    kernel = random(8, 3, 3, 3)
    alive = weakref.ref(kernel)
    network = emit(conv_graph(kernel), load("tensorrt-rtx"))
    network.graph, kernel = None, None  # type: ignore[assignment]
    gc.collect()
    assert alive() is not None
    assert np.isfinite(network.simulate({"x": random(1, 3, 8, 8)})[0]).all()


@attrs.frozen(eq=False)
class Sorted(Op):
    """An operation that no backend has."""

    def infer(self, x: TensorType) -> TensorType:  # type: ignore[override]
        return x


def graph_of_op(op: Op) -> Graph:
    def apply(x: Any) -> Any:
        return x.tracer.apply(op, x)

    return trace(Function(apply), {"x": nn.Input(2, 3)})


def test_an_operation_that_tensorrt_lacks() -> None:
    with pytest.raises(
        UnsupportedError, match=r'sorted: TensorRT has no such operation; use target="onnxruntime"'
    ) as got:
        emit(graph_of_op(Sorted()), load("tensorrt-rtx"))
    assert got.value.line is not None
    assert got.value.line.code == "return x.tracer.apply(op, x)"


def test_an_unknown_activation() -> None:
    with pytest.raises(UnsupportedError, match="unknown activation 'gelu_quick'"):
        emit(graph_of_op(Activation("gelu_quick")), load("tensorrt-rtx"))


def test_batch_norm_with_computed_statistics() -> None:
    builder = GraphBuilder("BatchNorm", {})
    x = builder.input("x", TensorType(DType.float32, (2, 3)))
    statistics = [builder.input(name, TensorType(DType.float32, (3,))) for name in ("g", "b", "m", "v")]
    graph = builder.finish([("y", builder.add(BatchNorm(0.01, 1), [x, *statistics]))], "tensor")
    with pytest.raises(UnsupportedError, match=r"batch_norm: batch normalization with computed statistics; use layers"):
        emit(graph, load("tensorrt-rtx"))


def test_what_tensorrt_refuses_comes_with_the_users_line() -> None:
    said = r"^mismatched: TensorRT refuses the elementwise layer: .*broadcast dimensions must be conformable\); this is"
    with pytest.raises(BuildError, match=said) as got:
        emit(graph_of_op(Mismatched()), load("tensorrt-rtx"))
    assert got.value.line is not None
    assert got.value.line.code == "return x.tracer.apply(op, x)"


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"reshape_dims": (1,) * 9}, r"mismatched: .*shuffle layer: reshape_dims cannot be \(1, 1, 1"),
        ({"zero_is_placeholder": 7}, r"mismatched: .*shuffle layer: zero_is_placeholder "),
        ({"reshape_dims": (4, 5)}, r"mismatched: TensorRT refuses the shuffle layer: .*"),
    ],
)
def test_a_property_that_tensorrt_does_not_take(setting: dict[str, Any], said: str) -> None:
    with pytest.raises(BuildError, match=said):
        emit(graph_of_op(Mismatched(setting)), load("tensorrt-rtx"))


@attrs.frozen(eq=False)
class Mismatched(Op):
    """An operation whose emitter is wrong."""

    setting: Any = None

    def infer(self, x: TensorType) -> TensorType:  # type: ignore[override]
        return x


@emit_op.register
def _(op: Mismatched, node: Any, net: Any) -> Any:
    x = net.tensor(node.inputs[0])
    return net.add("shuffle", x, **op.setting) if op.setting else net.elementwise("SUM", x, net.constant(random(2, 5)))


def test_more_axes_than_tensorrt_has() -> None:
    said = r"reshape: expected 8 axes at the most, which is all that TensorRT has, got 9, .*; join axes with reshape"
    with pytest.raises(UnsupportedError, match=said):
        emitted(lambda x: F.exp(F.reshape(x, (1,) * 7 + (2, 3))), nn.Input(2, 3))
    with pytest.raises(UnsupportedError, match=r"x0: expected 8 axes at the most"):
        emitted(F.exp, nn.Input(*(1,) * 9))


def test_an_error_leaves_the_graph_usable() -> None:
    graph = graph_of(F.exp, nn.Input(2, 3))
    first, second = (emit(graph, load("tensorrt-rtx")) for _ in range(2))
    np.testing.assert_array_equal(first.simulate({"x0": X})[0], second.simulate({"x0": X})[0])
