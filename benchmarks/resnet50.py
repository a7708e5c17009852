"""The ResNet-50 that all benchmarks share: Keras's, with calibrated random weights, in the files each peer reads.

    python -m benchmarks.resnet50

writes into ``benchmarks/files``

- ``resnet50.keras``: the model as Keras saves it, with logits as its output;
- ``resnet50.ckpt*``: ``tf.train.Checkpoint`` of it;
- ``resnet50_folded/*.npy``: what a bare TensorRT script wants: OIHW kernels with the BatchNorm folded in, and biases.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import FILES, THREADS
from tests.oracle import calibrate, keras, logits_model, randomize, tensorflow, varied_images

KERAS_FILE = FILES / "resnet50.keras"
CHECKPOINT = FILES / "resnet50.ckpt"
FOLDED = FILES / "resnet50_folded"

Float32 = NDArray[np.float32]


def images(batch: int) -> Float32:
    """Images (batch, 224, 224, 3) to run the network on."""
    return varied_images(np.random.default_rng(batch), batch, 224, 224)


def load() -> Any:
    """The Keras model, written first if its files are not there yet."""
    tensorflow(THREADS)
    if not FOLDED.exists():
        write()
    return keras(THREADS).models.load_model(KERAS_FILE)


def write() -> None:
    """Make the model and write all of its files."""
    tf, rng = tensorflow(THREADS), np.random.default_rng(50)
    model = logits_model(keras(THREADS).applications.ResNet50)
    randomize(model, rng)
    calibrate(model, varied_images(rng, 16, 224, 224))
    FILES.mkdir(exist_ok=True)
    model.save(KERAS_FILE)
    tf.train.Checkpoint(model=model).write(str(CHECKPOINT))
    FOLDED.mkdir(exist_ok=True)
    for name, array in folded_weights(model).items():
        np.save(FOLDED / f"{name}.npy", array)


def folded_weights(model: Any) -> dict[str, Float32]:
    """``<layer>.kernel`` (out, in, height, width) and ``<layer>.bias`` of every convolution, its BatchNorm folded in.

    ``predictions.kernel`` is (in, out).
    """
    folded = {}
    for layer in model.layers:
        if layer.name.endswith("_conv"):
            kernel, bias = (weight.numpy() for weight in layer.weights)
            norm = model.get_layer(layer.name.removesuffix("_conv") + "_bn")
            gamma, beta, mean, variance = (weight.numpy() for weight in norm.weights)
            scale = gamma / np.sqrt(variance + norm.epsilon)
            folded[f"{layer.name}.kernel"] = np.ascontiguousarray((kernel * scale).transpose(3, 2, 0, 1))
            folded[f"{layer.name}.bias"] = (bias - mean) * scale + beta
    predictions = model.get_layer("predictions")
    folded["predictions.kernel"] = predictions.kernel.numpy()
    folded["predictions.bias"] = predictions.bias.numpy()
    return folded


if __name__ == "__main__":
    write()
