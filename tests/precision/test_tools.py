"""`verify` and `find_precision`: their numbers, texts, pictures and bad input."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ops.harness import TARGETS

import trtnn as nn
from precision.networks import Residual, filled, images
from trtnn.errors import ArgumentError, InputError, LibraryError
from trtnn.precision.report import ErrorRow


def calibration() -> nn.Calibration:
    return nn.Calibration(images(16), "minmax")


def test_a_row_of_numbers_worked_out_by_hand() -> None:
    row = ErrorRow.of("conv", "conv.conv", np.array([1.0, 2.5, -4.0]), np.array([1.0, 2.0, -4.0]))
    assert (row.max_abs, row.relative, row.overflows) == (0.5, 0.125, 0)
    assert row.snr == pytest.approx(10 * np.log10(21 / 0.25))
    assert ErrorRow.of("a", "a", np.ones(2), np.ones(2)).snr == np.inf
    over = ErrorRow.of("a", "a", np.array([np.inf, np.nan, 3, np.inf]), np.array([1, 2, 3, np.inf]))
    assert (over.overflows, over.relative, over.snr) == (2, np.inf, -np.inf)


@pytest.mark.parametrize("options", [{"fp16": True}, {"bf16": True}, {"int8": True}, {"int8": True, "fp16": True}])
def test_every_module_is_compared(options: dict[str, Any]) -> None:
    options = {name: calibration() if name == "int8" else value for name, value in options.items()}
    model, x = filled(Residual()), images(4, seed=3)
    report = nn.verify(model, x, **options, tolerance=0.5)
    assert {row.path for row in report.modules} == {"first", "second", "shortcut", "head", "(forward)"}
    assert all(0 < row.relative < 0.5 and 0 < row.snr < 120 for row in report.modules), report
    plain, engine = (model.compile(target="onnxruntime", **one) for one in ({}, options))
    (output,) = report.outputs
    assert output.max_abs == pytest.approx(np.abs(engine(x).astype(float) - plain(x)).max())
    assert report.first_wrong is None and report.is_within_tolerance
    lines = str(report).splitlines()
    assert lines[0].startswith(engine.precision) and lines[1].split() == [
        "module",
        "max",
        "abs",
        "relative",
        "SNR",
        "dB",
        "overflows",
    ]
    assert lines[-1] == "all modules are within 50%"
    assert [row["kind"] for row in report.as_dicts()] == ["module"] * 5 + ["output"]


def test_float32_against_itself_is_exact_and_a_reference_may_come_from_elsewhere() -> None:
    model, x = filled(Residual()), images(4)
    report = nn.verify(model, x)
    assert [row.max_abs for row in (*report.modules, *report.outputs)] == [0] * 6
    saved = model.compile(target="onnxruntime")(x)
    for reference in (saved + 1, [saved + 1], {"output": saved + 1}):
        against = nn.verify(model, x, reference=reference)
        assert against.outputs[0].max_abs == pytest.approx(1, rel=1e-5) and against.reference == "the reference"
    with pytest.raises(ArgumentError, match=r"reference: expected output \(4, 5\), got output \(4, 4\)"):
        nn.verify(model, x, reference=saved[:, :4])


@pytest.mark.skipif("tensorrt-rtx" not in TARGETS, reason="tensorrt_rtx is not installed")
def test_a_tensorrt_engine_is_simulated() -> None:
    model, x = filled(Residual()), images(2)
    report = nn.verify(
        model, x, fp16=True, int8=calibration(), target="tensorrt-rtx", dims={"batch": 2}, io_dtype="float16"
    )
    assert report.precision == "int8 + float16, float16 inputs and outputs"
    assert 1e-4 < report.outputs[0].relative < 0.06 and len(report.modules) == 5


def test_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = nn.verify(filled(Residual()), images(2), int8=calibration())
    assert report.plot(tmp_path / "errors.png").read_bytes().startswith(b"\x89PNG")
    drawn = report.plot(tmp_path / "errors.svg").read_text()
    assert "<svg" in drawn
    with pytest.raises(ArgumentError, match=r"path: .* that ends in \.png or \.svg or \.pdf, got 'errors\.bmp'"):
        report.plot("errors.bmp")
    real = builtins.__import__

    def without_matplotlib(name: str, *arguments: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without_matplotlib)
    with pytest.raises(LibraryError, match=r'matplotlib is not installed: pip install "trtnn\[plot\]"'):
        report.plot(tmp_path / "none.png")


def test_wrong_inputs_are_the_engines_errors() -> None:
    with pytest.raises(InputError, match="image: expected shape"):
        nn.verify(filled(Residual()), images(2, size=9), fp16=True)


def test_an_engine_is_not_what_verify_takes() -> None:
    engine: Any = filled(Residual()).compile(target="onnxruntime")
    with pytest.raises(ArgumentError, match="expected a module and the options of compile, got OnnxRuntimeEngine"):
        nn.verify(engine, images(1))


def test_the_result_holds_and_no_module_of_it_can_be_left_out() -> None:
    model, data, tolerance = filled(Residual()), [images(4, seed) for seed in (1, 2)], 3e-4
    said: list[str] = []
    keep = nn.find_precision(model, data, tolerance=tolerance, fp16=True, say=said.append)

    def worst(kept: list[str]) -> float:
        plain = model.compile(target="onnxruntime")
        engine = model.compile(target="onnxruntime", fp16=True, keep_fp32=kept)
        return max(np.abs(engine(x) - plain(x)).max() / np.abs(plain(x)).max() for x in data)

    assert worst([]) > tolerance and keep
    assert worst(keep) <= tolerance
    assert all(worst([other for other in keep if other != path]) > tolerance for path in keep)
    assert len([line for line in said if line.startswith("only ")]) == 5


def test_a_metric_takes_the_place_of_the_error() -> None:
    model, x = filled(Residual()), images(16)
    best = model.compile(target="onnxruntime")(x).argmax(1)

    def accuracy(engine: nn.Engine) -> float:
        return float((engine(x).argmax(1) == best).mean())

    keep = nn.find_precision(model, [x], tolerance=0.0, metric=accuracy, int8=calibration(), say=lambda line: None)
    assert accuracy(model.compile(target="onnxruntime", int8=calibration(), keep_fp32=keep)) == 1


def test_what_cannot_be_found() -> None:
    model = filled(Residual())
    with pytest.raises(ArgumentError, match="data: expected at least one input, got none"):
        nn.find_precision(model, [], tolerance=0.1)
    with pytest.raises(
        ArgumentError, match="tolerance: expected one that holds when all modules stay float32, got -1,"
    ):
        nn.find_precision(model, [images(1)], tolerance=-1, say=lambda line: None)
