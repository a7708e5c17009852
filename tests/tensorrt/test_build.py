"""Plans: really built, with their optimization profiles, and the builder's errors in terms of the user's model."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
from typing import Any

import attrs
import numpy as np
import pytest
from emitting import CHOICE, Function, built, emitted, graph_of, random
from hand_network import in_every_listing  # noqa: F401
from oracle import assert_close

import trtnn as nn
import trtnn.functional as F
from trtnn import gpu
from trtnn.backends.tensorrt.build import build, check_profiles
from trtnn.backends.tensorrt.errors import find_blame, logger_of
from trtnn.backends.tensorrt.library import load
from trtnn.engine import Choice
from trtnn.errors import ArgumentError, BuildError, DeviceError, DimError, InputError, LibraryError
from trtnn.graph import TensorType
from trtnn.graph.ops.base import Op
from trtnn.trace import trace

WIDTH = nn.Input("batch", nn.Dim("width", 2, 4, 8))
KERNEL = random(3, 5)


def test_the_plan_can_be_written_as_it_is() -> None:
    engine = built(F.exp, random(2, 3))
    file = io.BytesIO()
    assert file.write(engine.plan) == engine.plan.nbytes > 1000
    assert isinstance(engine.plan, memoryview)
    assert (engine.target, repr(engine)) == (
        "tensorrt-rtx",
        "Engine(Function, tensorrt-rtx, (x0: f32[2, 3]) -> (output: f32[2, 3]))",
    )


def test_running_needs_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = built(F.exp, random(2, 3))
    monkeypatch.setattr(gpu, "why_not", lambda: "no NVIDIA GPU was found")
    said = r"Function: running a TensorRT plan needs an NVIDIA GPU: no NVIDIA GPU was found; "
    said += r'use engine.simulate.*target="onnxruntime"'
    with pytest.raises(DeviceError, match=said):
        engine(random(2, 3))


def test_simulate_takes_and_returns_what_a_call_does() -> None:
    engine = built(lambda x, y: {"sum": x + y, "product": x * y}, random(2, 3), random(2, 3))
    x, y = random(2, 3, seed=1), random(2, 3, seed=2)
    for result in (engine.simulate(x, y), engine.simulate(x, x1=y), engine.simulate(x1=y, x0=x)):
        assert list(result) == ["sum", "product"]
        assert_close(result["sum"], x + y)
        assert_close(result["product"], x * y)


def test_simulate_checks_its_arguments() -> None:
    engine = built(lambda x: x @ KERNEL, random(4, 3), inputs=[nn.Input(nn.Dim("batch", 1, 2, 4), 3)])
    with pytest.raises(InputError, match=r"x0: expected an array of float32, got float64"):
        engine.simulate(np.zeros((2, 3)))
    with pytest.raises(DimError, match=r"batch: expected 1\.\.4, got 5"):
        engine.simulate(random(5, 3))
    with pytest.raises(InputError, match=r"x0: expected numbers, got NaN at index \(0, 1\)"):
        engine.simulate(np.array([[0, np.nan, 1]], np.float32))
    assert engine.simulate(random(4, 3)).shape == (4, 5)  # usable after errors


def test_nan_passes_when_asked() -> None:
    engine = built(lambda x: x * 2, random(1, 3), check_nan=False)
    assert np.isnan(engine.simulate(np.array([[0, np.nan, 1]], np.float32)))[0].tolist() == [False, True, False]


def test_several_profiles() -> None:
    graph = graph_of(F.exp, WIDTH)
    profiles = [{"batch": (1, 1, 1), "width": (2, 4, 8)}, {"batch": (2, 4, 8), "width": (2, 2, 2)}]
    engine = build(graph, CHOICE, profiles)
    assert engine.simulate(random(8, 2)).shape == (8, 2)
    with pytest.raises(DimError, match=r"width: expected 2\.\.8 or 2\.\.2"):
        engine.simulate(random(8, 9))


@pytest.mark.parametrize(
    ("profiles", "said"),
    [
        ([{"batch": (1, 1, 1)}], r"width: has no range of sizes.*; compile with dims=\{\"width\": \(min, opt, max\)\}"),
        ([], r"batch: has no range of sizes"),
        ([{"batch": (1, 1, 1), "width": (3, 2, 4)}], r"width: expected 1 <= min <= opt <= max, got \(3, 2, 4\)"),
        ([{"batch": (0, 1, 1), "width": (1, 2, 4)}], r"batch: expected 1 <= min <= opt <= max, got \(0, 1, 1\)"),
        (
            [{"batch": (1, 1, 1), "width": (1, 2, 4)}, {"batch": (1, 1, 1)}],
            r"width in profile 1: has no range of sizes",
        ),
    ],
)
def test_profiles_are_checked(profiles: Any, said: str) -> None:
    with pytest.raises(DimError, match=said):
        build(graph_of(F.exp, WIDTH), CHOICE, profiles)


def test_a_range_that_leaves_an_operation_nothing_is_refused_by_its_dim() -> None:
    """TensorRT-RTX builds it, and nothing would be said before a call on a GPU."""
    graph = graph_of(lambda x: F.conv1d(x, random(3, 4, 2)), nn.Input(1, nn.Dim("width", 1, 4, 8), 4))
    with pytest.raises(DimError) as caught:
        build(graph, CHOICE, [{"width": (3, 4, 8)}, {"width": (1, 4, 8)}])
    assert str(caught.value).startswith("width in profile 1: at width=1, conv would make a size of width - 2 = -1; ")
    assert "raise the min of its range\n  at " in str(caught.value)


@attrs.frozen(eq=False, repr=False)
class Rest(Op):
    """What a buffer of 8 has left beside its operand."""

    def infer(self, *inputs: TensorType) -> TensorType:
        return TensorType(inputs[0].dtype, (8 - inputs[0].shape[0],))


def test_a_range_may_be_too_large_for_an_operation() -> None:
    graph = trace(Function(lambda x: x.tracer.apply(Rest(), x)), {"x": nn.Input(nn.Dim("width", 1, 4, 9))})
    check_profiles(graph, [{"width": (1, 4, 8)}])
    with pytest.raises(DimError, match=r"^width: at width=9, rest would make a size of .* = -1; lower the max of its"):
        check_profiles(graph, [{"width": (1, 4, 9)}])


def test_a_failed_build_names_the_module_and_the_line() -> None:
    class Crop(nn.Module):
        def forward(self, x: Any) -> Any:
            return x[:, 2:7] * 2

    class Model(nn.Module):
        def __init__(self) -> None:
            self.crop = Crop()

        def forward(self, x: Any = WIDTH) -> Any:
            return F.exp(self.crop(x))

    graph = Model().trace()
    with pytest.raises(BuildError) as got:
        build(graph, CHOICE, [{"batch": (1, 1, 2), "width": (2, 4, 8)}])
    text = str(got.value)
    assert text.startswith("crop: slice: tensorrt-rtx 1.")
    assert "ISliceLayer has out of bounds access on axis 1" in text
    assert "check their ranges first\n  at " in text
    assert text.endswith("x[:, 2:7] * 2")
    assert "/_src/" not in text


def test_the_longest_name_in_a_message_is_blamed() -> None:
    network = emitted(lambda x: F.mish(F.mish(x)), nn.Input(2, 3))
    assert {"mish", "mish#1", "mish_1", "mish_1#1"} <= set(network.nodes)
    for name in ("mish", "mish#1", "mish_1", "mish_1#1"):
        found = find_blame([f"Error Code 4: {name}: no such thing", "something else"], network.nodes)
        assert found is not None
        assert found.layer == name
    assert find_blame(["Error Code 4: mishap"], network.nodes) is None
    assert find_blame([], network.nodes) is None


def test_options() -> None:
    engine = built(F.exp, random(2, 3), optimization_level=0, workspace=1 << 20)
    assert engine.plan.nbytes > 1000
    with pytest.raises(ArgumentError, match="optimization_level: expected 0 to 5, got 9"):
        built(F.exp, random(2, 3), optimization_level=9)


def test_a_library_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(LibraryError, match="TensorRT is not installed"):
        build(graph_of(F.exp, nn.Input(2, 3)), Choice("tensorrt", "asked for"), [])


def test_a_network_outlives_its_engine_and_plan() -> None:
    """Crashes would come from memory that is gone, so this runs on its own."""
    script = """
