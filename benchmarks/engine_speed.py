"""Our ONNX Runtime engine against the other ways to run a Keras ResNet-50 on a CPU, in one process and in turns.

    python -m benchmarks.resnet50         # once, writes the model's files
    python -m benchmarks.tf2onnx_route    # once, writes the ONNX file
    python -m benchmarks.engine_speed 1 16

A ratio above 1 means slower than trtnn. The goal: 1.0 at the least for ONNX Runtime on tf2onnx's model.
"""

from __future__ import annotations

from benchmarks import peers, resnet50
from benchmarks.common import THREADS
from examples.resnet50 import ResNet50
from tests.oracle import assert_close


def trtnn_engine() -> peers.Peer:
    """``examples/resnet50.py`` with the weights of Keras's checkpoint, on ONNX Runtime."""
    model = ResNet50(logits=True)
    model.load_weights(resnet50.CHECKPOINT)
    return model.compile(target="onnxruntime", threads=THREADS)


def main() -> None:
    """Race everybody at the batch sizes given on the command line."""
    model, ours = resnet50.load(), trtnn_engine()
    images = resnet50.images(2)
    assert_close(ours(images), model(images, training=False).numpy(), 1e-4)
    peers.race_at_batches("engine_speed", {"trtnn": ours, **peers.available(model)})


if __name__ == "__main__":
    main()
