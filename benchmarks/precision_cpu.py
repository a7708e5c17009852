"""int8 on the CPU: our engine against itself in float32, and ONNX Runtime's ``quantize_static`` on tf2onnx's model.

All in one process and in turns; and the error of each against the float32 network.

    python -m benchmarks.resnet50         # once, writes the model's files
    python -m benchmarks.tf2onnx_route    # once, writes the ONNX file
    python -m benchmarks.precision_cpu 1 16

Both calibrate on the same images with the method "minmax", ``quantize_static``'s default. A ratio above 1 means slower
than our int8.
"""

from __future__ import annotations

import functools
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

import trtnn as nn
from benchmarks import resnet50
from benchmarks.common import FILES, RESULTS, THREADS, race, write_results
from examples.resnet50 import ResNet50
from tests.oracle import relative_error, varied_images

ONNX_FILE = FILES / "resnet50.onnx"
SAMPLES = 16
Contestant = Callable[[np.ndarray], np.ndarray]


class Reader(CalibrationDataReader):
    """The calibration images one by one, as ``quantize_static`` wants them."""

    def __init__(self, name: str, images: np.ndarray) -> None:
        self._feeds: Iterator[dict[str, np.ndarray]] = ({name: image[None]} for image in images)

    def get_next(self) -> Any:
        return next(self._feeds, None)


def quantized_by_onnx_runtime(images: np.ndarray, **options: Any) -> Contestant:
    """tf2onnx's model after ``quantize_static``, in a session of its own."""
    source = ort.InferenceSession(str(ONNX_FILE), providers=["CPUExecutionProvider"])
    name = source.get_inputs()[0].name
    del source
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "int8.onnx"
        quantize_static(str(ONNX_FILE), str(written), Reader(name, images), **options)
        settings = ort.SessionOptions()
        settings.intra_op_num_threads = THREADS
        settings.log_severity_level = 3
        session = ort.InferenceSession(str(written), settings, providers=["CPUExecutionProvider"])
    return lambda batch: session.run(None, {name: batch})[0]


def contestants() -> dict[str, Contestant]:
    """Everybody by name, our int8 first."""
    images = varied_images(np.random.default_rng(1), SAMPLES, 224, 224)
    model: Any = ResNet50(logits=True)
    model.load_weights(resnet50.CHECKPOINT)
    compiled = functools.partial(model.compile, target="onnxruntime", threads=THREADS)
    return {
        "trtnn int8": compiled(int8=nn.Calibration(images, "minmax")),
        "trtnn float32": compiled(),
        "quantize_static, its defaults": quantized_by_onnx_runtime(images),
        "quantize_static, uint8, per channel": quantized_by_onnx_runtime(
            images, activation_type=QuantType.QUInt8, per_channel=True
        ),
    }


def main() -> None:
    """Compare the errors, then race at the batch sizes given on the command line."""
    everybody = contestants()
    unseen = varied_images(np.random.default_rng(2), 8, 224, 224)
    want = everybody["trtnn float32"](unseen)
    errors = {name: relative_error(call(unseen), want) for name, call in everybody.items() if "float32" not in name}
    for name, error in errors.items():
        print(f"{name}: relative error {error:.4f}")
    races = []
    for batch in map(int, sys.argv[1:] or ("1", "16")):
        images = resnet50.images(batch)
        calls = {name: functools.partial(call, images) for name, call in everybody.items()}
        races.append(race(calls, title=f"ResNet-50 int8, batch {batch}", rounds=max(7, 15 // batch)))
        print(races[-1])
    write_results("precision_cpu", races)
    (RESULTS / "precision_cpu_errors.json").write_text(json.dumps(errors, indent=1) + "\n")


if __name__ == "__main__":
    main()
