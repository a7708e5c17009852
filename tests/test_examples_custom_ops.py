"""The examples of custom ops, as a user starts them: in their own process, from another folder, without TensorFlow."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from custom_ops.deformable_conv import DeformableConv
from custom_ops.detector import NonMaximumSuppression, detector, squares
from oracle import tensorflow

import trtnn as nn
from trtnn.backends.tensorrt.library import available
from trtnn.custom import custom_of

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "custom_ops"
WITHOUT = (
    "import runpy, sys; sys.modules.update(dict.fromkeys({missing})); runpy.run_path({script!r}, run_name='__main__')"
)


def output(name: str, folder: Path, *missing: str) -> str:
    """What an example prints where these modules cannot be imported."""
    program = WITHOUT.format(missing=("tensorflow", "keras", *missing), script=str(EXAMPLES / f"{name}.py"))
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def test_bias_swish(tmp_path: Path) -> None:
    text = output("bias_swish", tmp_path)
    assert text.startswith("examples::bias_swish(beta=1.5) against its decomposition in float64\n")
    assert "custom=examples::bias_swish beta=1.5 : f32[batch, 16, 16, 32]" in text
    if available("tensorrt-rtx"):
        assert float(re.findall(r"largest difference from it (.*)$", text, re.M)[0]) < 1e-5


def test_without_tensorrt(tmp_path: Path) -> None:
    text = output("bias_swish", tmp_path, "tensorrt_rtx")
    assert text.endswith('TensorRT-RTX is not installed: pip install "trtnn[rtx]"\n')


def test_deformable_conv(tmp_path: Path) -> None:
    text = output("deformable_conv", tmp_path)
    assert float(re.findall(r"from an ordinary convolution: (.*)$", text, re.M)[0]) < 1e-4
    assert float(re.findall(r"with offsets of its own: (.*)$", text, re.M)[0]) > 1


@pytest.mark.skipif(not available("tensorrt-rtx"), reason="needs TensorRT-RTX")
def test_detector(tmp_path: Path) -> None:
    text = output("detector", tmp_path)
    assert re.findall(r"^  (\w+) +1.00 at (.*)$", text, re.M) == [
        ("red", "3, 6, 8, 11"),
        ("green", "10, 38, 15, 43"),
        ("blue", "12, 18, 17, 23"),
    ]
    assert "\n0 boxes\n" in text
    assert "whose results have sizes that only running it tells; give them a fixed size, with a count beside" in text


def test_suppression_as_tensorflow_does_it() -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 20, (200, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(1, 8, (200, 2))], 1).astype(np.float32)
    scores = rng.uniform(size=200).astype(np.float32)
    for overlap, least, limit in ((0.3, 0.5, 100), (0.7, 0.0, 7), (0.1, 2.0, 5)):
        op = custom_of(NonMaximumSuppression(overlap=overlap, least=least, limit=limit))
        wanted = tensorflow().image.non_max_suppression(boxes, scores, limit, overlap, least)
        np.testing.assert_array_equal(op.reference(boxes, scores)[0], wanted)


def test_a_detector_for_any_image() -> None:
    engine = detector().compile(target="onnxruntime")
    for places, size in (([(4, 4, 0), (20, 30, 2)], (30, 40)), ([], (9, 9)), ([(5, 5, 1)], (11, 12))):
        found = engine(squares(places, *size))
        assert len(found["boxes"]) == len(places)
        assert sorted(found["classes"].argmax(1)) == sorted(colour for *_, colour in places)


def test_deformable_with_a_stride_and_no_padding() -> None:
    rng = np.random.default_rng(0)
    x, kernel = (rng.normal(size=shape).astype(np.float32) for shape in ((2, 9, 8, 3), (3, 2, 3, 4)))
    offsets = rng.normal(size=(2, 4, 4, 12)).astype(np.float32)
    weights = rng.uniform(size=(2, 4, 4, 6)).astype(np.float32)
    assert len(nn.custom.check(DeformableConv(stride=2, padding=0), x, offsets, weights, kernel).rows) == 3
    (plain,) = custom_of(DeformableConv(stride=2, padding=0)).reference(x, offsets * 0, weights * 0 + 1, kernel)
    np.testing.assert_allclose(plain, tensorflow().nn.conv2d(x, kernel, 2, "VALID"), atol=1e-4)
