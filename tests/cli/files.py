"""Files that a user of the command line has: networks as Python code, weights, samples, Keras models."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

NETS = '''
"""Networks of a user."""
import trtnn as nn
import trtnn.functional as F


class Net(nn.Module):
    def __init__(self, features=3):
        self.hidden = nn.Linear(4, features)
        self.out = nn.Linear(features, 2)

    def forward(self, x: nn.Tensor = nn.Input("batch", 4)) -> nn.Tensor:
        return self.out(F.relu(self.hidden(x)))


class Two(nn.Module):
    """Two inputs and no weights."""

    def forward(self, x: nn.Tensor = nn.Input("batch", 4), index: nn.Tensor = nn.Input("batch", dtype="int32")):
        return {"sum": x + 1.0, "index": index + 1}


class Named(Net):
    def __init__(self, features):
        super().__init__(features)


class BadForward(Net):
    def forward(self, x: nn.Tensor = nn.Input("batch", 4)) -> nn.Tensor:
        return half(self.hidden(x))


def half(x):
    return x[{}["half"]]


class BadInit(Net):
    def __init__(self):
        raise RuntimeError("no licence")


class Bare(nn.Module):
    """An input whose shape nobody declares."""

    def forward(self, x):
        return x + 1.0


def make(features=3):
    return Net(features)


def number():
    return 7


constant = 7
'''


def weights(features: int = 3) -> dict[str, np.ndarray]:
    """The weights of Net."""
    rng = np.random.default_rng(0)
    shapes = {"hidden/kernel": (4, features), "hidden/bias": (features,), "out/kernel": (features, 2), "out/bias": (2,)}
    return {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}


def expected(x: np.ndarray) -> np.ndarray:
    """What Net computes of its weights."""
    held = weights()
    hidden = np.maximum(x @ held["hidden/kernel"] + held["hidden/bias"], 0)
    result: np.ndarray = hidden @ held["out/kernel"] + held["out/bias"]
    return result


def samples(count: int = 16) -> np.ndarray:
    """Inputs of Net."""
    return np.random.default_rng(1).standard_normal((count, 4), np.float32)


def write_keras(path: Path, last_class: str = "Dense") -> None:
    """The network of Net as a Keras archive whose last layer has the given class."""
    config = {
        "module": "keras",
        "class_name": "Sequential",
        "config": {
            "name": "tiny",
            "layers": [
                _layer("InputLayer", {"batch_shape": [None, 4], "dtype": "float32", "name": "x"}),
                _layer("Dense", {"name": "hidden", "units": 3, "activation": "relu", "use_bias": True}, [None, 4]),
                _layer(last_class, {"name": "out", "units": 2, "activation": "linear", "use_bias": True}, [None, 3]),
            ],
        },
        "registered_name": None,
    }
    held, stored = weights(), io.BytesIO()
    with h5py.File(stored, "w") as file:
        for group, name in (("dense", "hidden"), ("dense_1", "out")):
            variables = file.create_group(f"layers/{group}/vars")
            variables.attrs["name"] = name
            variables["0"], variables["1"] = held[f"{name}/kernel"], held[f"{name}/bias"]
        file.create_group("vars").attrs["name"] = "tiny"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", stored.getvalue())


def _layer(class_name: str, config: dict[str, Any], built: list[int | None] | None = None) -> dict[str, Any]:
    layer: dict[str, Any] = {"module": "keras.layers", "class_name": class_name, "config": config}
    return layer | {"registered_name": None} | ({"build_config": {"input_shape": built}} if built else {})
