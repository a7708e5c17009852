"""Every activation against TensorFlow and Keras, as a function and as a layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import strategies as own
from hypothesis import given
from hypothesis import strategies as st
from oracle import keras, tensorflow

import trtnn as nn
import trtnn.functional as F
from ops.harness import check, named_inputs

tf = tensorflow()
activations = keras().activations
X = np.concatenate(
    [own.random_array((4, 60), low=-9, high=9), [np.linspace(-4, 4, 60)]], dtype=np.float32
)  # 0 is not in it

FUNCTIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "relu": (F.relu, tf.nn.relu),
    "relu6": (F.relu6, tf.nn.relu6),
    "leaky_relu": (F.leaky_relu, tf.nn.leaky_relu),
    "leaky_relu of Keras's layer": (lambda x: F.leaky_relu(x, 0.3), lambda x: keras().layers.LeakyReLU()(x)),
    "elu": (F.elu, tf.nn.elu),
    "elu with alpha": (lambda x: F.elu(x, 0.7), lambda x: activations.elu(x, 0.7)),
    "selu": (F.selu, tf.nn.selu),
    "sigmoid": (F.sigmoid, tf.nn.sigmoid),
    "hard_sigmoid": (F.hard_sigmoid, activations.hard_sigmoid),
    "hard_sigmoid of Keras 2": (lambda x: F.hard_sigmoid(x, 0.2), lambda x: tf.clip_by_value(0.2 * x + 0.5, 0, 1)),
    "tanh": (F.tanh, tf.nn.tanh),
    "softplus": (F.softplus, tf.nn.softplus),
    "softsign": (F.softsign, tf.nn.softsign),
    "gelu": (F.gelu, activations.gelu),
    "gelu by tanh": (lambda x: F.gelu(x, approximate=True), lambda x: tf.nn.gelu(x, approximate=True)),
    "swish": (F.swish, tf.nn.silu),
    "silu": (F.silu, tf.nn.silu),
    "hard_swish": (F.hard_swish, activations.hard_swish),
    "hard_silu": (F.hard_silu, activations.hard_silu),
    "mish": (F.mish, activations.mish),
    "log_sigmoid": (F.log_sigmoid, tf.math.log_sigmoid),
    "tanh_shrink": (F.tanh_shrink, activations.tanh_shrink),
    "hard_tanh": (F.hard_tanh, activations.hard_tanh),
    "threshold": (lambda x: F.threshold(x, 1.5), lambda x: activations.threshold(x, 1.5, 0)),
    "clip": (lambda x: F.clip(x, -0.5, 2), lambda x: tf.clip_by_value(x, -0.5, 2)),
    "crelu": (F.crelu, tf.nn.crelu),
    "crelu along axis 0": (lambda x: F.crelu(x, axis=0), lambda x: tf.nn.crelu(x, axis=0)),
    "dropout": (lambda x: F.dropout(x, 0.9), tf.identity),
}

LAYERS: dict[str, tuple[nn.Module, Callable[..., Any]]] = {
    "ReLU": (nn.ReLU(), tf.nn.relu),
    "ReLU6": (nn.ReLU6(), tf.nn.relu6),
    "LeakyReLU": (nn.LeakyReLU(0.1), lambda x: tf.nn.leaky_relu(x, 0.1)),
    "ELU": (nn.ELU(alpha=0.5), lambda x: activations.elu(x, 0.5)),
    "SELU": (nn.SELU(), tf.nn.selu),
    "Sigmoid": (nn.Sigmoid(), tf.nn.sigmoid),
    "HardSigmoid": (nn.HardSigmoid(), activations.hard_sigmoid),
    "Tanh": (nn.Tanh(), tf.nn.tanh),
    "Softplus": (nn.Softplus(), tf.nn.softplus),
    "Softsign": (nn.Softsign(), tf.nn.softsign),
    "GELU": (nn.GELU(), activations.gelu),
    "Swish": (nn.Swish(), tf.nn.silu),
    "SiLU": (nn.SiLU(), tf.nn.silu),
    "HardSwish": (nn.HardSwish(), activations.hard_swish),
    "Mish": (nn.Mish(), activations.mish),
    "Softmax": (nn.Softmax(axis=0), lambda x: tf.nn.softmax(x, 0)),
    "LogSoftmax": (nn.LogSoftmax(), tf.nn.log_softmax),
    "Dropout": (nn.Dropout(0.3), tf.identity),
    "Flatten": (nn.Flatten(), lambda x: tf.reshape(x, (len(x), -1))),
    "Pad": (nn.Pad([(0, 1), (2, 0)], value=1.5), lambda x: tf.pad(x, [(0, 1), (2, 0)], constant_values=1.5)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(name: str) -> None:
    function, reference = FUNCTIONS[name]
    check(function, reference, [X])
    check(function, reference, [X], [X[:2, :7]], inputs=named_inputs([X]))


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name: str) -> None:
    layer, reference = LAYERS[name]
    check(layer, reference, [X])


@pytest.mark.parametrize("shape", [(), (1,), (2, 1, 3), (1, 2, 1, 2, 2)])
def test_activations_of_any_rank(shape: tuple[int, ...]) -> None:
    check(
        lambda x: F.swish(F.leaky_relu(F.hard_swish(x))),
        lambda x: tf.nn.silu(tf.nn.leaky_relu(activations.hard_swish(x))),
        [own.random_array(shape)],
    )


@pytest.mark.parametrize(
    "pair", [(F.softmax, tf.nn.softmax), (F.log_softmax, tf.nn.log_softmax)], ids=["softmax", "log"]
)
@given(st.data())
def test_softmax(pair: tuple[Any, Any], data: st.DataObject) -> None:
    """Over any axis, with numbers whose exponential overflows."""
    function, reference = pair
    x = data.draw(own.arrays(own.shapes(1, 5), low=-150, high=150))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    larger = own.random_array([size + 1 for size in x.shape], low=-9, high=9)
    check(lambda x: function(x, axis), lambda x: reference(x, axis), [x])
    check(lambda x: function(x, axis), lambda x: reference(x, axis), [x], [larger], inputs=named_inputs([x]))
