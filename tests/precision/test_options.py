"""Precision options that contradict each other, or name what is not there."""

from __future__ import annotations

from typing import Any

import pytest

import trtnn as nn
import trtnn.functional as F
from precision.networks import Residual, filled, images
from trtnn.errors import ArgumentError, UnsupportedError


class Adding(nn.Module):
    """A network with nothing to quantize."""

    def forward(self, x: nn.Tensor = nn.Input("batch", 3)) -> nn.Tensor:
        return F.relu(x + 1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fp16": True, "bf16": True}, r"compile: expected fp16=True or bf16=True, got both; choose one half type"),
        ({"fp16": 1}, "fp16: expected True or False, got 1"),
        ({"int8": images(8)}, r"int8: expected a trtnn\.Calibration, got array"),
        ({"int8": True}, r"got True; int8=trtnn\.Calibration\(data\), where data yields the network's inputs"),
        (
            {"fp16": True, "keep_fp32": ["frist"]},
            r"keep_fp32: expected patterns of module paths of the network, got 'frist'; did you mean first",
        ),
        ({"fp16": True, "keep_fp32": "encoder.*"}, "got 'encoder.*'; its modules are first, "),
        ({"keep_fp32": ["head"]}, "keep_fp32: expected keep_fp32 together with fp16=, bf16= or int8=, got a float32"),
        ({"fp16": True, "keep_fp16": ["head"]}, "keep_fp16: expected keep_fp16 together with int8=, which it leaves"),
        ({"fp16": True, "keep_fp32": [3]}, r'keep_fp32: expected module paths or patterns, such as \["encoder\.\*"\]'),
        ({"fp16": True, "io_dtype": "int8"}, "io_dtype: expected float32 or float16 or bfloat16, got int8"),
    ],
)
def test_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        filled(Residual()).compile(target="onnxruntime", **options)


def test_onnx_runtime_takes_no_bfloat16_arrays() -> None:
    with pytest.raises(
        UnsupportedError, match='io_dtype: ONNX Runtime takes no bfloat16 arrays; use io_dtype="float16"'
    ):
        filled(Residual()).compile(target="onnxruntime", bf16=True, io_dtype="bfloat16")


def test_nothing_to_quantize() -> None:
    with pytest.raises(ArgumentError, match="int8: Adding has no convolution and no linear layer to quantize"):
        Adding().compile(target="onnxruntime", int8=nn.Calibration([]))
    with pytest.warns(nn.PrecisionWarning, match="keep_fp32 and keep_fp16 leave nothing to quantize"):
        filled(Residual()).compile(target="onnxruntime", int8=nn.Calibration(images(8)), keep_fp32="*")


def test_a_misspelt_option_is_corrected() -> None:
    with pytest.raises(ArgumentError, match="got 'fp_16'; did you mean fp16"):
        filled(Residual()).compile(target="onnxruntime", fp_16=True)
