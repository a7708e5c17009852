"""FP8 and INT4 weights of matrix products: numbers, kernels, and what cannot be."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ops.harness import TARGETS
from oracle import relative_error

import trtnn as nn
import trtnn.functional as F
from precision.networks import Residual, filled
from trtnn.errors import ArgumentError
from trtnn.graph import DType, verify
from trtnn.graph import ops as g
from trtnn.graph.types import packed_int4
from trtnn.passes.weight_only import block_quantized

X = np.random.default_rng(0).normal(size=(4, 3, 128)).astype(np.float32)
INPUT = nn.Input("batch", 3, 128)
PARTS = {"fp8": 2**-3, "int4": 2**-2}  # a step of E4M3's 3 bits of mantissa; a quarter of int4's steps, by rows of 128


def model() -> Any:
    """Two linear layers with rows that blocks of 128 and of 64 divide."""
    return filled(nn.Sequential(nn.Linear(128, 192), F.relu, nn.Linear(192, 16)))


def options(name: str) -> dict[str, Any]:
    return {name: nn.Calibration(X, "minmax", least=4) if name == "fp8" else True}


@pytest.mark.parametrize("name", ["fp8", "int4"])
@pytest.mark.parametrize("half", [{}, {"fp16": True}, {"bf16": True}])
def test_numbers_and_kernels(name: str, half: dict[str, bool]) -> None:
    network = model()
    plain = network.compile(INPUT, target="onnxruntime")(X)
    cpu = network.compile(INPUT, target="onnxruntime", **options(name), **half)
    verify(cpu.graph)
    assert 1e-3 < relative_error(cpu(X), plain) < PARTS[name]
    if "tensorrt-rtx" not in TARGETS:
        return
    built: Any = network.compile(INPUT, target="tensorrt-rtx", dims={"batch": 4}, kernels=True, **options(name), **half)
    assert relative_error(built.simulate(X), cpu(X)) < 2**-7
    weights = [one for one in built.kernels if {"FP8", "Int4"} & {*one.inputs, *one.constants}]
    assert len(weights) == 2
    assert {one.computes_in for one in weights if name == "fp8"} <= {"FP8"}


def test_a_quantized_relu_stays_a_relu() -> None:
    """ONNX Runtime drops a relu before FP8 quantization unless it is kept from it."""
    network = filled(nn.Sequential(F.relu, nn.Linear(128, 8)))
    plain, engine = (network.compile(INPUT, target="onnxruntime", **one) for one in ({}, options("fp8")))
    assert relative_error(engine(X), plain(X)) < PARTS["fp8"]


@given(st.sampled_from([64, 128]), st.integers(1, 5), st.integers(0, 99))
def test_every_weight_is_within_half_a_step_of_its_block(block: int, columns: int, seed: int) -> None:
    matrix = np.random.default_rng(seed).normal(size=(256, columns)).astype(np.float32)
    matrix[:block] *= 50
    written, scale = block_quantized(matrix, block)
    assert scale.shape == (256 // block, columns)
    steps = scale.repeat(block, 0)
    assert (np.abs(written.astype(np.float32) * steps - matrix) <= steps / 2 * 1.001).all()


def test_int4_values_are_packed_low_half_first() -> None:
    assert packed_int4(np.array([1, -2, 7], ml_dtypes.int4)).tolist() == [0xE1, 0x07]


def test_layers_without_whole_blocks_and_kept_ones_stay_as_they_are() -> None:
    network = filled(nn.Sequential(nn.Linear(128, 100), nn.Linear(100, 128), nn.Linear(128, 4)))
    engine = network.compile(INPUT, target="onnxruntime", int4=True, keep_fp32="2")
    types = [node.inputs[0].type.dtype for node in engine.graph.nodes if isinstance(node.op, g.Dequantize)]
    assert types == [DType.int4]
    with pytest.raises(ArgumentError, match="int4: Residual has no linear layer of a multiple of 128 or 64 inputs"):
        filled(Residual()).compile(target="onnxruntime", int4=True)
    with pytest.raises(ArgumentError, match="compile: expected one of int8=, fp8= and int4=, got fp8 and int4"):
        network.compile(INPUT, target="onnxruntime", int4=True, fp8=nn.Calibration(X))
