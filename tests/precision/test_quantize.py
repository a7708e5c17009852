"""int8: where Q/DQ pairs stand, with which scales, and what the numbers become."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ops.harness import TARGETS, lowered
from oracle import relative_error

import trtnn as nn
import trtnn.functional as F
from precision.networks import Residual, filled, images
from precision.random_networks import random_networks
from trtnn.graph import DType, Graph, Node, verify
from trtnn.graph import ops as g
from trtnn.passes import lower
from trtnn.passes.emulate import emulate_half
from trtnn.passes.half import to_half
from trtnn.passes.quantize import observed, quantize
from trtnn.passes.scales import Scheme, quantize_weights
from trtnn.precision.running import float32_engine

SCHEMES = st.sampled_from([Scheme(), Scheme(DType.uint8, closed=True), Scheme(DType.float8, kinds=(g.MatMul,))])
INT8_STEP = 1 / 127


TENSORRT = Scheme()


def quantized(graph: Graph, scheme: Scheme = TENSORRT, **options: Any) -> Graph:
    """The graph in int8 with ranges of -2..4 for all that is quantized."""
    ranges = {value.name: (-2.0, 4.0) for value in observed(graph)}
    return verify(quantize(graph, ranges, scheme, **options)[0])


def nodes(graph: Graph, kind: type) -> dict[str, Node]:
    return {node.outputs[0].name: node for node in graph.nodes if isinstance(node.op, kind)}


def int8_engine(model: nn.Module, target: str, **options: Any) -> Any:
    calibration = nn.Calibration(images(32), "minmax")
    return model.compile(target=target, int8=calibration, dims={"batch": (1, 4, 32)}, **options)


@given(random_networks(), SCHEMES, st.booleans())
@settings(max_examples=15)
def test_any_network_stays_legal_with_its_types_and_runs(network: Graph, scheme: Scheme, half: bool) -> None:
    graph = lower(network)
    found = quantized(graph, scheme)
    if half:
        found = verify(to_half(found, DType.float16)[0])
        assert verify(emulate_half(found))
    assert [value.type for _, value in found.outputs] == [value.type for _, value in graph.outputs]
    results = float32_engine(emulate_half(found))(np.ones((1, 6, 6, 4), np.float32))
    assert all(np.isfinite(one).all() for one in (results if isinstance(results, tuple) else (results,)))


def test_inputs_and_weights_of_convolutions_and_linear_layers_are_quantized() -> None:
    graph = quantized(lower(filled(Residual()).trace()))
    producers = graph.producers()
    weighted = nodes(graph, (g.Conv, g.MatMul))  # type: ignore[arg-type]
    assert len(weighted) == 4
    for node in weighted.values():
        x, weights = (producers[value] for value in node.inputs[:2])
        while not isinstance(x.op, g.Dequantize):
            x = producers[x.inputs[0]]  # movements
        axis = 0 if isinstance(node.op, g.Conv) else 1
        assert isinstance(weights.op, g.Dequantize) and weights.op.axis == axis
        assert weights.inputs[0].type.dtype is DType.int8
        assert weights.inputs[1].type.shape == (weights.output.type.shape[axis],)
        scale = producers[x.inputs[1]].op
        assert scale.type.shape == () and float(scale.data) == pytest.approx(4 / 127)  # type: ignore[union-attr,arg-type]


def test_of_two_branches_the_convolution_fused_with_the_addition_stays_as_it_is() -> None:
    graph = quantized(lower(filled(Residual()).trace()))
    (addition,) = [node for name, node in nodes(graph, g.Binary).items() if not name.startswith("head")]
    names = {value.name for value in addition.inputs}
    assert names == {"second.conv.dq", "shortcut.conv"}, graph


def test_onnx_runtime_gets_every_operation_closed() -> None:
    graph = quantized(lower(filled(Residual()).trace()), Scheme(DType.uint8, closed=True))
    (addition,) = [node for name, node in nodes(graph, g.Binary).items() if not name.startswith("head")]
    assert {value.name for value in addition.inputs} == {"second.conv.dq", "shortcut.conv.dq"}
    assert nodes(graph, g.Quantize)["image.q"].op.dtype is DType.uint8  # type: ignore[attr-defined]
    for node in nodes(graph, g.Conv).values():
        assert graph.producers()[node.inputs[2]].inputs[0].type.dtype is DType.int32


def test_maxima_movements_and_concatenations_share_the_scale_of_what_they_become() -> None:
    def network(x: nn.Tensor) -> nn.Tensor:
        kernel = np.ones((1, 1, 4, 4), np.float32)
        joined = F.concat([F.max_pool(F.relu(F.conv2d(x, kernel)), 2), F.tanh(F.conv2d(x, kernel, stride=2))], -1)
        return F.conv2d(F.pad(joined[:, ::-1], ((0, 0), (1, 1), (0, 0), (0, 0))), np.ones((1, 1, 8, 2), np.float32))

    graph = lowered(network, [nn.Input("n", 6, 6, 4)])
    ranges = {value.name: (-1.0, 1.0 + i) for i, value in enumerate(observed(graph))}
    found = verify(quantize(graph, ranges, Scheme())[0])
    scales = {name: found.producers()[node.inputs[1]].output.name for name, node in nodes(found, g.Quantize).items()}
    assert len(set(scales.values())) == 2, scales  # of the input, and of all that flows into the last convolution
    assert {name for name in scales if scales[name] != scales["x0.q"]} >= {"relu.q", "tanh.q", "concat.q", "pad.q"}


@pytest.mark.parametrize(
    "move",
    [
        lambda x: F.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0)), value=3.0),
        lambda x: F.concat([x, np.full((2, 6, 6, 1), 3, np.float32)], -1),
    ],
    ids=["a border", "a constant"],
)
def test_other_numbers_that_come_in_are_not_put_into_the_scale_of_what_they_join(move: Any) -> None:
    def network(x: nn.Tensor) -> nn.Tensor:
        y = move(F.tanh(x))
        return F.conv2d(y, np.ones((1, 1, int(y.shape[-1]), 2), np.float32))

    graph = quantized(lowered(network, [nn.Input(2, 6, 6, 4)]))
    (quantize_node,) = nodes(graph, g.Quantize).values()
    assert isinstance(graph.producers()[quantize_node.inputs[0]].op, (g.Pad, g.Concat)), graph


def test_a_convolution_that_is_returned_is_closed_before_its_activation() -> None:
    def network(x: nn.Tensor) -> tuple[nn.Tensor, nn.Tensor]:
        y = F.conv2d(x, np.ones((1, 1, 4, 2), np.float32), data_format="channels_first")
        return y, F.relu(y)

    graph = quantized(lowered(network, [nn.Input(2, 4, 6, 6)]), Scheme(DType.uint8, closed=True))
    closed = {node.inputs[0] for node in nodes(graph, g.Quantize).values()}
    (conv,), (relu,) = (nodes(graph, kind).values() for kind in (g.Conv, g.Activation))
    assert conv.output in closed and relu.output not in closed, graph


def test_what_half_precision_would_hurt_reads_the_value_before_quantization() -> None:
    def network(x: nn.Tensor) -> nn.Tensor:
        return F.linear(x, np.ones((4, 4), np.float32)) + F.softmax(x)

    graph = quantized(lowered(network, [nn.Input("n", 4)]))
    assert nodes(graph, g.Softmax)["softmax"].inputs[0].name == "x0"


def test_attention_products_and_transposed_weights() -> None:
    def network(x: nn.Tensor) -> nn.Tensor:
        y = F.matmul(x, np.arange(20, dtype=np.float32).reshape(5, 4), transpose_y=True)
        return F.matmul(y, y, transpose_y=True)

    graph = quantized(lowered(network, [nn.Input("n", 3, 4)]))
    linear, attention = nodes(graph, g.MatMul).values()
    assert linear.inputs[1].type.shape == (4, 5) and linear.op.transpose_y is False  # type: ignore[attr-defined]
    assert [value.name for value in attention.inputs] == [linear.output.name] * 2


def test_kept_modules_are_left_alone() -> None:
    model, x = filled(Residual()), images(4)
    for option in ("keep_fp32", "keep_fp16"):
        engine = int8_engine(model, "onnxruntime", fp16=True, **{option: ["second", "shortcut"]})
        assert not {"second.kernel.dq", "shortcut.kernel.dq"} & set(nodes(engine.graph, g.Dequantize))
        assert ("second.conv.exact" in nodes(engine.graph, g.Conv)) is (option == "keep_fp16")
        assert np.isfinite(engine(x)).all()


@given(st.integers(0, 99), st.sampled_from([0, 1]), st.sampled_from([DType.int8, DType.float8]))
def test_weights_are_off_by_half_a_step_of_their_channel(seed: int, axis: int, dtype: DType) -> None:
    weights = np.random.default_rng(seed).normal(size=(5, 7, 3)).astype(np.float32)
    weights[0] *= 100
    weights[1, 1] = 0
    written, scale = quantize_weights(weights, axis, dtype)
    shape = [-1 if i == axis else 1 for i in range(3)]
    back = written.astype(np.float32) * scale.reshape(shape)
    step = scale.reshape(shape) * (
        1 if dtype is DType.int8 else np.maximum(np.abs(written.astype(np.float32)) / 8, 2**-9)
    )
    assert (np.abs(back - weights) <= step / 2 * 1.001).all()
    assert np.abs(written.astype(np.float32)).max() == (127 if dtype is DType.int8 else 448)


@pytest.mark.parametrize("half", [{}, {"fp16": True}, {"bf16": True}])
def test_targets_agree_with_float32_and_each_other(half: dict[str, bool]) -> None:
    model, x = filled(Residual()), images(8, seed=9)
    plain = model.compile(target="onnxruntime")(x)
    engines = [int8_engine(model, target, **half) for target in TARGETS]
    got = [getattr(engine, "simulate", engine)(x) for engine in engines]
    for one in got:
        assert 1e-4 < relative_error(one, plain) < 8 * INT8_STEP
    assert relative_error(got[-1], got[0]) < 8 * INT8_STEP
    assert engines[0].precision.startswith("int8")


@pytest.mark.skipif("tensorrt-rtx" not in TARGETS, reason="tensorrt_rtx is not installed")
@pytest.mark.parametrize("half", [{}, {"fp16": True}])
def test_the_simulated_network_is_the_graph_to_one_step(half: dict[str, bool]) -> None:
    """ONNX Runtime on the very graph that TensorRT got: only a rounding may fall to the other side."""
    engine, x = int8_engine(filled(Residual()), "tensorrt-rtx", **half), images(8, seed=9)
    assert relative_error(engine.simulate(x), float32_engine(emulate_half(engine.graph))(x)) < INT8_STEP


def test_a_channel_of_zeros_with_a_bias_does_not_overflow() -> None:
    model = filled(nn.Sequential(nn.Conv2d(3, 4, 1), F.relu, nn.Conv2d(4, 2, 1)))
    model[0].kernel.assign(np.zeros((1, 1, 3, 4), np.float32))
    x = images(8)
    declared = nn.Input("batch", 8, 8, 3)
    plain = model.compile(declared, target="onnxruntime")(x)
    engine = model.compile(declared, target="onnxruntime", int8=nn.Calibration(x, "minmax"))
    assert relative_error(engine(x), plain) < 2 * INT8_STEP
