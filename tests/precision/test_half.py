"""Half precision: what is converted, what stays, how it is rounded, and what it says of itself."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ops.harness import TARGETS, fill, lowered
from oracle import relative_error

import trtnn as nn
import trtnn.functional as F
from precision.networks import Residual, filled, images
from precision.random_networks import random_networks
from trtnn.graph import DType, Graph, verify
from trtnn.graph import ops as g
from trtnn.passes import lower
from trtnn.passes.emulate import emulate_half
from trtnn.passes.half import to_half

HALVES = st.sampled_from([DType.float16, DType.bfloat16])
EPSILON = {"fp16": 2.0**-11, "bf16": 2.0**-8}


def count(graph: Graph, kind: type, dtype: DType | None = None) -> int:
    return sum(isinstance(node.op, kind) and dtype in (None, node.outputs[0].type.dtype) for node in graph.nodes)


def compiled(model: nn.Module, target: str = "onnxruntime", **options: Any) -> Any:
    return model.compile(target=target, **options)


@given(random_networks(), HALVES)
def test_the_pass_changes_no_shape_leaves_no_mismatch_and_is_idempotent(network: Graph, dtype: DType) -> None:
    graph = lower(network, verify)
    half, _ = to_half(graph, dtype)
    verify(half)
    assert [value.type for value in half.inputs] == [value.type for value in graph.inputs]
    assert [value.type for _, value in half.outputs] == [value.type for _, value in graph.outputs]
    shapes = {value.name: value.type.shape for value in graph.producers()}
    assert all(shapes[value.name] == value.type.shape for value in half.producers() if value.name in shapes)
    again, _ = to_half(half, dtype)
    assert str(again) == str(half)


@given(random_networks(), HALVES)
def test_no_cast_is_undone_by_the_next_one(network: Graph, dtype: DType) -> None:
    half, _ = to_half(lower(network), dtype)
    producers = half.producers()
    for node in half.nodes:
        source = producers.get(node.inputs[0]) if isinstance(node.op, g.Cast) else None
        assert source is None or not isinstance(source.op, g.Cast), half


@given(random_networks(), HALVES)
def test_emulation_computes_in_float32_alone(network: Graph, dtype: DType) -> None:
    half, _ = to_half(lower(network), dtype)
    emulated = verify(emulate_half(half))
    assert [value.type for _, value in emulated.outputs] == [value.type for _, value in half.outputs]
    for node in emulated.nodes:
        if not isinstance(node.op, g.Cast):
            assert not {value.type.dtype for value in node.outputs} & {DType.float16, DType.bfloat16}, emulated


def test_a_chain_of_convolutions_has_one_cast_at_either_end() -> None:
    engine = compiled(filled(Residual()), "tensorrt-rtx" if "tensorrt-rtx" in TARGETS else "onnxruntime", fp16=True)
    if engine.target == "onnxruntime":
        pytest.skip("the emulated graph has roundings")
    assert count(engine.graph, g.Cast) == 2
    assert count(engine.graph, g.Conv, DType.float16) == count(engine.graph, g.Conv) == 3
    assert "cast(%image) dtype=float16" in str(engine.graph)


def test_islands_stay_float32() -> None:
    def network(x: nn.Tensor) -> nn.Tensor:
        y = F.matmul(x, np.eye(4, dtype=np.float32))
        return F.matmul(F.softmax(F.exp(y) / F.reduce_sum(y * y, -1, keepdims=True)), np.eye(4, dtype=np.float32))

    half, _ = to_half(lowered(network, [nn.Input("n", 4)]), DType.float16)
    types = {node.op.name: node.outputs[0].type.dtype for node in half.nodes}
    assert types["mat_mul"] is DType.float16
    for name in ("softmax", "exp", "divide", "multiply", "reduce_sum"):
        assert types[name] is DType.float32, half


@pytest.mark.parametrize(("option", "dtype"), [("fp16", np.float16), ("bf16", ml_dtypes.bfloat16)])
def test_the_cpu_rounds_just_where_operations_end(option: str, dtype: Any) -> None:
    """NumPy does by hand what the engine must do; ONNX Runtime must not optimize the roundings away."""
    model = filled(nn.Sequential(nn.Linear(6, 8), F.tanh, nn.Linear(8, 3)))
    x = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)

    def rounded(array: np.ndarray) -> np.ndarray:
        return array.astype(dtype).astype(np.float32)

    want = rounded(x)
    for layer, follow in ((model[0], np.tanh), (model[2], rounded)):
        kernel, bias = (rounded(np.asarray(one.data)) for one in (layer.kernel, layer.bias))
        want = rounded(follow(rounded(rounded(want @ kernel) + bias)))
    engine = model.compile(nn.Input("batch", 6), target="onnxruntime", **{option: True})
    steps = np.abs(engine(x) - want) / (np.abs(want) * EPSILON[option])
    assert steps.max() <= 2.1 and (steps == 0).mean() > 0.8  # another order of summation may turn one last bit
    plain = model.compile(nn.Input("batch", 6), target="onnxruntime")(x)
    assert relative_error(engine(x), plain) > EPSILON[option] / 8


@pytest.mark.parametrize(("option", "dtype"), [("fp16", np.float16), ("bf16", ml_dtypes.bfloat16)])
@pytest.mark.parametrize(
    "last",
    [
        lambda x: F.resize(x, (7, 7)),
        lambda x: F.resize(x, (7, 7), "nearest"),
        lambda x: F.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), value=0.1),
    ],
    ids=["linear", "nearest", "border"],
)
def test_a_result_of_the_half_type_is_a_number_that_it_has(last: Any, option: str, dtype: Any) -> None:
    model = filled(nn.Sequential(nn.Conv2d(3, 4, 3), last))
    got = model.compile(nn.Input("batch", 8, 8, 3), target="onnxruntime", **{option: True})(images(2))
    np.testing.assert_array_equal(got, got.astype(dtype).astype(np.float32))


@pytest.mark.parametrize("option", ["fp16", "bf16"])
def test_targets_agree_to_a_few_steps_of_the_half_type(option: str) -> None:
    model, x = filled(Residual()), images(3)
    plain = compiled(model)(x)
    results = [compiled(model, one, dims={"batch": 3}, **{option: True}) for one in TARGETS]
    got = [getattr(engine, "simulate", engine)(x) for engine in results]
    for one in got:
        assert 0 < relative_error(one, plain) < 16 * EPSILON[option]
    assert relative_error(got[-1], got[0]) <= 4 * EPSILON[option]


def test_loops_keep_their_states_in_float32() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            self.lstm = nn.LSTM(4, 6)

        def forward(self, x: nn.Tensor = nn.Input("batch", 7, 4)) -> Any:
            return self.lstm(x)

    model = Recurrent()
    fill(model)
    x = np.random.default_rng(0).normal(size=(2, 7, 4)).astype(np.float32)
    plain, engine = compiled(model), compiled(model, fp16=True)
    results = [one[0] if isinstance(one, tuple) else one for one in (engine(x), plain(x))]
    assert 0 < relative_error(*results) < 4e-3
    if "tensorrt-rtx" in TARGETS:
        built = compiled(model, "tensorrt-rtx", fp16=True)
        (scan,) = [node for node in built.graph.nodes if isinstance(node.op, g.Scan)]
        assert count(scan.op.body, g.MatMul, DType.float16) == 1
        assert {value.type.dtype for value in scan.op.body.inputs} == {DType.float32}
        simulated = built.simulate(x)
        assert relative_error(simulated[0] if isinstance(simulated, tuple) else simulated, results[0]) < 2e-3


def test_kept_modules_stay_float32_and_the_rest_follows() -> None:
    half = compiled(filled(Residual()), fp16=True, keep_fp32=["sec*", "head"])
    text = str(half.graph)
    assert "%first.conv.exact = conv" in text and "%shortcut.conv.exact = conv" in text
    assert "%second.conv = conv" in text and "%head.mat_mul = mat_mul" in text


def test_inputs_and_outputs_stay_float32_unless_asked() -> None:
    model, x = filled(Residual()), images(2)
    assert compiled(model, fp16=True)(x).dtype == np.float32
    engine = compiled(model, fp16=True, io_dtype="float16")
    assert str(engine.inputs["image"]) == "f16[batch, 8, 8, 3]"
    got = engine(x.astype(np.float16))
    assert got.dtype == np.float16
    np.testing.assert_array_equal(got.astype(np.float32), compiled(model, fp16=True)(x).astype(np.float16))
    if "tensorrt-rtx" in TARGETS:
        built = compiled(model, "tensorrt-rtx", fp16=True, io_dtype="float16")
        assert count(built.graph, g.Cast) == 0


def test_the_engine_says_its_precision() -> None:
    model = filled(Residual())
    assert compiled(model).precision == "float32"
    engine = compiled(model, bf16=True)
    assert engine.precision == "bfloat16 (emulated: computed in float32, rounded after every operation)"
    assert repr(engine).startswith(f"Engine(Residual, onnxruntime, {engine.precision}, (image: ")
    if "tensorrt-rtx" in TARGETS:
        assert compiled(model, "tensorrt-rtx", bf16=True).precision == "bfloat16"


def test_weights_that_float16_does_not_hold_are_named() -> None:
    model = filled(Residual())
    model.second.kernel.assign(np.asarray(model.second.kernel.data) * np.float32(1e6))
    model.shortcut.kernel.assign(np.asarray(model.shortcut.kernel.data) * np.float32(1e-9))
    with pytest.warns(nn.PrecisionWarning) as said:
        engine = compiled(model, fp16=True)
    (warning,) = said
    assert r"second.kernel: " in str(warning.message) and "overflow; its operations stay float32" in str(
        warning.message
    )
    assert "shortcut.kernel: 24 values become zero" in str(warning.message)
    assert "%second.conv = conv" in str(engine.graph)
