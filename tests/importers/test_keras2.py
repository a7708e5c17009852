"""Files of Keras 2: ``.keras`` and whole-model ``.h5``, with its own defaults and its TensorFlow functions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import tensorflow

from importers.harness import agree, data
from importers.tf_keras_files import fill, tf_keras
from trtnn.importers.keras import from_keras

tf = tensorflow()
k2 = tf_keras()
L, Input, Model = k2.layers, k2.Input, k2.Model
FORMATS = ["model.keras", "model.h5"]
pytestmark = pytest.mark.filterwarnings("ignore")


def check(model: Any, folder: Path, name: str, *calls: list[np.ndarray], simulate: bool = False) -> Any:
    """Demands that the import of the file gives what the model gives."""
    fill(model)
    model.save(folder / name)
    ours = from_keras(folder / name)
    agree(ours, model, *calls, simulate=simulate)
    return ours


def image_model() -> Any:
    """A functional image model with a nested Sequential that is called twice."""
    image = Input((8, 8, 3), name="image")
    x = L.Conv2D(4, 3, padding="same", activation="hard_sigmoid")(image)
    x = L.BatchNormalization()(L.LeakyReLU()(x))
    x = L.DepthwiseConv2D(3, depth_multiplier=2)(x)
    x = L.SeparableConv2D(4, 3)(L.Activation("hard_sigmoid")(x))
    inner = k2.Sequential([Input((4, 4, 4)), L.Conv2D(4, 1), L.ReLU(6.0), L.PReLU()], name="inner")
    x = L.Concatenate()([inner(x), inner(inner(x))])
    return Model(image, [L.Dense(3, activation="softmax")(L.GlobalAveragePooling2D()(x)), L.Conv2DTranspose(2, 3)(x)])


@pytest.mark.parametrize("name", FORMATS)
def test_images(name: str, tmp_path: Path) -> None:
    """Convolutions, activations, nested models."""
    ours = check(image_model(), tmp_path, name, [data(2, 8, 8, 3)], simulate=True)
    assert list(ours.inputs) == ["image"]


@pytest.mark.parametrize("name", FORMATS)
def test_sequences(name: str, tmp_path: Path) -> None:
    """Masks, recurrent layers in both directions, attention, states."""
    tokens = Input((6,), dtype="int32")
    x = L.Embedding(5, 4, mask_zero=True)(tokens)
    y = L.Bidirectional(L.LSTM(3, return_sequences=True, recurrent_activation="hard_sigmoid"))(x)
    z, h, c = L.LSTM(3, return_sequences=True, return_state=True)(L.GRU(4, return_sequences=True, reset_after=False)(y))
    z = L.LSTM(3, return_sequences=True)(z, initial_state=[h, c])
    a = L.MultiHeadAttention(2, 3)(z, y)
    b = L.Attention()([z, z])
    out = L.RNN([L.GRUCell(3), L.SimpleRNNCell(2)])(L.LayerNormalization()(a))
    ids = np.array([[3, 1, 4, 0, 0, 0], [1, 0, 2, 4, 0, 3]], np.int32)
    check(Model(tokens, [out, b, h]), tmp_path, name, [ids])


@pytest.mark.parametrize("masked_part", ["both", "one"])
def test_masks_joined(masked_part: str, tmp_path: Path) -> None:
    """A mask behind Concatenate, of which Keras 2's files say nothing."""
    tokens = Input((6,), dtype="int32")
    x = L.Embedding(5, 4, mask_zero=True)(tokens)
    other = L.Dense(3)(x) if masked_part == "both" else L.Conv1D(3, 1)(x)
    joined = L.Concatenate()([x, other])
    check(
        Model(tokens, L.LSTM(3)(joined)),
        tmp_path,
        "model.keras",
        [np.array([[1, 2, 3, 0, 0, 0], [4, 1, 0, 0, 0, 0]], np.int32)],
    )


