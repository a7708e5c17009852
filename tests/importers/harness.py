"""The harness of the importer's tests: a Keras model is saved, imported, and compared with itself.

Weights are random. `check` runs the import on ONNX Runtime and, where that is asked for, simulates the network that
TensorRT-RTX built. Floats must agree to 1e-5 of the largest one, everything else exactly.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ops.harness import compare, results
from oracle import keras, randomize

from trtnn.backends.tensorrt.library import available
from trtnn.graph import verify
from trtnn.importers.keras import KerasModel, from_keras
from trtnn.passes import lower

Arrays = Sequence[np.ndarray]


def data(*shape: int, dtype: str = "float32", high: int = 5, seed: int = 0) -> np.ndarray:
    """Random values of about unit scale, or integers below ``high``; the same for the same arguments."""
    rng = np.random.default_rng([seed, zlib.crc32(str(shape).encode())])
    if dtype == "bool":
        return rng.random(shape) < 0.5
    if dtype.startswith(("int", "uint")):
        return rng.integers(0, high, shape).astype(dtype)
    return rng.normal(0, 1, shape).astype(dtype)


def functional(layer: Any, *shapes: Sequence[int | None], dtype: str = "float32", **call: Any) -> Any:
    """A model that calls one layer, on a list if there are several inputs."""
    library = keras()
    inputs = [library.Input(tuple(shape), dtype=dtype) for shape in shapes]
    return library.Model(inputs, layer(inputs if len(inputs) > 1 else inputs[0], **call))


def imported(model: Any, folder: Path, name: str = "model.keras") -> KerasModel:
    """The model after a round trip through a file, with random weights."""
    randomize(model, np.random.default_rng(0))
    path = folder / name
    model.save(path)
    return from_keras(path)


def check(
    model: Any, folder: Path, *calls: Arrays, simulate: bool = False, name: str = "model.keras", rtol: float = 1e-5
) -> Any:
    """Demands that the import gives what the model gives for every call; returns the import."""
    ours = imported(model, folder, name)
    agree(ours, model, *calls, simulate=simulate, rtol=rtol)
    return ours


def agree(ours: KerasModel, model: Any, *calls: Arrays, simulate: bool = False, rtol: float = 1e-5) -> None:
    """Demands that both give the same for every call."""
    graph = lower(verify(ours.trace()), verify)
    wanted = [plain(model(feed(model, arrays), training=False)) for arrays in calls]
    for target in ("onnxruntime", "tensorrt-rtx") if simulate and available("tensorrt-rtx") else ("onnxruntime",):
        for got, want in zip(results(graph, target, calls), wanted, strict=True):
            for one, other in zip(flat(got), flat(want), strict=True):
                compare(one, other, rtol)


def feed(model: Any, arrays: Arrays) -> Any:
    """Arrays in the way that the model takes its inputs."""
    structure = getattr(model, "_inputs_struct", None)
    if isinstance(structure, dict):
        return dict(zip(structure, arrays, strict=True))
    return list(arrays) if len(arrays) > 1 or isinstance(structure, (list, tuple)) else arrays[0]


def plain(result: Any) -> Any:
    """Keras's result as arrays."""
    if isinstance(result, dict):
        return {name: plain(one) for name, one in result.items()}
    if isinstance(result, (list, tuple)):
        return tuple(plain(one) for one in result)
    return np.asarray(result)


def flat(tree: Any) -> list[np.ndarray]:
    """The arrays in order."""
    if isinstance(tree, dict):
        tree = list(tree.values())
    return [leaf for one in tree for leaf in flat(one)] if isinstance(tree, (list, tuple)) else [tree]
