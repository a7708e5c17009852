"""Convolution, deconvolution and pooling against TensorFlow, or where it has no such thing, against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hand_network import HandNetwork, in_every_listing, random, trt  # noqa: F401
from hypothesis import assume, given
from hypothesis import strategies as st
from onnx_oracle import onnx_operation
from oracle import assert_close, tensorflow

sizes = st.integers(1, 4)


def convolution(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray | None = None, **settings: Any) -> HandNetwork:
    net = HandNetwork()
    image = net.input("x", (-1, x.shape[1], *(-1,) * (x.ndim - 2)))
    weights = [kernel, bias] if bias is not None else [kernel]
    layer = net.network.add_convolution_nd(image, kernel.shape[0], kernel.shape[2:], *weights)
    for name, value in settings.items():
        setattr(layer, name, value)
    net.mark(layer.get_output(0))
    return net


def tf_convolution(x: np.ndarray, kernel: np.ndarray, strides: tuple, dilation: tuple, padding: Any) -> np.ndarray:
    """TensorFlow's own, between NCHW and OIHW on both sides; TensorFlow wants one of stride and dilation to be 1."""
    tf = tensorflow()
    filters = kernel.transpose(2, 3, 1, 0)
    if not isinstance(padding, str):
        padding = [(0, 0), *padding, (0, 0)]
    y = tf.nn.conv2d(x.transpose(0, 2, 3, 1), filters, strides, padding, dilations=dilation)
    return y.numpy().transpose(0, 3, 1, 2)


@given(
    st.tuples(st.integers(1, 3), st.integers(5, 9), st.integers(5, 9)),
    st.tuples(sizes, sizes),
    st.sampled_from([((1, 1), (1, 1)), ((2, 3), (1, 1)), ((1, 1), (2, 1)), ((1, 2), (1, 1))]),
    st.tuples(*[st.integers(0, 2)] * 4),
    st.sampled_from([1, 2]),
    st.booleans(),
)
def test_explicit_padding(image, kernel_size, steps, pads, groups, with_bias):
    batch, height, width = image
    strides, dilation = steps
    x, kernel = random(batch, 4, height + 2, width + 2), random(6, 4 // groups, *kernel_size)
    bias = random(6) if with_bias else None
    net = convolution(
        x, kernel, bias, stride_nd=strides, dilation_nd=dilation, pre_padding=pads[:2], post_padding=pads[2:],
        num_groups=groups,
    )  # fmt: skip
    want = tf_convolution(x, kernel, strides, dilation, [(pads[0], pads[2]), (pads[1], pads[3])])
    assert_close(net.simulate(x=x), want if bias is None else want + bias[:, None, None])


@given(st.integers(4, 12), st.integers(4, 12), st.tuples(sizes, sizes), st.tuples(sizes, sizes))
def test_same_upper_is_tensorflows_same(height, width, kernel_size, strides):
    x, kernel = random(2, 3, height, width), random(4, 3, *kernel_size)
    net = convolution(x, kernel, stride_nd=strides, padding_mode=trt.PaddingMode.SAME_UPPER)
    assert_close(net.simulate(x=x), tf_convolution(x, kernel, strides, (1, 1), "SAME"))


def test_same_lower_pads_more_in_front():
    x, kernel = random(1, 1, 6, 6), random(1, 1, 3, 3)
    net = convolution(x, kernel, stride_nd=(2, 2), padding_mode=trt.PaddingMode.SAME_LOWER)
    assert_close(net.simulate(x=x), tf_convolution(x, kernel, (2, 2), (1, 1), [(1, 0), (1, 0)]))


def test_rounding_up_adds_a_window():
    x, kernel = random(1, 2, 6, 6), random(3, 2, 3, 3)
    net = convolution(x, kernel, stride_nd=(2, 2), padding_mode=trt.PaddingMode.EXPLICIT_ROUND_UP)
    assert_close(net.simulate(x=x), tf_convolution(x, kernel, (2, 2), (1, 1), [(0, 1), (0, 1)]))


@given(st.integers(1, 5), st.integers(1, 3), st.tuples(sizes, sizes), st.sampled_from([(1, 1), (2, 2)]))
def test_depthwise(channels, multiplier, kernel_size, strides):
    tf = tensorflow()
    x, kernel = random(2, channels, 8, 9), random(*kernel_size, channels, multiplier)
    oihw = np.ascontiguousarray(kernel.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, *kernel_size))
    net = convolution(x, oihw, stride_nd=strides, num_groups=channels, padding_mode=trt.PaddingMode.SAME_UPPER)
    want = tf.nn.depthwise_conv2d(x.transpose(0, 2, 3, 1), kernel, (1, *strides, 1), "SAME")
    assert_close(net.simulate(x=x), want.numpy().transpose(0, 3, 1, 2))


