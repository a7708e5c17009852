"""Weights under the names that Keras gives them, and in cuDNN's layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import keras, randomize, tensorflow

import trtnn as nn
from recurrent.harness import check

X = np.random.default_rng(0).normal(0, 1, (2, 5, 3)).astype(np.float32)


class Tagger(nn.Module):
    """Two layers with Keras's names for the variables of each."""

    def __init__(self) -> None:
        self.bidirectional = nn.Bidirectional(nn.LSTM(3, 4, return_sequences=True))
        self.gru = nn.GRU(8, 2, return_sequences=True)

    def forward(self, x: nn.Tensor = nn.Input("batch", "time", 3)) -> nn.Tensor:
        return self.gru(self.bidirectional(x))


def keras_model() -> Any:
    layers = keras().layers
    x = keras().Input((None, 3))
    y = layers.Bidirectional(layers.LSTM(4, return_sequences=True, name="lstm"), name="bidirectional")(x)
    model = keras().Model(x, layers.GRU(2, return_sequences=True, name="gru")(y))
    randomize(model, np.random.default_rng(0))
    return model


def test_names_of_keras(tmp_path: Path) -> None:
    """A checkpoint of a Keras 3 model, and arrays by the variables' paths."""
    theirs = keras_model()
    prefix = tensorflow().train.Checkpoint(model=theirs).write(str(tmp_path / "model"))
    by_path = {variable.path: np.asarray(variable) for variable in theirs.weights}
    assert "bidirectional/backward_lstm/lstm_cell/recurrent_kernel" in by_path
    for source in (prefix, by_path):
        model = Tagger()
        assert model.load_weights(source).complete
        check(model, lambda x: np.asarray(theirs(x)), [X])


def test_names_of_keras_before_cells() -> None:
    """Keras up to 2.2 had no cell in the name: lstm/kernel."""
    model = nn.Sequential(nn.LSTM(3, 4, name="lstm_1"))
    shapes = {"kernel": (3, 16), "recurrent_kernel": (4, 16), "bias": (16,)}
    arrays = {f"lstm_1/{name}:0": np.ones(shape, np.float32) for name, shape in shapes.items()}
    assert model.load_weights(arrays).complete


def test_cells_of_a_layer_have_keras_names() -> None:
    names = [path for path, _ in nn.RNN([nn.LSTMCell(3, 4), nn.GRUCell(4, 5)]).named_parameters()]
    assert names[0].endswith("cells.0.kernel") and names[-1].endswith("cells.1.bias")
    assert next(nn.RNN(nn.LSTMCell(3, 4)).named_parameters())[0] == "lstm_cell.kernel"


@pytest.mark.parametrize("kind, gates", [("LSTM", 4), ("GRU", 3)])
def test_cudnn_weights(kind: str, gates: int) -> None:
    """tf_keras converts weights to cuDNN's layout when it loads a file of the other kind."""
    tensorflow()
    from tf_keras.src.saving.legacy import hdf5_format

    model = keras().Sequential([getattr(keras().layers, kind)(4, return_sequences=True, name="rnn")])
    model.build((None, None, 3))
    randomize(model, np.random.default_rng(0))
    plain = [np.asarray(weight) for weight in model.weights]
    target = type(f"CuDNN{kind}", (), {})()  # the conversion goes by the name of its class alone
    cudnn = hdf5_format._convert_rnn_weights(target, plain)
    assert cudnn[2].shape == (2 * gates * 4,)
    layer = getattr(nn, f"CuDNN{kind}")(3, 4, return_sequences=True)
    layer.load_weights(dict(zip(("kernel", "recurrent_kernel", "bias"), cudnn, strict=True)))
    check(layer, lambda x: np.asarray(model(x)), [X], inputs=[nn.Input("batch", "time", 3)])
