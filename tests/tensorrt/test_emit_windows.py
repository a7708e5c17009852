"""Convolution and pooling against TensorFlow, for all strides, dilations and paddings, with static and with dynamic
sizes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from emitting import built, emitted, random, simulate
from hand_network import in_every_listing  # noqa: F401
from hypothesis import example, given
from hypothesis import strategies as st
from oracle import assert_close, tensorflow

import trtnn as nn
import trtnn.functional as F
from trtnn.graph import DType

SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))
SMALL = st.tuples(st.integers(1, 4), st.integers(1, 4))
ONES = (1, 1)


def image_input(shape: tuple[int, ...], dynamic: bool) -> list[nn.Input]:
    return [nn.Input("batch", "height", "width", shape[-1])] if dynamic else [nn.Input(*shape)]


@given(SIZES, SMALL, SMALL, SMALL, st.booleans())
@example((5, 7), (2, 2), (3, 4), (1, 1), True)  # a stride larger than the window
@example((4, 9), (3, 3), (2, 2), (2, 2), True)  # a stride and a dilation
def test_same_convolution(size: Any, window: Any, stride: Any, dilation: Any, dynamic: bool) -> None:
    x, kernel, bias = random(2, *size, 2), random(*window, 2, 3, seed=1), random(3, seed=2)
    got = simulate(
        lambda x: F.conv(x, kernel, bias, stride=stride, dilation=dilation, padding="same"),
        x,
        inputs=image_input(x.shape, dynamic),
    )
    assert_close(got, tensorflow().nn.conv2d(x, kernel, stride, "SAME", dilations=dilation) + bias)


@given(SIZES, SMALL, SMALL, st.tuples(SMALL, SMALL), st.sampled_from([1, 2, 4]), st.booleans())
def test_padded_grouped_convolution(
    size: Any, window: Any, stride: Any, padding: Any, groups: int, dynamic: bool
) -> None:
    x = random(2, *(n + k for n, k in zip(size, window, strict=True)), 4)
    kernel, bias = random(*window, 4 // groups, 8, seed=1), random(8, seed=2)
    got = simulate(
        lambda x: F.conv(x, kernel, bias, stride=stride, groups=groups, padding=padding),
        x,
        inputs=image_input(x.shape, dynamic),
    )
    padded = np.pad(x, ((0, 0), *padding, (0, 0)))
    assert_close(got, tensorflow().nn.conv2d(padded, kernel, stride, "VALID") + bias)


@given(SIZES, SMALL, SMALL, st.booleans(), st.sampled_from(["max", "average"]))
@example((5, 7), (2, 2), (3, 4), True, "max")
@example((4, 8), (2, 2), (3, 4), True, "average")
def test_same_pooling(size: Any, window: Any, stride: Any, dynamic: bool, kind: str) -> None:
    """All elements are negative: a padding of zeros would win every maximum."""
    tf, x = tensorflow(), random(2, *size, 3, low=-2, high=-1)
    pool, oracle = (F.max_pool, tf.nn.max_pool2d) if kind == "max" else (F.average_pool, tf.nn.avg_pool2d)
    got = simulate(lambda x: pool(x, window, stride, "same"), x, inputs=image_input(x.shape, dynamic))
    assert_close(got, oracle(x, window, stride, "SAME"))


@pytest.mark.parametrize("kind", ["max", "average"])
def test_padded_pooling_leaves_the_padding_out(kind: str) -> None:
    x = random(1, 5, 6, 2, low=-2, high=-1)
    pool = F.max_pool if kind == "max" else F.average_pool
    got = simulate(lambda x: pool(x, 3, 2, ((1, 2), (0, 1))), x)
    holes = np.pad(x, ((0, 0), (1, 2), (0, 1), (0, 0)), constant_values=np.nan)
    reduce = np.nanmax if kind == "max" else np.nanmean
    windows = np.lib.stride_tricks.sliding_window_view(holes, (3, 3), (1, 2))[:, ::2, ::2]
    assert_close(got, reduce(windows, (-1, -2)))


@given(st.integers(1, 9), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.booleans())
def test_sequences(size: int, window: int, stride: int, dilation: int, dynamic: bool) -> None:
    tf, x, kernel, bias = tensorflow(), random(2, size, 2), random(window, 2, 3, seed=1), random(3, seed=2)
    inputs = [nn.Input("batch", "time", 2)] if dynamic else [nn.Input(*x.shape)]
    convolve = lambda x: F.conv(x, kernel, bias, stride=stride, dilation=dilation, padding="same")  # noqa: E731
    wanted = tf.nn.conv2d(x[:, None], kernel[None], (1, stride), "SAME", dilations=(1, dilation))[:, 0] + bias
    assert_close(simulate(convolve, x, inputs=inputs), wanted)
    pooled = simulate(lambda x: F.average_pool(x, window, stride, "same"), x, inputs=inputs)
    assert_close(pooled, tf.nn.avg_pool2d(x[:, None], (1, window), (1, stride), "SAME")[:, 0])


@given(st.tuples(st.integers(1, 5), *[st.integers(1, 4)] * 2), st.tuples(*[st.integers(1, 3)] * 3), st.integers(1, 3))
def test_volumes(size: Any, window: Any, stride: int) -> None:
    tf, x, kernel = tensorflow(), random(1, *size, 2), random(*window, 2, 3, seed=1)
    inputs, strides = [nn.Input("batch", "depth", "height", "width", 2)], (1, *[stride] * 3, 1)
    got = simulate(lambda x: F.conv(x, kernel, stride=stride, padding="same"), x, inputs=inputs)
    assert_close(got, tf.nn.conv3d(x, kernel, strides, "SAME"))
    pooled = simulate(lambda x: F.max_pool(x, window, stride, "same"), x - 5, inputs=inputs)
    assert_close(pooled, tf.nn.max_pool3d(x - 5, (1, *window, 1), strides, "SAME"))


@pytest.mark.parametrize("stride", range(1, 5))
@pytest.mark.parametrize("window", range(1, 5))
def test_same_padding_of_every_dynamic_size(window: int, stride: int) -> None:
    """One network with a dynamic width, run at every width, for all windows, strides and dilations."""
    tf = tensorflow()
    for dilation in (1, 2, 3):
        kernel, bias = random(1, window, 1, 2, seed=1), random(2, seed=2)
        network = emitted(
            lambda x, k=kernel, b=bias, d=dilation: F.conv(
                x, k, b, stride=(1, stride), dilation=(1, d), padding="same"
            ),
            nn.Input(1, 1, "width", 1),
        )
        for width in range(1, 13):
            x = random(1, 1, width, 1)
            want = tf.nn.conv2d(x, kernel, (1, stride), "SAME", dilations=(1, dilation)) + bias
            assert_close(network.simulate({"x0": x})[0], want)


def test_same_padding_of_known_sizes_is_explicit() -> None:
    network = emitted(lambda x: F.conv(x, random(3, 3, 2, 4), stride=2, padding="same"), nn.Input("batch", 8, 9, 2))
    layer = convolution_of(network)
    assert (tuple(layer.pre_padding), tuple(layer.post_padding)) == ((0, 1), (1, 1))


def test_same_padding_of_dynamic_sizes_is_left_to_tensorrt() -> None:
    network = emitted(
        lambda x: F.conv(x, random(3, 3, 2, 4), stride=2, padding="same"), nn.Input("batch", 8, "width", 2)
    )
    assert convolution_of(network).padding_mode.name == "SAME_UPPER"


def test_same_padding_of_dynamic_sizes_is_a_layer_where_tensorrt_might_crop() -> None:
    """Its documented amount is negative for some widths, and what it does then is not documented."""
    network = emitted(
        lambda x: F.conv(x, random(1, 2, 2, 4), stride=(1, 3), padding="same"), nn.Input(1, 8, "width", 2)
    )
    layer = convolution_of(network)
    assert (layer.padding_mode.name, tuple(layer.pre_padding)) == ("EXPLICIT_ROUND_DOWN", (0, 0))


def convolution_of(network: Any) -> Any:
    """The convolution layer of a network that has one."""
    trt, definition = network.library.trt, network.definition
    layers = [definition.get_layer(i) for i in range(definition.num_layers)]
    (layer,) = (one for one in layers if trt.ILayer.type.__get__(one) == trt.LayerType.CONVOLUTION)
    layer.__class__ = trt.IConvolutionLayer
    return layer


@pytest.mark.parametrize("pool", [F.max_pool, F.average_pool])
def test_strides_larger_than_the_window_are_built(pool: Any) -> None:
    x, kernel = random(2, 7, 8, 3), random(2, 2, 3, 4)
    engine = built(
        lambda x: pool(F.conv(x, kernel, stride=3, padding="same"), 2, 3, "same"), x, inputs=image_input(x.shape, True)
    )
    assert engine.simulate(x).shape == (2, 1, 1, 4)


@pytest.mark.parametrize(("dtype", "precision"), [(DType.float16, 1e-3), (DType.bfloat16, 8e-3)], ids=str)
@pytest.mark.parametrize("shape", [(2, 9, 3), (1, 4, 5, 6, 3)])
def test_depthwise_in_half_precision_is_built(shape: tuple[int, ...], dtype: DType, precision: float) -> None:
    """float16 has 11 bits, bfloat16 has 8; the products are summed in float32."""
    x = random(*shape, dtype=dtype.numpy)
    kernel, bias = random(*(3,) * (x.ndim - 2), 1, 6, seed=1, dtype=dtype.numpy), random(6, seed=2, dtype=dtype.numpy)
    engine = built(lambda x: F.conv(x, kernel, bias, groups=3, padding="same"), x)
    wide = [one.astype(np.float32) for one in (x, kernel, bias)]
    want = simulate(lambda x: F.conv(x, *wide[1:], groups=3, padding="same"), wide[0])
    got = engine.simulate(x)
    assert got.dtype == dtype.numpy
    assert_close(got.astype(np.float32), want, rtol=precision)
