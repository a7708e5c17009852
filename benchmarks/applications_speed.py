"""Applications of Keras on a CPU: our ONNX Runtime engine against the other ways to run the same file, in turns.

    python -m benchmarks.applications prepare          # once, writes the files
    python -m benchmarks.applications_speed [NAME ...]

A ratio above 1 means slower than trtnn. The goal: 1.0 at the least for ONNX Runtime on tf2onnx's model, everywhere.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

import trtnn as nn
from benchmarks import peers
from benchmarks.applications import NAMES, scale
from benchmarks.common import FILES, THREADS, Race, race, stored_results, write_results
from tests.oracle import assert_close, keras, varied_images

BATCHES = (1, 16)
STORED = "applications_speed"


def contestants(name: str, model: Any) -> dict[str, peers.Peer]:
    """Ours first, then the peers that can run here, each within 1e-4 of Keras."""
    ours = nn.from_keras(FILES / f"{name}.keras").compile(target="onnxruntime", threads=THREADS)
    onnx = FILES / f"{name}.onnx"
    found: dict[str, peers.Peer] = {"trtnn": ours}
    try:
        found["tf2onnx + ONNX Runtime"] = peers.tf2onnx_onnxruntime(model, onnx)
        found["OpenVINO f32"] = peers.openvino(model, onnx)
    except FileNotFoundError as error:  # tf2onnx could not make it
        print(f"{name}: tf2onnx's model is left out, {error}")
    found |= {
        "tf.function": peers.tf_function(model),
        "XLA": peers.xla(model),
        "Keras predict": peers.keras_predict(model),
    }
    images = pixels(name, model, 2)
    want = model(images, training=False).numpy()
    for peer in found.values():
        assert_close(peer(images), want, 1e-4)
    return found


def pixels(name: str, model: Any, batch: int) -> peers.Float32:
    """Images of the model's size and range."""
    return varied_images(np.random.default_rng(batch), batch, *model.input_shape[1:3]) * np.float32(scale(name))


def races(name: str) -> list[Race]:
    """One race per batch size."""
    model = keras(THREADS).models.load_model(FILES / f"{name}.keras")
    peers_of, results = contestants(name, model), []
    for batch in BATCHES:
        images = pixels(name, model, batch)
        calls = {title: functools.partial(peer, images) for title, peer in peers_of.items()}
        title, rounds, count = f"{name}, batch {batch}", max(7, 15 // batch), max(1, 3 // batch)
        results.append(race(calls, title=title, rounds=rounds, calls=count))
        print(results[-1])
    return results


def main(names: Sequence[str]) -> None:
    """Race the named applications and keep the stored results of the others."""
    others = [one for one in stored_results(STORED) if one.title.split(",")[0] not in names]
    raced = [*others, *(one for name in names for one in races(name))]
    write_results(STORED, sorted(raced, key=lambda one: NAMES.index(one.title.split(",")[0])))


if __name__ == "__main__":
    main(sys.argv[1:] or NAMES)
