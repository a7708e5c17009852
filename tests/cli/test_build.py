"""``trtnn build``: engines that compute what the network does, and what is printed."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from trtnn import Engine
from trtnn.backends.onnxruntime.engine import build as build_onnxruntime
from trtnn.backends.tensorrt.build import build as build_tensorrt
from trtnn.cli.compile_options import TARGET_OPTIONS
from trtnn.compile import compile_module

from .conftest import Trtnn
from .files import expected, samples, weights

ONNX = ("--target", "onnxruntime", "--output", "net.onnx")


@pytest.mark.parametrize(
    "source",
    [
        ("model.keras",),
        ("nets.py:Net", "--weights", "weights.npz"),
        ("nets:Net", "--weights", "weights.npz"),
        ("nets:make", "--weights", "weights.npz", "--arg", "features=3"),
        ("./nets.py:Net", "--weights", "model.keras"),
    ],
    ids=["keras", "file", "module", "function", "weights of a Keras file"],
)
def test_every_source_becomes_an_engine(trtnn: Trtnn, folder: Path, source: tuple[str, ...]) -> None:
    ran = trtnn("build", *source, *ONNX)
    assert ran.code == 0, ran.err
    assert "target    onnxruntime: asked for" in ran.out
    assert "net.onnx" in ran.out
    x = samples()
    np.testing.assert_allclose(Engine.load(folder / "net.onnx")(x), expected(x), rtol=1e-5, atol=1e-5)


def test_the_load_report_is_in_one_line(trtnn: Trtnn) -> None:
    ran = trtnn("build", "nets:Net", "--weights", "weights.npz", *ONNX)
    assert ran.out.splitlines()[0] == "weights.npz: 4 of 4 parameters loaded, 0 missing"


def test_json_is_all_there_is_on_standard_output(trtnn: Trtnn, folder: Path) -> None:
    ran = trtnn("build", "model.keras", *ONNX, "--fp16", "--dim", "batch=1,8,64", "--json")
    assert ran.err == ""
    document = ran.json
    assert document["target"] == "onnxruntime"
    assert document["precision"].startswith("float16")
    assert document["profiles"] == [{"batch": [1, 8, 64]}]
    assert document["inputs"] == {"x": "f32[batch, 4]"}
    assert document["bytes"] >= (folder / "net.onnx").stat().st_size


def test_arguments_reach_the_constructor(trtnn: Trtnn, folder: Path) -> None:
    np.savez(folder / "five.npz", **weights(5))
    for source in ("nets:Net", "nets:Named", "nets:make"):
        ran = trtnn("build", source, "--arg", "features=5", "--weights", "five.npz", *ONNX)
        assert ran.code == 0, ran.err


def test_names_in_the_file_can_be_others(trtnn: Trtnn, folder: Path) -> None:
    with np.load(folder / "weights.npz") as held:
        np.savez(folder / "scoped.npz", **{f"old/{name}": held[name] for name in held.files})
    assert trtnn("build", "nets:Net", "--weights", "scoped.npz", *ONNX).code == 1
    ran = trtnn("build", "nets:Net", "--weights", "scoped.npz", "--name-map", "^=old/", *ONNX)
    assert ran.code == 0, ran.err


def test_options_of_precision_and_sizes_reach_compile(trtnn: Trtnn, folder: Path) -> None:
    ran = trtnn(
        *("build", "model.keras", *ONNX, "--json", "--int8", "samples.npy", "--calibration-method", "minmax"),
        *("--fp16", "--keep-fp32", "out", "--io-dtype", "float16", "--dim", "batch=1,4,8", "--threads", "1"),
    )
    assert ran.code == 0, ran.err
    assert ran.json["precision"].startswith("int8 + float16")
    assert ran.json["inputs"] == {"x": "f16[batch, 4]"}


def test_an_input_can_be_declared_otherwise(trtnn: Trtnn) -> None:
    ran = trtnn("build", "nets:Net", "--weights", "weights.npz", *ONNX, "--input", "x=time,batch,4", "--json")
    assert ran.json["inputs"] == {"x": "f32[time, batch, 4]"}
    ran = trtnn("build", "nets:Two", *ONNX, "--input", "index=int64[batch]", "--json")
    assert ran.json["inputs"] == {"x": "f32[batch, 4]", "index": "i64[batch]"}


def test_imports_register_converters(trtnn: Trtnn, folder: Path) -> None:
    from .files import write_keras

    write_keras(folder / "special.keras", last_class="SpecialForCli")
    ran = trtnn("build", "special.keras", *ONNX)
    assert ran.code == 1
    assert "out (SpecialForCli): no converter for SpecialForCli" in ran.err
    (folder / "special.py").write_text(
        "import trtnn\n\n"
        "@trtnn.keras_layer('SpecialForCli')\n"
        "def convert(layer):\n"
        "    kernel, bias = layer.take('kernel', 'bias')\n"
        "    return layer.fill(trtnn.Linear(*kernel.shape), kernel=kernel, bias=bias)\n"
    )
    ran = trtnn("build", "special.keras", *ONNX, "--import", "special")
    assert ran.code == 0, ran.err


def test_a_plan_for_several_profiles(trtnn: Trtnn, folder: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    ran = trtnn(
        *("build", "model.keras", "--target", "tensorrt-rtx", "--output", "net.plan", "--json"),
        *("--dim", "batch=1", "--optimization-profile", "batch=2,8,64", "--optimization-level", "0"),
        *("--workspace", "64MiB", "--tf32", "--compute-capability", "8.9"),
    )
    assert ran.code == 0, ran.err
    assert ran.json["profiles"] == [{"batch": [1, 1, 1]}, {"batch": [2, 8, 64]}]
    assert (folder / "net.plan").stat().st_size > 1000
    assert json.loads((folder / "net.plan.json").read_text())["target"] == "tensorrt-rtx"


def test_the_progress_of_a_build_is_shown_on_a_terminal(trtnn: Trtnn, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorrt_rtx")
    given = ("build", "model.keras", "--target", "tensorrt-rtx", "--optimization-level", "0", "-o", "net.plan")
    assert trtnn(*given).err == ""
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert "Building engine" in trtnn(*given).err


def test_a_dim_without_a_range_is_given_one_by_an_option(trtnn: Trtnn) -> None:
    given = ("--input", "x=rows,4", "--input", "index=int32[rows]", "-o", "net.plan")
    ran = trtnn("build", "nets:Two", "--target", "tensorrt-rtx", *given)
    assert ran.code == 1
    assert "error: rows: has no range, and TensorRT builds for one; give --dim rows=MIN,OPT,MAX\n" in ran.err


def test_a_folder_that_cannot_be_written_to_is_found_before_the_build(
    trtnn: Trtnn, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)  # rights do not stop root
    ran = trtnn("build", "missing.keras", *ONNX)
    assert (ran.code, ran.err) == (
        2,
        f"trtnn build: error: --output: the folder {folder.resolve()} cannot be written to\n",
    )


def test_nothing_is_kept_in_the_users_home(folder: Path) -> None:
    """ONNX Runtime would keep what it counts there."""
    (folder / "home").mkdir()
    kept = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    command = [sys.executable, "-m", "trtnn", "build", "model.keras", *ONNX]
    done = subprocess.run(command, env=kept | {"HOME": str(folder / "home")}, cwd=folder, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert list((folder / "home").iterdir()) == []


def test_a_further_profile_has_the_ranges_that_it_does_not_change(trtnn: Trtnn) -> None:
    ran = trtnn(
        *("build", "nets:Net", "--weights", "weights.npz", *ONNX, "--input", "x=batch,time,4", "--json"),
        *("--dim", "batch=1", "--dim", "time=8,9", "--optimization-profile", "batch=2,8,64"),
        *("--optimization-profile", "batch=5", "time=1,2,3"),
    )
    assert ran.json["profiles"] == [
        {"batch": [1, 1, 1], "time": [8, 9, 9]},
        {"batch": [2, 8, 64], "time": [8, 9, 9]},
        {"batch": [5, 5, 5], "time": [1, 2, 3]},
    ]


def test_every_option_of_every_target_has_its_own_on_the_command_line() -> None:
    automatic = {"progress"}  # a bar that shows on a terminal anyway
    known = set(TARGET_OPTIONS) | automatic
    for build in (build_onnxruntime, build_tensorrt):
        parameters = inspect.signature(build).parameters.values()
        assert {one.name for one in parameters if one.kind is one.KEYWORD_ONLY} <= known
    assert set(inspect.signature(compile_module).parameters) == {
        *("module", "inputs", "target", "dims", "fp16", "bf16", "int8", "fp8", "int4"),
        *("keep_fp32", "keep_fp16", "io_dtype", "quiet", "options"),
    }