def test_three_dimensions():
    x, kernel = random(2, 3, 5, 6, 7), random(4, 3, 2, 3, 2)
    net = convolution(x, kernel, stride_nd=(1, 2, 1), pre_padding=(1, 0, 2), post_padding=(0, 1, 1))
    padded = np.pad(x, [(0, 0), (0, 0), (1, 0), (0, 1), (2, 1)]).transpose(0, 2, 3, 4, 1)
    want = tensorflow().nn.conv3d(padded, kernel.transpose(2, 3, 4, 1, 0), (1, 1, 2, 1, 1), "VALID")
    assert_close(net.simulate(x=x), want.numpy().transpose(0, 4, 1, 2, 3))
    net.build(x=((1, 3, 5, 6, 7), (2, 3, 5, 6, 7), (4, 3, 9, 9, 9)))


def test_kernel_and_bias_as_tensors():
    x, kernel, bias = random(1, 4, 5, 5), random(2, 4, 3, 3), random(2)
    net = HandNetwork()
    image = net.input("x", (1, 4, 5, 5))
    layer = net.network.add_convolution_nd(image, 2, (3, 3), trt.Weights(trt.DataType.FLOAT))
    layer.set_input(1, net.constant(kernel))
    layer.set_input(2, net.constant(bias))
    net.mark(layer.get_output(0))
    want = tf_convolution(x, kernel, (1, 1), (1, 1), "VALID") + bias[:, None, None]
    assert_close(net.simulate(x=x), want)


@given(
    st.tuples(sizes, sizes),
    st.tuples(sizes, sizes),
    st.sampled_from([1, 2]),
    st.tuples(*[st.integers(0, 1)] * 4),
    st.sampled_from([(1, 1), (2, 3)]),
    st.booleans(),
)
def test_deconvolution(kernel_size, strides, groups, pads, dilation, with_bias):
    x, kernel = random(2, 4, 5, 4), random(4, 3, *kernel_size)
    weights = [kernel, random(3 * groups)] if with_bias else [kernel]
    net = HandNetwork()
    layer = net.network.add_deconvolution_nd(net.input("x", (-1, 4, -1, -1)), 3 * groups, kernel_size, *weights)
    layer.stride_nd, layer.num_groups, layer.pre_padding, layer.post_padding = strides, groups, pads[:2], pads[2:]
    layer.dilation_nd = dilation
    net.mark(layer.get_output(0))
    want = onnx_operation("ConvTranspose", x, *weights, strides=strides, group=groups, pads=pads, dilations=dilation)
    assert_close(net.simulate(x=x), want)


@given(st.integers(1, 6), st.integers(1, 6), st.tuples(sizes, sizes), st.integers(1, 3))
def test_deconvolution_same_is_tensorflows(height, width, kernel_size, stride):
    tf = tensorflow()
    assume(min(kernel_size) >= stride)  # else TensorFlow fills up to n * stride, which TensorRT does not
    x, kernel = random(1, height, width, 2), random(*kernel_size, 3, 2)
    net = HandNetwork()
    image = net.input("x", (1, 2, height, width))
    weights = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
    layer = net.network.add_deconvolution_nd(image, 3, kernel_size, weights)
    layer.stride_nd, layer.padding_mode = (stride, stride), trt.PaddingMode.SAME_UPPER
    net.mark(layer.get_output(0))
    want = tf.nn.conv2d_transpose(x, kernel, (1, height * stride, width * stride, 3), stride, "SAME")
    assert_close(net.simulate(x=np.ascontiguousarray(x.transpose(0, 3, 1, 2))), want.numpy().transpose(0, 3, 1, 2))