import gc, numpy as np, trtnn as nn, trtnn.functional as F
from trtnn.backends.tensorrt.build import build, check_profiles
from trtnn.engine import Choice
class Model(nn.Module):
    def __init__(self): self.fc = nn.Linear(64, 64)
    def forward(self, x: nn.Tensor = nn.Input(4, 64)): return F.mish(self.fc(x))
for round in range(3):
    model = Model()
    for parameter in model.parameters(): parameter.assign(np.ones(parameter.shape, np.float32))
    engine = model.compile(target="tensorrt-rtx")
    plan, simulate = engine.plan, engine.simulate
    del model, engine
    gc.collect()
    assert simulate(np.ones((4, 64), np.float32)).shape == (4, 64)
    del simulate
    gc.collect()
    assert bytes(plan[:4]) and plan.nbytes > 1000
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_results_outlive_the_network_whose_weights_they_are() -> None:
    engine = built(lambda x: (F.zeros_like(x) + 3, x), random(2, 3))
    constant, same = engine.simulate(x := random(2, 3))
    assert engine.network.held and not np.shares_memory(same, x)
    assert not any(np.shares_memory(constant, held) for held in engine.network.held)


def test_tensorrts_log_goes_to_pythons(caplog: pytest.LogCaptureFixture) -> None:
    trt = load("tensorrt-rtx").trt
    logger = logger_of(trt)
    assert logger is logger_of(trt)
    with caplog.at_level(logging.INFO, "trtnn.tensorrt"):
        for severity in (trt.ILogger.VERBOSE, trt.ILogger.INFO, trt.ILogger.INTERNAL_ERROR):
            logger.log(severity, "50% of it")
    assert [(one.levelname, one.getMessage()) for one in caplog.records] == [
        ("INFO", "50% of it"),
        ("ERROR", "50% of it"),
    ]
