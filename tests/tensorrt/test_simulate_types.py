"""Data types: rounding to half precision, casts, quantization, and contents that cannot be read back."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hand_network import DATA_TYPES, HandNetwork, in_every_listing, random, trt  # noqa: F401
from hypothesis import given
from hypothesis import strategies as st
from onnx_oracle import onnx_operation
from oracle import assert_close, tensorflow

from trtnn.errors import UnsupportedError


def test_half_precision_accumulates_in_float32_and_rounds_once():
    x, kernel = random(4, 300).astype(np.float16), random(300, 5).astype(np.float16)
    net = HandNetwork()
    inputs = net.input("x", x.shape, np.float16), net.constant(kernel)
    none = trt.MatrixOperation.NONE
    net.mark(net.network.add_matrix_multiply(inputs[0], none, inputs[1], none).get_output(0))
    got = net.simulate_and_build(x=x)
    assert got.dtype == np.float16
    np.testing.assert_array_equal(got, (x.astype(np.float32) @ kernel.astype(np.float32)).astype(np.float16))


def test_half_precision_is_rounded_once_per_layer():
    x = random(200).astype(np.float16)
    net = HandNetwork()
    net.mark(
        net.network.add_activation(net.input("x", x.shape, np.float16), trt.ActivationType.GELU_TANH).get_output(0)
    )
    want = tensorflow().nn.gelu(x.astype(np.float32), approximate=True).numpy()
    off_by_one = net.simulate(x=x) != want.astype(np.float16)
    assert off_by_one.mean() < 0.02  # where float32's own last bit decides


def test_half_precision_overflows_to_infinity():
    net = HandNetwork()
    net.mark(net.network.add_unary(net.input("x", (2,), np.float16), trt.UnaryOperation.EXP).get_output(0))
    assert net.simulate(x=np.array([10, 12], np.float16)).tolist() == [np.float16(np.exp(10.0)), np.inf]


def test_half_precision_convolution():
    x, kernel = random(1, 3, 6, 6).astype(np.float16), random(4, 3, 3, 3).astype(np.float16)
    net = HandNetwork()
    net.mark(net.network.add_convolution_nd(net.input("x", x.shape, np.float16), 4, (3, 3), kernel).get_output(0))
    channels_last = x.transpose(0, 2, 3, 1).astype(np.float32)
    want = tensorflow().nn.conv2d(channels_last, kernel.transpose(2, 3, 1, 0).astype(np.float32), 1, "VALID")
    got = net.simulate_and_build(x=x)
    assert_close(got, want.numpy().transpose(0, 3, 1, 2), 2**-11)


def test_bf16():
    x = random(50)
    net = HandNetwork()
    single = net.network.add_cast(net.input("x", (50,)), trt.DataType.BF16).get_output(0)
    doubled = net.network.add_elementwise(single, single, trt.ElementWiseOperation.PROD).get_output(0)
    net.mark(net.network.add_cast(doubled, trt.DataType.FLOAT).get_output(0))
    rounded = x.astype(ml_dtypes.bfloat16).astype(np.float32)
    want = tensorflow().cast(tensorflow().cast(rounded**2, "bfloat16"), "float32").numpy()
    np.testing.assert_array_equal(net.simulate(x=x), want)


def bf16_constant() -> tuple[HandNetwork, np.ndarray]:
    values = random(2, 3).astype(ml_dtypes.bfloat16)
    net = HandNetwork()
    layer = net.network.add_constant((2, 3), trt.Weights(trt.DataType.BF16, values.ctypes.data, values.size))
    layer.name = "scale"
    net.mark(net.network.add_cast(layer.get_output(0), trt.DataType.FLOAT).get_output(0))
    return net, values


def test_what_cannot_be_read_back_comes_from_the_table():
    net, values = bf16_constant()
    with pytest.raises(UnsupportedError, match=r"scale\.weights: TensorRT does not give BF16 weights back; pass their"):
        net.simulate()
    net.constants["scale"] = values
    np.testing.assert_array_equal(net.simulate(), values.astype(np.float32))


CASTS = [np.float32, np.float16, np.int32, np.int64, np.bool_]


@pytest.mark.parametrize("source", CASTS)
@pytest.mark.parametrize("target", CASTS)
def test_cast(source, target):
    x = np.array([-2.75, -1, -0.25, 0, 0.75, 3]).astype(source)
    net = HandNetwork()
    net.mark(net.network.add_cast(net.input("x", x.shape, source), DATA_TYPES[np.dtype(target)]).get_output(0))
    got, want = net.simulate_and_build(x=x), tensorflow().cast(x, target).numpy()
    assert got.dtype == target
    np.testing.assert_array_equal(got, want)


@given(st.sampled_from([None, 0, 1]), st.integers(0, 5))
def test_quantize_and_dequantize(axis, seed):
    x = 5 * random(3, 4, 2, seed=seed)
    scale = np.float32(0.037) if axis is None else (0.01 + np.abs(random(x.shape[axis], seed=seed)) / 20)
    net = HandNetwork()
    scales = net.constant(scale, np.float32)
    quantize = net.network.add_quantize(net.input("x", x.shape), scales, trt.DataType.INT8)
    dequantize = net.network.add_dequantize(quantize.get_output(0), scales, trt.DataType.FLOAT)
    if axis is not None:
        quantize.axis = dequantize.axis = axis
    net.mark(dequantize.get_output(0))
    zero = np.zeros(np.shape(scale), np.int8)
    settings = {} if axis is None else {"axis": axis}
    quantized = onnx_operation("QuantizeLinear", x, np.asarray(scale), zero, **settings)
    want = onnx_operation("DequantizeLinear", quantized, np.asarray(scale), zero, **settings)
    np.testing.assert_array_equal(net.simulate(x=x), want)


def test_quantization_rounds_halves_to_even_and_saturates():
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 1000, -1000], np.float32)
    net = HandNetwork()
    quantize = net.network.add_quantize(net.input("x", x.shape), net.constant(1, np.float32), trt.DataType.INT8)
    dequantize = net.network.add_dequantize(quantize.get_output(0), net.constant(1, np.float32), trt.DataType.FLOAT)
    net.mark(dequantize.get_output(0))
    assert net.simulate_and_build(x=x).tolist() == [0, 2, 2, 0, -2, 127, -128]


def test_fp8_quantization():
    x = np.array([0.3, -17.3, 1e-3, 2**-10, 440, 1e5], np.float32)
    net = HandNetwork()
    one = net.constant(1, np.float32)
    quantize = net.network.add_quantize(net.input("x", x.shape), one, trt.DataType.FP8)
    net.mark(net.network.add_dequantize(quantize.get_output(0), one, trt.DataType.FLOAT).get_output(0))
    # E4M3: three bits after the leading one, subnormals in steps of 2^-9, nothing above 448.
    assert net.simulate(x=x).tolist() == [0.3125, -18, 2**-9, 0, 448, 448]


def test_int8_weights_of_a_convolution():
    """The kernel is a constant that is dequantized and given to the convolution as a tensor."""
    weights = np.random.default_rng(0).integers(-127, 128, (4, 3, 3, 3)).astype(np.int8)
    scale = np.abs(random(4)) / 50 + 0.01
    x = random(1, 3, 6, 6)
    net = HandNetwork()
    dequantize = net.network.add_dequantize(net.constant(weights), net.constant(scale), trt.DataType.FLOAT)
    dequantize.axis = 0
    image = net.input("x", x.shape)
    layer = net.network.add_convolution_nd(image, 4, (3, 3), trt.Weights(trt.DataType.FLOAT))
    layer.set_input(1, dequantize.get_output(0))
    net.mark(layer.get_output(0))
    kernel = (weights * scale[:, None, None, None]).astype(np.float32)
    want = tensorflow().nn.conv2d(x.transpose(0, 2, 3, 1), kernel.transpose(2, 3, 1, 0), 1, "VALID")
    assert_close(net.simulate_and_build(x=x), want.numpy().transpose(0, 3, 1, 2))