def pooling(x: np.ndarray, kind: Any, window: tuple, **settings: Any) -> HandNetwork:
    net = HandNetwork()
    layer = net.network.add_pooling_nd(net.input("x", (-1, x.shape[1], *(-1,) * (x.ndim - 2))), kind, window)
    for name, value in settings.items():
        setattr(layer, name, value)
    net.mark(layer.get_output(0))
    return net


@given(
    st.sampled_from(["MAX", "AVG"]),
    st.integers(4, 9),
    st.integers(4, 9),
    st.tuples(sizes, sizes),
    st.tuples(sizes, sizes),
)
def test_same_pooling_is_tensorflows(kind, height, width, window, strides):
    assume(all(stride <= extent for stride, extent in zip(strides, window, strict=True)))  # TensorFlow refuses others
    x = random(2, 3, height, width) - 3  # all below the zeros that a wrong padding would put in
    layer_kind = trt.PoolingType.MAX if kind == "MAX" else trt.PoolingType.AVERAGE
    net = pooling(x, layer_kind, window, stride_nd=strides, padding_mode=trt.PaddingMode.SAME_UPPER)
    want = tensorflow().nn.pool(x.transpose(0, 2, 3, 1), window, kind, strides, "SAME")
    assert_close(net.simulate(x=x), want.numpy().transpose(0, 3, 1, 2))


@given(
    st.sampled_from(["MaxPool", "AveragePool"]),
    st.booleans(),
    st.booleans(),
    st.tuples(st.integers(2, 4), st.integers(2, 4)),
    st.integers(1, 3),
    st.tuples(*[st.integers(0, 1)] * 4),
)
def test_explicit_pooling(operation, includes, rounds_up, window, stride, pads):
    x = random(1, 2, 7, 8) - 2
    # A last window that starts behind the input is left out by ONNX, not by TensorRT.
    for size, extent, before, after in zip((7, 8), window, pads[:2], pads[2:], strict=True):
        assume(not rounds_up or -(-(size + before + after - extent) // stride) * stride < size + before)
    counting = {"count_include_pad": int(includes)} if operation == "AveragePool" else {}
    want = onnx_operation(
        operation, x, kernel_shape=window, strides=(stride, stride), pads=pads, ceil_mode=int(rounds_up), **counting
    )
    mode = trt.PaddingMode.EXPLICIT_ROUND_UP if rounds_up else trt.PaddingMode.EXPLICIT_ROUND_DOWN
    net = pooling(
        x, trt.PoolingType.MAX if operation == "MaxPool" else trt.PoolingType.AVERAGE, window,
        stride_nd=(stride, stride), pre_padding=pads[:2], post_padding=pads[2:], padding_mode=mode,
        average_count_excludes_padding=not includes,
    )  # fmt: skip
    assert_close(net.simulate(x=x), want)


@pytest.mark.parametrize("kind", ["MAX", "AVG"])
def test_pooling_in_three_dimensions(kind):
    x = random(1, 2, 4, 5, 6)
    layer_kind = trt.PoolingType.MAX if kind == "MAX" else trt.PoolingType.AVERAGE
    net = pooling(x, layer_kind, (2, 3, 2), stride_nd=(1, 2, 2))
    want = tensorflow().nn.pool(x.transpose(0, 2, 3, 4, 1), (2, 3, 2), kind, (1, 2, 2), "VALID")
    assert_close(net.simulate(x=x), want.numpy().transpose(0, 4, 1, 2, 3))
    net.build(x=((1, 2, 4, 5, 6), (1, 2, 4, 5, 6), (2, 2, 8, 8, 8)))


def test_blended_pooling():
    x = random(1, 2, 6, 6)
    net = pooling(x, trt.PoolingType.MAX_AVERAGE_BLEND, (2, 2), stride_nd=(2, 2), blend_factor=0.25)
    windows = x.reshape(1, 2, 3, 2, 3, 2)
    assert_close(net.simulate(x=x), 0.75 * windows.max((3, 5)) + 0.25 * windows.mean((3, 5)))