@pytest.mark.parametrize("name", FORMATS)
def test_sequential(name: str, tmp_path: Path) -> None:
    """Built by its first call, so that its input has no name."""
    model = k2.Sequential(
        [L.Conv1D(4, 3, padding="causal"), L.MaxPooling1D(2), L.Flatten(), L.Dense(3, activation="gelu")]
    )
    model.build((None, 8, 2))
    model(data(1, 8, 2))
    check(model, tmp_path, name, [data(2, 8, 2)])


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "operators": lambda x: (x + 1.0) * 2.0 - x / 3.0 + (1.0 - x) ** 2.0,
    "relu": lambda x: tf.nn.relu(x) + tf.nn.relu6(x) + tf.nn.gelu(x) + tf.nn.leaky_relu(x, 0.1) + tf.nn.softmax(x),
    "math": lambda x: (
        tf.exp(x) + tf.sqrt(tf.abs(x)) + tf.math.tanh(x) + tf.math.sigmoid(x) + tf.square(x) - tf.math.maximum(x, 0.2)
    ),
    "reduce": lambda x: (
        tf.reduce_mean(x, axis=-1, keepdims=True)
        + tf.reduce_sum(x, [1, 2], keepdims=True)
        + tf.reduce_max(x, 1, keepdims=True)
    ),
    "reshape": lambda x: tf.reshape(x, [-1, 6, 4]) + tf.transpose(x, [0, 2, 1]),
    "slice": lambda x: x[:, 1:3, ::2] + x[:, 0:1, :3],
    "concat": lambda x: tf.concat([x, x * 2.0], axis=1) + tf.tile(x, [1, 2, 1]),
    "stack": lambda x: tf.stack([x, x], axis=1) + tf.expand_dims(x, 1),
    "split": lambda x: tf.split(x, 2, axis=-1)[0] - tf.split(x, 2, axis=-1)[1],
    "matmul": lambda x: tf.matmul(x, x, transpose_b=True),
    "cast": lambda x: tf.cast(x > 0.1, tf.float32) + tf.where(x > 0.0, x, -x),
    "pad": lambda x: tf.pad(x, [[0, 0], [1, 1], [0, 2]]) * 2.0,
    "normalize": lambda x: tf.math.l2_normalize(x, axis=-1) + tf.clip_by_value(x, -0.5, 0.5),
    "gather": lambda x: tf.gather(x, [2, 0], axis=2),
    "argmax": lambda x: tf.argmax(x, axis=-1),
    "argmax of the first axis": lambda x: tf.argmax(x),
    "argmin": lambda x: tf.argmin(x, axis=1, output_type=tf.int32),
    "cumsum": lambda x: tf.cumsum(x, axis=1, exclusive=True) + tf.cumsum(x, axis=2, reverse=True),
    "variance": lambda x: tf.math.reduce_std(x, 1, keepdims=True) + tf.math.reduce_variance(x, 2, keepdims=True),
    "transposed": lambda x: tf.matmul(x, x, transpose_a=True),
    "border": lambda x: tf.pad(x, [[0, 0], [1, 1], [0, 2]], constant_values=3.0),
    "reflection": lambda x: tf.pad(x, [[0, 0], [1, 1], [0, 2]], mode="REFLECT"),
    "remainder": lambda x: 2.0 // (x + 5.0) + 7.0 % (x + 5.0) + 2.0**x,
    "order": lambda x: tf.reverse(x, [1]) + tf.roll(x, 2, axis=2),
    "top": lambda x: tf.math.top_k(x, 2)[0],
    "hot": lambda x: tf.one_hot(tf.cast(tf.abs(x), tf.int32), 3, axis=1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_tensorflow_functions(name: str, tmp_path: Path) -> None:
    """``TFOpLambda`` and ``SlicingOpLambda``."""
    x = Input((4, 6))
    check(Model(x, FUNCTIONS[name](x)), tmp_path, FORMATS[len(name) % 2], [data(2, 4, 6)])


SHAPES: dict[str, Callable[[Any], Any]] = {
    "reshape": lambda x: tf.reshape(x, [tf.shape(x)[0], -1, 4]),
    "stack": lambda x: tf.reshape(x, tf.stack([tf.shape(x)[0], tf.shape(x)[2], tf.shape(x)[1]])),
    "like": lambda x: tf.reshape(tf.transpose(x, [0, 2, 1]), tf.shape(x)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_as_data(name: str, tmp_path: Path) -> None:
    """``tf.shape``, whose sizes are named dims here; the sizes of two calls differ."""
    x = Input((None, 4))
    check(Model(x, SHAPES[name](x)), tmp_path, "model.keras", [data(2, 6, 4)], [data(3, 5, 4)])


def test_images_with_functions(tmp_path: Path) -> None:
    """Resizing and LRN."""
    x = Input((6, 8, 4))
    y = tf.image.resize(x, [3, 4]) + tf.nn.local_response_normalization(x, 2, 1.0, 1e-2, 0.75)[:, :3, :4]
    check(Model(x, y), tmp_path, "model.keras", [data(2, 6, 8, 4)])
