"""``trtnn inspect`` on every kind of file."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import pytest

from .conftest import Trtnn
from .files import write_keras

BUILD = ("build", "model.keras", "--target", "onnxruntime", "--output", "net.onnx", "--dim", "batch=1,8,64")


def test_weights_are_a_table_with_totals(trtnn: Trtnn) -> None:
    ran = trtnn("inspect", "weights.npz")
    lines = ran.out.splitlines()
    assert ran.code == 0
    assert lines[0] == "weights.npz: 4 variables, 23 values, 92 B"
    assert "hidden/kernel  (4, 3)  float32      12" in lines
    document = trtnn("inspect", "weights.npz", "--json").json
    assert (document["kind"], document["values"], document["bytes"]) == ("weights", 23, 92)
    assert {"name": "out/bias", "shape": [2], "dtype": "float32"} in document["variables"]


def test_a_checkpoint_goes_by_its_prefix(trtnn: Trtnn) -> None:
    prefix = Path(__file__).parents[2] / "examples" / "digits" / "checkpoint" / "digits.ckpt"
    document = trtnn("inspect", str(prefix), "--json").json
    assert {"name": "global_step", "shape": [], "dtype": "int64"} in document["variables"]


def test_a_keras_file_is_shown_layer_by_layer(trtnn: Trtnn) -> None:
    ran = trtnn("inspect", "model.keras")
    assert ran.code == 0
    assert ran.out.startswith("model.keras: Keras model tiny, which trtnn can convert\n")
    assert "x: f32[batch, 4]\n" in ran.out
    assert "23 parameters" in ran.out
    document = trtnn("inspect", "model.keras", "--json").json
    assert document["parameters"] == 23
    assert [layer["name"] for layer in document["layers"]] == ["hidden", "out"]


def test_a_keras_file_that_cannot_be_converted_is_shown_with_the_reason(trtnn: Trtnn, folder: Path) -> None:
    write_keras(folder / "special.keras", last_class="Lambda")
    ran = trtnn("inspect", "special.keras")
    assert ran.code == 1
    assert "out     Lambda" in ran.out
    assert "no converter for Lambda (its code is not in the file as data, and code from a file is never run)" in ran.out
    document = trtnn("inspect", "special.keras", "--json").json
    assert document["convertible"] is False
    assert {"name": "out", "class": "Lambda"} in document["layers"]


def test_an_engine_is_what_its_sidecar_says(trtnn: Trtnn, folder: Path) -> None:
    assert trtnn(*BUILD).code == 0
    ran = trtnn("inspect", "net.onnx")
    assert ran.code == 0
    assert "sizes       batch 1 to 64, best at 8\n" in ran.out
    assert "here        can be loaded\n" in ran.out
    document = trtnn("inspect", "net.onnx", "--json").json
    assert document["sidecar"] and document["loads"]
    assert (document["target"], document["library"]["name"]) == ("onnxruntime", "onnxruntime")


def test_what_was_not_counted_is_said_without_python(trtnn: Trtnn) -> None:
    assert trtnn("build", "nets:Two", *BUILD[2:6], "--input", "x=batch,width").code == 0
    assert trtnn("inspect", "net.onnx").out.endswith("not counted: what depends on width\n")


def test_an_engine_without_a_sidecar_is_what_the_file_says(trtnn: Trtnn, folder: Path) -> None:
    assert trtnn(*BUILD).code == 0
    (folder / "net.onnx.json").unlink()
    ran = trtnn("inspect", "net.onnx")
    assert (ran.code, ran.err) == (0, "")
    assert "none: there is no net.onnx.json" in ran.out
    assert trtnn("inspect", "net.onnx", "--json").json["sidecar"] is False


def test_an_engine_that_does_not_fit_says_why(trtnn: Trtnn, folder: Path) -> None:
    assert trtnn(*BUILD).code == 0
    (folder / "net.onnx").write_bytes(b"cut short")
    ran = trtnn("inspect", "net.onnx")
    assert "here        can be loaded" not in ran.out
    document = trtnn("inspect", "net.onnx", "--json").json
    assert not document["loads"]
    assert "net.onnx" in document["problem"]


def test_a_plan_shows_what_it_was_built_for(trtnn: Trtnn, folder: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    target = ("--target", "tensorrt-rtx", "--output", "net.plan", "--optimization-level", "0")
    assert trtnn("build", "model.keras", *target).code == 0
    document = trtnn("inspect", "net.plan", "--json").json
    assert (document["target"], document["profiles"]) == ("tensorrt-rtx", [{"batch": [1, 1, 16]}])
    assert document["machine"]["system"] == platform.system()
    (folder / "net.plan.json").unlink()
    assert "none: there is no net.plan.json" in trtnn("inspect", "net.plan").out


def test_a_plan_whose_library_nobody_knows(trtnn: Trtnn, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "bare.plan").write_bytes(b"vtrt")
    monkeypatch.setattr("trtnn.saving.load._is_installed", lambda target: True)
    said = "its name does not tell which library it is for; give --target: onnxruntime, tensorrt, tensorrt-rtx"
    assert said in trtnn("inspect", "bare.plan").out
    assert said in trtnn("bench", "bare.plan").err
    ran = trtnn("inspect", "bare.plan", "--target", "tensorrt-rtx")
    assert ran.code == 0
    assert "its name does not tell" not in ran.out


def test_values_of_unknown_size_are_not_counted_as_bytes(trtnn: Trtnn, folder: Path) -> None:
    np.savez(folder / "empty.npz")
    assert trtnn("inspect", "empty.npz").out.startswith("empty.npz: 0 variables, 0 values, 0 B")
