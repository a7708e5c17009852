"""Who we race against: the other ways to run a Keras model on a CPU, all from one model and pinned to the same threads.

    python -m benchmarks.resnet50         # once, writes the model's files
    python -m benchmarks.tf2onnx_route    # once, writes the ONNX file
    python -m benchmarks.peers 1 16       # races the peers at these batch sizes

Every peer takes and returns NumPy arrays, and must agree with Keras before it is timed. A peer whose library or file
is missing is left out, and the reason printed.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import resnet50
from benchmarks.common import THREADS, race, write_results
from benchmarks.tf2onnx_route import ONNX_FILE
from tests.oracle import assert_close, tensorflow

Float32 = NDArray[np.float32]
Peer = Callable[[Float32], Float32]


def keras_predict(model: Any) -> Peer:
    """``model.predict``."""
    return lambda images: model.predict(images, batch_size=len(images), verbose=0)


def tf_function(model: Any) -> Peer:
    """``tf.function``: a TensorFlow graph."""
    call = tensorflow(THREADS).function(lambda images: model(images, training=False))
    return lambda images: call(images).numpy()


def xla(model: Any) -> Peer:
    """``tf.function`` compiled by XLA."""
    call = tensorflow(THREADS).function(lambda images: model(images, training=False), jit_compile=True)
    return lambda images: call(images).numpy()


def tf2onnx_onnxruntime(model: Any, path: Path = ONNX_FILE) -> Peer:
    """tf2onnx's ONNX file in ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(onnx_file(path), options, providers=["CPUExecutionProvider"])
    (image,) = session.get_inputs()
    return lambda images: session.run(None, {image.name: images})[0]


def openvino(model: Any, path: Path = ONNX_FILE) -> Peer:
    """tf2onnx's ONNX file in OpenVINO, in f32 (its default is bf16 where the CPU has it)."""
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": THREADS, "PERFORMANCE_HINT": "LATENCY"}
    compiled = openvino.compile_model(onnx_file(path), "CPU", settings)
    return lambda images: compiled(images)[0].copy()  # what it returns is overwritten by the next call


def torch_eager(model: Any) -> Peer:
    """A ResNet-50 of PyTorch modules, eager."""
    import torch

    from benchmarks.torch_resnet50 import ResNet50

    torch.set_num_threads(THREADS)
    network = ResNet50(model).eval()

    def call(images: Float32) -> Float32:
        with torch.inference_mode():
            logits: Float32 = network(torch.from_numpy(images).permute(0, 3, 1, 2)).numpy()
        return logits

    return call


def onnx_file(path: Path) -> str:
    """The path of an ONNX file as text. Raises FileNotFoundError when it was not written yet."""
    if not path.exists():
        raise FileNotFoundError(f"{path.name} is not there: run python -m benchmarks.tf2onnx_route")
    return str(path)


PEERS: dict[str, Callable[[Any], Peer]] = {
    "tf2onnx + ONNX Runtime": tf2onnx_onnxruntime,
    "OpenVINO f32": openvino,
    "tf.function": tf_function,
    "XLA": xla,
    "torch eager": torch_eager,
    "Keras predict": keras_predict,
}


def available(model: Any) -> dict[str, Peer]:
    """The peers that can run here, each checked against the Keras model: within 1e-4 of the largest logit."""
    images = resnet50.images(2)
    want, peers = model(images, training=False).numpy(), {}
    for name, make in PEERS.items():
        try:
            peer = make(model)
        except (ImportError, FileNotFoundError) as error:
            print(f"{name}: left out, {error}")
            continue
        assert_close(peer(images), want, 1e-4)
        peers[name] = peer
    return peers


def race_at_batches(name: str, contestants: Mapping[str, Peer]) -> None:
    """Race the contestants at the batch sizes given on the command line, and write the results under a name."""
    races = []
    for batch in map(int, sys.argv[1:] or ("1", "16")):
        images = resnet50.images(batch)
        ready = {who: functools.partial(contestant, images) for who, contestant in contestants.items()}
        title, rounds, calls = f"ResNet-50, batch {batch}", max(7, 15 // batch), max(1, 3 // batch)
        races.append(race(ready, title=title, rounds=rounds, calls=calls))
        print(races[-1])
    write_results(name, races)


def main() -> None:
    """Race the peers at the batch sizes given on the command line."""
    race_at_batches("peers", available(resnet50.load()))


if __name__ == "__main__":
    main()
