"""The examples as a user starts them: in their own process, from another folder, without TensorFlow."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

DIGITS = Path(__file__).resolve().parent.parent / "examples" / "digits" / "run.py"
WITHOUT = (
    "import runpy, sys; sys.modules.update(dict.fromkeys({missing})); runpy.run_path({script!r}, run_name='__main__')"
)


def output_without(missing: tuple[str, ...], folder: Path) -> str:
    """What the digits example prints where these modules cannot be imported."""
    program = WITHOUT.format(missing=missing, script=str(DIGITS))
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def relative_differences(text: str) -> dict[str, float]:
    """The printed relative differences from TensorFlow, by what ran."""
    return {name: float(number) for name, number in re.findall(r"^(.*): largest .* \((.*) relative\)$", text, re.M)}


def test_digits_runs_without_tensorflow(tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    text = output_without(("tensorflow", "keras"), tmp_path)
    assert text.startswith("digits.ckpt: 16 of 16 parameters loaded, 0 missing, 27 ignored (")
    assert "held-out accuracy: 98.89% of 360 images" in text
    differences = relative_differences(text)
    assert list(differences) == ["onnxruntime", "tensorrt-rtx, simulated"]
    assert max(differences.values()) <= 1e-5


def test_digits_says_how_to_install_what_is_missing(tmp_path: Path) -> None:
    text = output_without(("tensorflow", "tensorrt_rtx"), tmp_path)
    assert list(relative_differences(text)) == ["onnxruntime"]
    assert text.endswith('TensorRT-RTX is not installed: pip install "trtnn[rtx]"\n')
