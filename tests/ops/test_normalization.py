"""BatchNorm against TensorFlow; alone, where no convolution takes it up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import strategies as own
from hypothesis import given
from hypothesis import strategies as st
from oracle import keras, tensorflow

import trtnn as nn
from ops.harness import check, fill

tf = tensorflow()
EPSILONS = (1e-3, 1.001e-5, 0.1)


def reference(layer: nn.BatchNorm) -> Any:
    """``tf.nn.batch_normalization`` with the layer's weights."""

    def normalized(x: np.ndarray) -> Any:
        row = [1] * x.ndim
        row[layer.axis] = -1
        mean, variance, beta, gamma = (
            None if one is None else one.data.reshape(row)
            for one in (layer.moving_mean, layer.moving_variance, layer.beta, layer.gamma)
        )
        return tf.nn.batch_normalization(x, mean, variance, beta, gamma, layer.eps)

    return normalized


@given(st.data(), st.booleans(), st.booleans(), st.sampled_from(EPSILONS))
def test_batch_norm(data: st.DataObject, scale: bool, center: bool, epsilon: float) -> None:
    """Any rank and axis, with and without gamma and beta, fixed sizes and named ones."""
    shape = data.draw(own.shapes(2, 5))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    layer = nn.BatchNorm(shape[axis], eps=epsilon, axis=axis, scale=scale, center=center)
    fill(layer, data.draw(own.seeds))
    x = own.random_array(shape)
    check(layer, reference(layer), [x])
    place = axis % len(shape)
    named = nn.Input(*(size if i == place else f"dim_{i}" for i, size in enumerate(shape)))
    larger = own.random_array([size + (i != place) for i, size in enumerate(shape)])
    check(layer, reference(layer), [x], [larger], inputs=[named])


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_epsilon_counts(epsilon: float) -> None:
    """With a small variance the epsilon is most of the result; Keras's own layer is the reference."""
    layer = nn.BatchNorm(3, eps=epsilon)
    fill(layer)
    layer.moving_variance.assign(np.full(3, 1e-4, np.float32))
    twin = keras().layers.BatchNormalization(epsilon=epsilon)
    twin.build((None, 3))
    twin.set_weights([one.data for one in (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)])
    check(layer, twin, [own.random_array((4, 3))])
