"""The kernels that TensorRT-RTX builds, by the builder's own report: int8 and half where they were asked for."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from ops.harness import TARGETS
from resnet50 import ResNet50

import trtnn as nn
from precision.networks import Residual, filled, images
from trtnn.backends.tensorrt.emit.emitter import Emitter
from trtnn.backends.tensorrt.kernels import Kernel, parse_report
from trtnn.passes import quantize
from trtnn.passes.quantize_plan import QuantizePlan

pytestmark = pytest.mark.skipif("tensorrt-rtx" not in TARGETS, reason="tensorrt_rtx is not installed")

CONVOLUTIONS = 53
SMALL = nn.Input("batch", 64, 64, 3)


@pytest.fixture(scope="module")
def resnet50() -> Any:
    """The example's ResNet-50 with random weights."""
    return filled(ResNet50(logits=True))


@pytest.fixture(scope="module")
def calibration() -> nn.Calibration:
    return nn.Calibration(images(8, size=64), "minmax")


def kernels(model: nn.Module, inputs: nn.Input | None = None, **options: Any) -> Counter[tuple[str, str]]:
    """How many kernels of each (kind, data type of their arithmetic) there are, without generated elementwise ones."""
    engine: Any = model.compile(inputs, target="tensorrt-rtx", dims={"batch": 1}, kernels=True, **options)
    return Counter((one.kind, one.computes_in) for one in engine.kernels if one.kind not in ("kgen", "signal", "wait"))


@pytest.mark.parametrize("half", [{}, {"fp16": True}])
def test_every_convolution_of_resnet50_is_an_int8_kernel(
    resnet50: Any, calibration: nn.Calibration, half: dict[str, bool]
) -> None:
    assert kernels(resnet50, SMALL, int8=calibration, **half) == {
        ("correlation", "Int8"): CONVOLUTIONS,
        ("maxpool", "Int8"): 1,
        ("gemm", "Int8"): 1,
    }


def test_every_kernel_of_resnet50_is_a_half_kernel(resnet50: Any) -> None:
    found = kernels(resnet50, SMALL, fp16=True)
    assert {dtype for _, dtype in found} == {"Half"}
    assert found.total() == CONVOLUTIONS + 1 + 1  # and the pooling, and the linear layer


def test_kept_modules_are_float_kernels(resnet50: Any, calibration: nn.Calibration) -> None:
    found = kernels(resnet50, SMALL, int8=calibration, keep_fp32=["stem", "predictions"])
    assert found["correlation", "Int8"] == CONVOLUTIONS - 1
    assert found["correlation", "Float"] == 1


@pytest.mark.parametrize(("options", "dtype"), [({}, "Float"), ({"fp16": True}, "Half"), ({"bf16": True}, "BFloat16")])
def test_small_network(options: dict[str, bool], dtype: str) -> None:
    found = kernels(filled(Residual()), **options)
    assert {type for kind, type in found if "pool" not in kind} == {dtype}  # RTX 1.7 pools bfloat16 in float


def test_a_scale_of_shape_1_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    model, calibration = filled(Residual()), nn.Calibration(images(8), "minmax")
    assert kernels(model, int8=calibration)["correlation", "Int8"] == 3
    constant = Emitter.constant
    monkeypatch.setattr(Emitter, "constant", lambda self, array: constant(self, np.atleast_1d(array)))
    assert kernels(model, int8=calibration)["correlation", "Int8"] == 0


def test_a_pair_in_the_wrong_place_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    model, calibration = filled(Residual()), nn.Calibration(images(8), "minmax")
    monkeypatch.setattr(quantize._Rewriter, "_dequantize", lambda self, value: self._moved[value])  # weights alone
    assert kernels(model, int8=calibration)["correlation", "Int8"] == 0
    monkeypatch.undo()
    monkeypatch.setattr(QuantizePlan, "passed", lambda self, value: None)  # behind the movements, where it still fuses
    assert kernels(model, int8=calibration)["correlation", "Int8"] == 3


def test_the_report_is_read_with_its_nested_lists() -> None:
    message = """Layers:
Name: one_myl0_0, LayerType: correlation, Inputs: [ { Name: x [Conv]_1, Dimensions: [1,3], Datatype: Int8, A: (a) }],
 Constants: [ { Name: w, Dimensions: [3], Datatype: Half }], Outputs: [ { Name: y, Datatype: Float }], Metadata:\x20

Name: two_myl0_1, LayerType: signal, Inputs: [], Outputs: [], StreamId: 0, Metadata: a.conv\x1frelu\x1frelu

I/O Tensors:
 Name: image, IOMode: Input"""
    assert parse_report(message) == [
        Kernel("one_myl0_0", "correlation", ("Int8",), ("Half",), ("Float",)),
        Kernel("two_myl0_1", "signal", (), (), (), ("a.conv", "relu")),
    ]
    assert str(parse_report(message)[0]) == "correlation (Int8) -> (Float) one_myl0_0"
