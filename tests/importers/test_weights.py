"""Keras's files as sources of weights for modules of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from oracle import keras, randomize, relative_error

import trtnn as nn
import trtnn.functional as F
from importers.harness import data
from importers.tf_keras_files import fill, tf_keras
from trtnn.errors import FileFormatError, WeightsError

k = keras()
L, Input, Model = k.layers, k.Input, k.Model


class Net(nn.Module):
    """A convolution, a normalization, both directions of an LSTM and two dense layers of the same shape."""

    def __init__(self) -> None:
        self.conv1 = nn.Conv1d(3, 4, 3)
        self.norm = nn.BatchNorm(4)
        self.rnn = nn.Bidirectional(nn.LSTM(4, 3), name="both")
        self.first = nn.Linear(6, 6)
        self.second = nn.Linear(6, 6)

    def forward(self, x: nn.Tensor = nn.Input("batch", 8, 3)) -> nn.Tensor:
        """(batch, 8, 3) to (batch, 6)."""
        y = self.rnn(self.norm(F.relu(self.conv1(x))))
        return self.second(F.tanh(self.first(y)))


def theirs(library: Any) -> Any:
    """The same network in Keras; its layers have the names of Net's attributes."""
    layers = library.layers
    x = library.Input((8, 3))
    y = layers.BatchNormalization(name="norm")(layers.Conv1D(4, 3, activation="relu", name="conv1")(x))
    y = layers.Bidirectional(layers.LSTM(3, name="lstm"), name="both")(y)
    y = layers.Dense(6, activation="tanh", name="first")(y)
    return library.Model(x, layers.Dense(6, name="second")(y))


def agrees(source: Path, model: Any, name_map: Any = None) -> nn.Module:
    """Demands that Net with the weights of the file gives what the model gives."""
    net = Net()
    report = net.load_weights(source, name_map)
    assert len(report.matched) == 16 and not report.unexpected
    x = data(2, 8, 3)
    assert relative_error(net.compile(target="onnxruntime")(x), np.asarray(model(x, training=False))) < 1e-5
    return net


@pytest.mark.parametrize("name", ["model.keras", "model.h5", "model.weights.h5"])
@pytest.mark.filterwarnings("ignore")
def test_keras_3(name: str, tmp_path: Path) -> None:
    """By the names of the layers."""
    model = theirs(k)
    randomize(model, np.random.default_rng(0))
    path = tmp_path / name
    (model.save_weights if ".weights." in name else model.save)(path)
    agrees(path, model)
    assert ("conv1/kernel", (3, 3, 4), "float32") in list(nn.list_weights(path))


@pytest.mark.parametrize("name", ["model.keras", "model.h5", "weights.h5"])
@pytest.mark.filterwarnings("ignore")
def test_keras_2(name: str, tmp_path: Path) -> None:
    """The same from tf_keras, and its weights alone."""
    model = theirs(tf_keras())
    fill(model)
    path = tmp_path / name
    (model.save_weights if name == "weights.h5" else model.save)(path)
    agrees(path, model)


def test_options_say_which_variables_there_are(tmp_path: Path) -> None:
    """Three variables of a BatchNormalization: the config of a .keras file says which."""
    model = k.Sequential([Input((4,)), L.BatchNormalization(scale=False, name="norm")])
    randomize(model, np.random.default_rng(0))
    model.save(tmp_path / "model.keras")
    names = [name for name, _, _ in nn.list_weights(tmp_path / "model.keras")]
    assert names == ["norm/beta", "norm/moving_mean", "norm/moving_variance"]
    model.save_weights(tmp_path / "model.weights.h5")
    names = [name for name, _, _ in nn.list_weights(tmp_path / "model.weights.h5")]
    assert names == ["norm/0", "norm/1", "norm/2"]  # nothing there says it


def test_optimizer_slots_are_ignored(tmp_path: Path) -> None:
    """They are no weights of the model."""
    model = k.Sequential([Input((4,)), L.Dense(3, name="dense")])
    model.compile("adam", "mse")
    model.fit(data(4, 4), data(4, 3), verbose=0)
    for name in ("model.keras", "model.h5", "model.weights.h5"):
        (model.save_weights if ".weights." in name else model.save)(tmp_path / name)
        net = nn.Sequential(nn.Linear(4, 3, name="dense"))
        report = net.load_weights(tmp_path / name)
        assert all(match.name.endswith(("dense/kernel", "dense/bias")) for match in report.matched)
        assert {unused.reason for unused in report.ignored} == {"optimizer slots"} and not report.unexpected


class Subclassed(k.Model):
    """A model whose file knows attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = L.Conv1D(4, 3)
        self.head = L.Dense(2, name="other")

    def call(self, x: Any) -> Any:
        return self.head(k.ops.mean(self.conv1(x), axis=1))


def test_a_subclassed_model(tmp_path: Path) -> None:
    """Layers are found by attribute and by name."""
    model = Subclassed()
    model(data(1, 8, 3))
    randomize(model, np.random.default_rng(0))

    class Mine(nn.Module):
        def __init__(self) -> None:
            self.conv1, self.head = nn.Conv1d(3, 4, 3), nn.Linear(4, 2)

        def forward(self, x: nn.Tensor = nn.Input("batch", 8, 3)) -> nn.Tensor:
            return self.head(F.mean(self.conv1(x), 1))

    model.save_weights(tmp_path / "model.weights.h5")
    mine = Mine()
    mine.load_weights(tmp_path / "model.weights.h5")
    x = data(2, 8, 3)
    assert relative_error(mine.compile(target="onnxruntime")(x), np.asarray(model(x))) < 1e-5


def without_names(path: Path) -> None:
    """Takes the names out of a file, as earlier versions of Keras 3 wrote it."""
    with h5py.File(path, "a") as file:
        file.visititems(lambda _, item: item.attrs.pop("name", None) and None)
        file["vars"].attrs.pop("name", None)


def test_no_names_at_all(tmp_path: Path) -> None:
    """A layer that is the only one of its shapes is found; of two alike neither is."""
    model = theirs(k)
    path = tmp_path / "model.weights.h5"
    model.save_weights(path)
    without_names(path)
    net = Net()
    with pytest.raises(WeightsError, match="does not say what its layers are called, and several have the same shapes"):
        net.load_weights(path)
    report = net.load_weights(path, strict=False)
    assert {match.path for match in report.matched} >= {"conv1.kernel", "conv1.bias", "norm.gamma"}
    assert {missing.path for missing in report.missing} >= {
        "first.kernel",
        "second.kernel",
        "first.bias",
        "second.bias",
    }


@pytest.mark.parametrize("name", ["missing.keras", "missing.h5"])
def test_a_missing_file(name: str, tmp_path: Path) -> None:
    """Is an error that names it."""
    with pytest.raises(FileFormatError, match=f"{name}: cannot be read"):
        nn.list_weights(tmp_path / name)
