"""The CRNN example in every precision: characters read wrong, on strips that did not calibrate it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ops.harness import TARGETS

import trtnn as nn

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "crnn" / "run.py"
CALIBRATING = 12


@pytest.fixture(scope="module")
def crnn() -> Any:
    """The example's module, under a name of its own."""
    spec = importlib.util.spec_from_file_location("crnn_example", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def strips(crnn: Any) -> tuple[Any, Any]:
    """Strips to calibrate with, of every length, and the others."""
    everything = crnn.load_strips()
    step = len(everything) // CALIBRATING
    return everything[::step], [strip for number, strip in enumerate(everything) if number % step]


@pytest.fixture(scope="module")
def model(crnn: Any) -> Any:
    found = crnn.Reader()
    found.load_weights(SCRIPT.parent / "checkpoint" / "crnn.ckpt")
    return found


def error_rate(crnn: Any, run: Any, strips: Any) -> float:
    texts = [crnn.decode(run(*crnn.as_batch([strip]))[0]) for strip in strips]
    return float(crnn.error_rate(texts, strips))


@pytest.mark.parametrize("options", ["fp16", "bf16", "minmax", "percentile", "entropy", "entropy fp16"])
def test_no_more_than_half_a_point_is_read_worse(crnn: Any, model: Any, strips: Any, options: str) -> None:
    seen, unseen = strips
    chosen: dict[str, Any] = {name: True for name in options.split() if name in ("fp16", "bf16")}
    methods: list[Any] = [name for name in options.split() if name not in chosen]
    if methods:
        chosen["int8"] = nn.Calibration([crnn.as_batch([strip]) for strip in seen], methods[0])
    plain = error_rate(crnn, model.compile(target="onnxruntime"), unseen)
    assert plain < 0.1
    assert error_rate(crnn, model.compile(target="onnxruntime", **chosen), unseen) <= plain + 0.005


@pytest.mark.skipif("tensorrt-rtx" not in TARGETS, reason="tensorrt_rtx is not installed")
def test_the_network_given_to_tensorrt_reads_as_well(crnn: Any, model: Any, strips: Any) -> None:
    seen, unseen = strips
    calibration = nn.Calibration([crnn.as_batch([strip]) for strip in seen], "percentile")
    engine = model.compile(target="tensorrt-rtx", fp16=True, int8=calibration, dims=crnn.DIMS)
    few = unseen[:3]
    assert error_rate(crnn, engine.simulate, few) <= error_rate(crnn, model.compile(target="onnxruntime"), few) + 0.005
    assert np.isfinite(engine.simulate(*crnn.as_batch(few))).all()
