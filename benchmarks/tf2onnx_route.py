"""The road most people take today: a Keras file, by tf2onnx to ONNX, by TensorRT's ONNX parser to a plan.

    python -m benchmarks.resnet50         # once, writes the Keras file
    python -m benchmarks.tf2onnx_route

takes about 40 s and 7 GB. It prints the seconds of every phase, and the peak memory after each and at the end, as one
line of JSON, stores them in ``results/tf2onnx_route.json``, and leaves ``files/resnet50.onnx`` for the peers.
"""

from __future__ import annotations

import json
import time
from typing import Any

from benchmarks.common import FILES, RESULTS, THREADS, machine, peak_mb

KERAS_FILE = FILES / "resnet50.keras"
ONNX_FILE = FILES / "resnet50.onnx"
RESULT = RESULTS / "tf2onnx_route.json"
OPSET = 17


class Phases:
    """Seconds and peak memory of phase after phase."""

    def __init__(self) -> None:
        self.start = self.last = time.perf_counter()
        self.reached: dict[str, float] = {}

    def done(self, name: str) -> None:
        """The phase ``name`` ends now."""
        now = time.perf_counter()
        self.reached |= {f"{name}_s": round(now - self.last, 3), f"peak_after_{name}_mb": round(peak_mb(), 1)}
        self.last = now


def convert(model: Any) -> bytes:
    """An ONNX model of a Keras 3 model, which tf2onnx takes as a tf.function only (``from_keras`` knows Keras 2)."""
    import tensorflow as tf
    import tf2onnx

    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name="image")]
    function = tf.function(lambda image: model(image, training=False), input_signature=signature)
    proto, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=OPSET)
    _restore_constants(proto, function.get_concrete_function(*signature))
    data: bytes = proto.SerializeToString()
    return data


def _restore_constants(proto: Any, function: Any) -> None:
    """Gives the constants back that tf2onnx made inputs of, such as the mean of a Normalization layer."""
    from onnx import numpy_helper

    captured = {inner.name: outer for outer, inner in function.graph.captures}
    lost = [one for one in proto.graph.input if one.name in captured]
    for one in lost:
        proto.graph.input.remove(one)
        proto.graph.initializer.append(numpy_helper.from_array(captured[one.name].numpy(), one.name))


def build(onnx_model: bytes, phases: Phases) -> Any:
    """The plan that TensorRT-RTX makes of an ONNX model with an input ``image`` (batch, 224, 224, 3), batch 1 to 16.

    Raises RuntimeError with the parser's or the builder's complaint.
    """
    import tensorrt_rtx as trt

    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(onnx_model):
        raise RuntimeError(f"the ONNX parser: {parser.get_error(0).desc()}")
    phases.done("parse")
    config, profile = builder.create_builder_config(), builder.create_optimization_profile()
    profile.set_shape("image", *((batch, 224, 224, 3) for batch in (1, 8, 16)))
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise RuntimeError("TensorRT made no plan; its messages are above")
    phases.done("build")
    return plan


def main() -> None:
    """Go the whole way and print what it took."""
    phases = Phases()
    from tests.oracle import keras

    library = keras(THREADS)
    phases.done("import")
    model = library.models.load_model(KERAS_FILE)
    phases.done("load")
    onnx_model = convert(model)
    phases.done("tf2onnx")
    ONNX_FILE.write_bytes(onnx_model)
    phases.done("write")
    plan = build(onnx_model, phases)
    wall = {"wall_s": round(phases.last - phases.start, 3), "peak_mb": round(peak_mb(), 1)}
    said = {**wall, **phases.reached, "plan_mb": round(plan.nbytes / 1e6, 1), "machine": machine()}
    print(json.dumps(said))
    RESULT.write_text(json.dumps(said, indent=2) + "\n")


if __name__ == "__main__":
    main()
