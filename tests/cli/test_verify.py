"""``trtnn verify``: the table, and the exit code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from .conftest import Trtnn
from .files import expected, samples


def test_half_precision_passes(trtnn: Trtnn) -> None:
    ran = trtnn("verify", "model.keras", "--fp16", "--size", "batch=4")
    assert ran.code == 0, ran.err
    assert "passed: the largest relative error of an output is" in ran.out
    assert "hidden" in ran.out


def test_beyond_the_tolerance_is_1(trtnn: Trtnn) -> None:
    ran = trtnn("verify", "model.keras", "--bf16", "--tolerance", "1e-6")
    assert ran.code == 1
    assert "failed: the largest relative error of an output is" in ran.out


def test_each_precision_by_itself(trtnn: Trtnn) -> None:
    ran = trtnn("verify", "model.keras", "--each", "--fp16", "--bf16", "--int8", "samples.npy", "--json")
    reports = ran.json["reports"]
    assert [report["precision"].split(" ")[0] for report in reports] == ["float16", "bfloat16", "int8"]
    worst = [max(row["relative"] for row in report["rows"]) for report in reports]
    assert 0 < worst[0] < min(worst[1:])
    assert ran.code == (0 if all(report["passed"] for report in reports) else 1)


def test_one_precision_beyond_the_tolerance_is_enough(trtnn: Trtnn) -> None:
    ran = trtnn("verify", "model.keras", "--each", "--fp16", "--bf16", "--tolerance", "0.0015", "--json")
    assert [report["passed"] for report in ran.json["reports"]] == [True, False]
    assert ran.code == 1


def test_given_inputs_and_a_reference(trtnn: Trtnn, folder: Path) -> None:
    np.savez(folder / "held_out.npz", images=samples(), labels=np.zeros(16), wanted=expected(samples()))
    given = ("verify", "nets:Net", "--weights", "weights.npz", "--inputs", "held_out.npz:images")
    ran = trtnn(*given, "--reference", "held_out.npz:wanted", "--tolerance", "1e-5", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["reports"][0]["reference"] == "the reference"
    np.save(folder / "wrong.npy", expected(samples()) + 1)
    assert trtnn(*given, "--reference", "wrong.npy").code == 1


def test_several_inputs_of_several_types(trtnn: Trtnn, folder: Path) -> None:
    assert trtnn("verify", "nets:Two", "--tolerance", "0").code == 0
    np.savez(folder / "two.npz", x=samples(3), index=np.arange(3, dtype=np.int32))
    ran = trtnn("verify", "nets:Two", "--inputs", "two.npz", "--tolerance", "0")
    assert ran.code == 0, ran.err


def test_sizes_of_random_inputs(trtnn: Trtnn) -> None:
    free = ("verify", "nets:Net", "--weights", "weights.npz", "--input", "x=batch,time,4")
    ran = trtnn(*free)
    assert ran.code == 2
    assert "time has no size to run at: give --size time=N" in ran.err
    assert trtnn(*free, "--size", "time=5", "--size", "batch=2", "--tolerance", "1e-5").code == 0
    assert trtnn(*free, "--dim", "time=2,3,4", "--tolerance", "1e-5").code == 0


def test_pictures_of_several_precisions_have_names_of_their_own(trtnn: Trtnn, folder: Path) -> None:
    pytest.importorskip("matplotlib")
    trtnn("verify", "model.keras", "--each", "--fp16", "--bf16", "--plot", "errors.svg")
    assert sorted(path.name for path in folder.glob("*.svg")) == ["errors-bfloat16.svg", "errors-float16.svg"]


def test_the_plan_itself_is_compared(trtnn: Trtnn) -> None:
    pytest.importorskip("tensorrt_rtx")
    ran = trtnn("verify", "model.keras", "--target", "tensorrt-rtx", "--optimization-level", "0", "--tolerance", "1e-4")
    assert ran.code == 0, ran.err + ran.out
