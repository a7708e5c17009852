"""Pooling over windows and over everything, against TensorFlow."""

from __future__ import annotations

from typing import Any

import pytest
import strategies as own
from hypothesis import given
from hypothesis import strategies as st
from oracle import tensorflow

import trtnn as nn
import trtnn.functional as F
from ops.harness import check
from ops.references import channels_last, pooling

tf = tensorflow()
FUNCTIONS = {"max": F.max_pool, "average": F.average_pool}


def shape(data_format: str, batch: Any, sizes: tuple[Any, ...], channels: int) -> tuple[Any, ...]:
    """The shape of an activation in the data format."""
    return (batch, channels, *sizes) if data_format == "channels_first" else (batch, *sizes, channels)


@pytest.mark.parametrize("spatial", [1, 2, 3])
@pytest.mark.parametrize("kind", ["max", "average"])
@given(st.data())
def test_pooling(kind: str, spatial: int, data: st.DataObject) -> None:
    """The function with fixed sizes, and with named dims called with several; negative inputs show a padding of 0."""
    windows = data.draw(own.windows(spatial, dilated=False, below_window=True))
    data_format, channels = data.draw(own.data_formats), data.draw(own.channels)
    calls = [
        [own.random_array(shape(data_format, 1 + i, sizes, channels), seed=i, low=-5, high=-1)]
        for i, sizes in enumerate(windows.sizes)
    ]

    def network(x: nn.Tensor) -> nn.Tensor:
        return FUNCTIONS[kind](x, windows.window, windows.stride, windows.padding, data_format)

    reference = pooling(kind, windows, data_format)
    check(network, reference, calls[0])
    named = nn.Input(*shape(data_format, "batch", tuple("dhw"[-spatial:]), channels))
    check(network, reference, *calls, inputs=[named])


@pytest.mark.parametrize("layer", [nn.MaxPool2d, nn.AveragePool2d])
def test_stride_is_the_window_unless_given(layer: Any) -> None:
    x = own.random_array((2, 7, 8, 3))
    kind = "MAX" if layer is nn.MaxPool2d else "AVG"
    check(layer(3), lambda x: tf.nn.pool(x, (3, 3), kind, (3, 3), "VALID"), [x])
    check(layer((2, 3), padding="same"), lambda x: tf.nn.pool(x, (2, 3), kind, (2, 3), "SAME"), [x])
    check(layer(3, 1, "SAME"), lambda x: tf.nn.pool(x, (3, 3), kind, (1, 1), "SAME"), [x])


@pytest.mark.parametrize("layer", [nn.GlobalMaxPool, nn.GlobalAveragePool])
@given(st.data())
def test_global_pooling(layer: Any, data: st.DataObject) -> None:
    spatial, keepdims, data_format = data.draw(st.integers(1, 3)), data.draw(st.booleans()), data.draw(own.data_formats)
    several = data.draw(st.lists(st.tuples(*[own.sizes] * spatial), min_size=2, max_size=3))
    calls = [[own.random_array(shape(data_format, 2, sizes, 3), seed=i)] for i, sizes in enumerate(several)]
    reduce = tf.reduce_max if layer is nn.GlobalMaxPool else tf.reduce_mean
    axes = list(range(2, 2 + spatial)) if data_format == "channels_first" else list(range(1, 1 + spatial))
    network = layer(keepdims=keepdims, data_format=data_format)
    check(network, lambda x: reduce(x, axes, keepdims), calls[0])
    named = nn.Input(*shape(data_format, "batch", tuple("dhw"[-spatial:]), 3))
    check(network, lambda x: reduce(x, axes, keepdims), *calls, inputs=[named])


def test_padding_of_a_maximum_is_not_zero_padding_before_it() -> None:
    """Keras's ZeroPadding2D and a VALID maximum, as in ResNet-50: all inputs are negative, so the zeros win."""
    x = own.random_array((1, 6, 6, 2), low=-5, high=-1)
    pairs = [(0, 0), (1, 1), (1, 1), (0, 0)]

    def network(x: nn.Tensor) -> nn.Tensor:
        return F.max_pool(F.pad(x, pairs), 3, 2)

    graph = check(
        network, channels_last(lambda x: tf.nn.max_pool2d(tf.pad(x, pairs), 3, 2, "VALID"), "channels_last"), [x]
    )
    assert "pad" in str(graph)
