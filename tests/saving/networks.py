"""Networks that the saving tests share, and what they all need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import keras, randomize

import trtnn as nn
import trtnn.functional as F
from trtnn.backends.tensorrt.library import available

DIMS = {"batch": (1, 2, 8), "width": (4, 8, 32)}
OPTIONS: dict[str, dict[str, Any]] = {"onnxruntime": {"threads": 1}, "tensorrt-rtx": {}}
NEEDS_RTX = pytest.mark.skipif(not available("tensorrt-rtx"), reason="TensorRT-RTX is not installed")
TARGETS = ["onnxruntime", pytest.param("tensorrt-rtx", marks=NEEDS_RTX)]
SEQUENCES = np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32)
"""What a `Reader` takes."""
FILES = {"onnxruntime": "model.onnx", "tensorrt-rtx": "model.plan"}


class Vision(nn.Module):
    """A convolution with a BatchNorm to fold, outputs of sizes that are computed, and two of them in a dict."""

    def __init__(self, channels: int = 16) -> None:
        self.conv = nn.Conv2d(3, channels, 3, padding="same")
        self.norm = nn.BatchNorm(channels)
        self.head = nn.Linear(channels, 5)

    def forward(self, image: nn.Tensor = nn.Input("batch", 6, "width", 3)) -> dict[str, nn.Tensor]:
        x = F.max_pool(F.relu(self.norm(self.conv(image))), 2)
        return {"scores": self.head(F.global_average_pool(x)), "map": x}


class Reader(nn.Module):
    """An LSTM, in two directions, behind a linear layer."""

    def __init__(self) -> None:
        self.rnn = nn.Bidirectional(nn.LSTM(4, 6))
        self.head = nn.Linear(12, 3)

    def forward(self, x: nn.Tensor = nn.Input("batch", 5, 4)) -> nn.Tensor:
        return self.head(self.rnn(x))


def filled(module: Any, seed: int = 0) -> Any:
    """The module with random weights."""
    module.load_weights(weights_for(module, seed))
    return module


def weights_for(module: nn.Module, seed: int) -> dict[str, np.ndarray]:
    """Random weights by the module's own names; variances and scales are positive."""
    rng = np.random.default_rng(seed)
    return {path: _values(rng, path, one.shape) for path, one in module.named_parameters()}


def _values(rng: np.random.Generator, path: str, shape: tuple[int, ...]) -> np.ndarray:
    if path.endswith(("variance", "gamma")):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    return (rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))).astype(np.float32)


def vision(target: str = "onnxruntime", seed: int = 0, **options: Any) -> Any:
    """A compiled `Vision`."""
    return filled(Vision(), seed).compile(target=target, dims=DIMS, **OPTIONS[target], **options)


def images(count: int = 2, seed: int = 0, width: int = 9) -> np.ndarray:
    """Images (count, 6, width, 3)."""
    return np.random.default_rng(seed).normal(size=(count, 6, width, 3)).astype(np.float32)


def assert_same(got: Any, want: Any) -> None:
    """Equal results, bit for bit, of the same kind."""
    assert type(got) is type(want)
    if isinstance(want, dict):
        assert list(got) == list(want)
        got, want = tuple(got.values()), tuple(want.values())
    for one, other in zip(*((x,) if isinstance(x, np.ndarray) else x for x in (got, want)), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def saved(engine: nn.Engine, folder: Path) -> Path:
    """Where the engine is after saving it in the folder."""
    path = folder / FILES[engine.target]
    engine.save(path)
    return path


def keras_files(folder: Path) -> tuple[Path, Any]:
    """A Keras model with a folded BatchNorm and an LSTM in a file; the model then has other weights than the file."""
    library = keras()
    image = library.Input((6, 8, 3), name="image")
    x = library.layers.Conv2D(8, 3, use_bias=False, name="conv")(image)
    x = library.layers.ReLU(name="relu")(library.layers.BatchNormalization(name="norm")(x))
    x = library.layers.Reshape((4, 48), name="rows")(x)
    model = library.Model(image, library.layers.LSTM(5, name="rnn")(x))
    randomize(model, np.random.default_rng(0))
    model.save(folder / "old.keras")
    randomize(model, np.random.default_rng(1))
    model.save(folder / "new.keras")
    model.save_weights(folder / "new.weights.h5")
    model.export(folder / "export", verbose=False)
    return folder / "old.keras", model
