"""``trtnn bench``: who takes part, who does not and why, and that all compute the same."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from oracle import tensorflow

from trtnn.cli.contestants import Contestant
from trtnn.cli.race import race

from .conftest import Trtnn

SHORT = ("--seconds", "0.01", "--target", "onnxruntime")


@pytest.fixture(autouse=True, scope="module")
def tensorflow_as_in_all_tests() -> None:
    """Its threads cannot be set any more once a bench has run it."""
    if find_spec("tensorflow") is not None:
        tensorflow()


def test_a_network_against_onnxruntime(trtnn: Trtnn) -> None:
    ran = trtnn("bench", "nets:Net", "--weights", "weights.npz", *SHORT, "--batch", "1", "--batch", "4", "--json")
    assert ran.code == 0, ran.err
    rows = ran.json["rows"]
    assert [(one["name"].split(",")[0], one["batch"]) for one in rows] == [
        *(("trtnn", 1), ("ONNX Runtime alone", 1)),
        *(("trtnn", 4), ("ONNX Runtime alone", 4)),
    ]
    for one in rows:
        assert 0 < one["p50"] <= one["p90"] <= one["p99"]
        assert one["throughput"] > 0 and one["calls"] >= 5
        assert one["difference"] < 1e-6
        (first,) = (other for other in rows if other["batch"] == one["batch"] and other["name"].startswith("trtnn"))
        assert one["ratio"] == pytest.approx(one["p50"] / first["p50"])
    assert ran.json["absent"]["TensorFlow, tf.function"] == "it runs Keras files, and this is none"


def test_a_keras_file_against_tensorflow(trtnn: Trtnn) -> None:
    pytest.importorskip("tensorflow")
    ran = trtnn("bench", "model.keras", *SHORT, "--fp16", "--json")
    assert ran.code == 0, ran.err
    differences = {one["name"]: one["difference"] for one in ran.json["rows"]}
    assert len(differences) == 3
    assert 0 < differences["TensorFlow, tf.function"] < 0.01


def test_half_precision_inputs_are_widened_for_the_others(trtnn: Trtnn) -> None:
    ran = trtnn("bench", "nets:Net", "--weights", "weights.npz", *SHORT, "--fp16", "--io-dtype", "float16", "--json")
    assert ran.code == 0, ran.err
    assert [0 <= one["difference"] < 0.01 for one in ran.json["rows"]] == [True, True]


def test_a_saved_engine_and_its_table(trtnn: Trtnn, folder: Path) -> None:
    trtnn("build", "model.keras", "--target", "onnxruntime", "--output", "net.onnx", "--io-dtype", "float16", "--fp16")
    ran = trtnn("bench", "net.onnx", "--seconds", "0.01")
    assert ran.code == 0, ran.err
    header, _, first, second = ran.out.splitlines()[:4]
    assert header.split() == ["batch", "p50", "ms", "p90", "ms", "p99", "ms", "items/s", "time", "differs", "by"]
    assert first.startswith("trtnn, onnxruntime, float16") and "1.00x" in first
    assert second.startswith("ONNX Runtime alone, CPU")


def test_a_picture_a_profile_and_a_trace(trtnn: Trtnn, folder: Path) -> None:
    pytest.importorskip("matplotlib")
    given = ("bench", "model.keras", *SHORT, "--alone", "--profile", "--trace", "trace.json", "--plot", "bench.svg")
    ran = trtnn(*given)
    assert ran.code == 0, ran.err
    assert "hidden" in ran.out
    events = json.loads((folder / "trace.json").read_text())["traceEvents"]
    assert any("hidden" in event["name"] for event in events)
    assert (folder / "bench.svg").read_text().startswith("<?xml")
    assert any("hidden" in name for name in trtnn(*given, "--json").json["profile"]["modules"])


def test_without_a_dim_called_batch_the_first_axis_counts() -> None:
    contestant = Contestant("one", lambda feeds: list(feeds.values()))
    (row,) = race([contestant], {"x": np.ones((6, 2), np.float32)}, {"time": 2}, 0.001)
    assert row.timing.batch == 6 and row.timing.throughput == 6 / row.timing.mean


def test_a_network_with_a_custom_op_has_nobody_to_race(trtnn: Trtnn, folder: Path) -> None:
    (folder / "ops_for_bench.py").write_text(
        "import trtnn as nn\n\n"
        "@nn.custom_op('tests::plus_one_for_cli')\n"
        "class PlusOne:\n"
        "    def infer(self, x):\n        return x\n"
        "    def reference(self, x):\n        return x + x.dtype.type(1)\n\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n        self.plus = PlusOne()\n"
        "    def forward(self, x=nn.Input('batch', 4)):\n        return self.plus(x)\n"
    )
    ran = trtnn("bench", "ops_for_bench:Net", *SHORT, "--json")
    assert ran.code == 0, ran.err
    assert len(ran.json["rows"]) == 1
    assert "its custom ops run in NumPy" in ran.json["absent"]["ONNX Runtime alone"]


def test_the_profile_is_of_the_sizes_that_were_measured(trtnn: Trtnn, folder: Path) -> None:
    given = ("bench", "nets:Two", *SHORT, "--alone", "--profile", "--input", "x=batch,time,4", "--size", "time=3")
    ran = trtnn(*given, "--input", "index=int32[batch]", "--batch", "2,5")
    assert ran.code == 0, ran.err
    assert "\nprofile at batch=5 time=3:\n" in ran.out
    assert [line.split()[3] for line in ran.out.splitlines() if line.startswith("trtnn,")] == ["2", "5"]


def test_alone_measures_nothing_else(trtnn: Trtnn) -> None:
    ran = trtnn("bench", "nets:Two", *SHORT, "--alone", "--json")
    assert len(ran.json["rows"]) == 1
    assert ran.json["absent"] == {}


def test_sizes_that_the_engine_does_not_have(trtnn: Trtnn, folder: Path) -> None:
    ran = trtnn("bench", "model.keras", *SHORT, "--dim", "batch=1,2,4", "--batch", "8", "--alone")
    assert ran.code == 1
    assert "batch: expected 1..4, got 8" in ran.err
    ran = trtnn("bench", "nets:Net", "--weights", "weights.npz", *SHORT, "--input", "x=3,4", "--batch", "8")
    assert ran.code == 2
    assert "the network's inputs have no dim named batch (they have none)" in ran.err


def test_a_plan_that_cannot_run_here_says_so(trtnn: Trtnn) -> None:
    pytest.importorskip("tensorrt_rtx")
    from trtnn import gpu

    if gpu.available():
        pytest.skip("there is a GPU")
    ran = trtnn("bench", "model.keras", "--target", "tensorrt-rtx", "--optimization-level", "0", "--seconds", "0.01")
    assert ran.code == 1
    assert "GPU" in ran.err


def test_without_standard_error(folder: Path) -> None:
    pytest.importorskip("tensorflow")
    command = f"exec '{sys.executable}' -m trtnn bench model.keras --seconds 0 --json 2>&-"
    done = subprocess.run(["sh", "-c", command], stdout=subprocess.PIPE, text=True, cwd=folder)
    assert done.returncode == 0
    assert json.loads(done.stdout)["absent"].keys() == {"torch"}
