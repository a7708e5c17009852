"""Layers that pick, place and make elements by index, against ONNX Runtime, TensorFlow and NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hand_network import HandNetwork, in_every_listing, random, trt  # noqa: F401
from hypothesis import given
from hypothesis import strategies as st
from onnx_oracle import onnx_operation
from oracle import tensorflow


def gather(x: np.ndarray, indices: np.ndarray, mode: str = "DEFAULT", axis: int = 0, shared: int = 0) -> np.ndarray:
    net = HandNetwork()
    inputs = net.input("x", x.shape), net.input("i", indices.shape, indices.dtype)
    layer = net.network.add_gather_v2(*inputs, getattr(trt.GatherMode, mode))
    layer.axis, layer.num_elementwise_dims = axis, shared
    net.mark(layer.get_output(0))
    return net.simulate_and_build(x=x, i=indices)


@given(st.integers(0, 2), st.lists(st.integers(0, 2), min_size=1, max_size=6), st.sampled_from([np.int32, np.int64]))
def test_gather(axis, picked, dtype):
    x, indices = random(3, 4, 5), np.array([picked, picked[::-1]], dtype)
    np.testing.assert_array_equal(gather(x, indices, axis=axis), onnx_operation("Gather", x, indices, axis=axis))


def test_gather_with_a_shared_axis_is_tensorflows_batch_dims():
    x, indices = random(2, 4, 3), np.array([[3, 0], [1, 1]], np.int32)
    want = tensorflow().gather(x, indices, batch_dims=1).numpy()
    np.testing.assert_array_equal(gather(x, indices, axis=1, shared=1), want)


def test_gather_elements():
    x, indices = random(3, 4), np.array([[0, 2, 1, 0], [2, 2, 0, 1]], np.int64)
    np.testing.assert_array_equal(
        gather(x, indices, "ELEMENT", axis=0), onnx_operation("GatherElements", x, indices, axis=0)
    )


@pytest.mark.parametrize("shared", [0, 1])
def test_gather_nd(shared):
    x, indices = random(2, 3, 4), np.array([[[0, 1], [1, 2]], [[1, 0], [0, 2]]], np.int64)
    want = onnx_operation("GatherND", x, indices, batch_dims=shared)
    np.testing.assert_array_equal(gather(x, indices, "ND", shared=shared), want)


@pytest.mark.parametrize("mode", ["ELEMENT", "ND"])
def test_scatter(mode):
    x = random(4, 3)
    indices = np.array([[2, 0, 1]] if mode == "ELEMENT" else [[2], [0]], np.int64)
    updates = random(1, 3, seed=1) if mode == "ELEMENT" else random(2, 3, seed=1)
    net = HandNetwork()
    inputs = [net.input("x", x.shape), net.input("i", indices.shape, np.int64), net.input("u", updates.shape)]
    layer = net.network.add_scatter(*inputs, getattr(trt.ScatterMode, mode))
    layer.axis = 0
    net.mark(layer.get_output(0))
    want = onnx_operation("ScatterElements" if mode == "ELEMENT" else "ScatterND", x, indices, updates)
    np.testing.assert_array_equal(net.simulate_and_build(x=x, i=indices, u=updates), want)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_one_hot(axis):
    indices = np.array([[1, 0, 3], [2, 7, 1]], np.int32)
    net = HandNetwork()
    values, depth = net.constant([0.5, 2], np.float32), net.constant(4, np.int32)
    net.mark(net.network.add_one_hot(net.input("i", (2, 3), np.int32), values, depth, axis).get_output(0))
    want = tensorflow().one_hot(indices, 4, 2.0, 0.5, axis=axis).numpy()
    np.testing.assert_array_equal(net.simulate_and_build(i=indices), want)


@given(st.sampled_from(["MAX", "MIN"]), st.integers(0, 1), st.integers(1, 3), st.booleans())
def test_top_k(kind, axis, k, dynamic):
    x = np.round(random(4, 6))  # with ties
    net = HandNetwork()
    inputs = {"x": x}
    layer = net.network.add_topk(
        net.input("x", x.shape), getattr(trt.TopKOperation, kind), 1 if dynamic else k, 1 << axis
    )
    if dynamic:
        layer.set_input(1, net.input("k", (), np.int32))
        inputs["k"] = np.array(k, np.int32)
    net.mark(layer.get_output(0), "values")
    net.mark(layer.get_output(1), "indices")
    got = net.simulate(**inputs)
    operands = (x, np.array([k], np.int64))
    for output, name in enumerate(("values", "indices")):
        want = onnx_operation("TopK", *operands, outputs=2, output=output, axis=axis, largest=int(kind == "MAX"))
        np.testing.assert_array_equal(got[name], want)
    assert got["indices"].dtype == np.int32


def test_non_zero():
    x = np.array([[0, 1, 0], [2, 0, 3]], np.float32)
    net = HandNetwork()
    net.mark(net.network.add_non_zero(net.input("x", x.shape)).get_output(0))
    np.testing.assert_array_equal(net.simulate(x=x), onnx_operation("NonZero", x))


@given(st.sampled_from([(0, 1), (1, 0), (2, 0), (0, 2)]), st.data())
def test_reverse_sequence(axes, data):
    batch_axis, sequence_axis = axes
    x = random(3, 4, 5)
    steps = st.integers(0, x.shape[sequence_axis])
    lengths = np.array(data.draw(st.tuples(*[steps] * x.shape[batch_axis])), np.int32)
    net = HandNetwork()
    layer = net.network.add_reverse_sequence(net.input("x", x.shape), net.input("n", lengths.shape, np.int32))
    layer.batch_axis, layer.sequence_axis = axes
    net.mark(layer.get_output(0))
    want = tensorflow().reverse_sequence(x, lengths, sequence_axis, batch_axis).numpy()
    np.testing.assert_array_equal(net.simulate_and_build(x=x, n=lengths), want)


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_cumulative_sum(exclusive, reverse):
    x = random(3, 4)
    net = HandNetwork()
    operation = trt.CumulativeOperation.SUM
    axis = net.constant(1, np.int32)
    net.mark(net.network.add_cumulative(net.input("x", x.shape), axis, operation, exclusive, reverse).get_output(0))
    want = tensorflow().cumsum(x, 1, exclusive=exclusive, reverse=reverse).numpy()
    np.testing.assert_allclose(net.simulate_and_build(x=x), want, rtol=1e-6)


def test_fill_of_a_static_shape():
    net = HandNetwork()
    layer = net.network.add_fill((4,), trt.FillOperation.LINSPACE, trt.DataType.INT64)
    layer.alpha, layer.beta = 5, -2
    net.mark(layer.get_output(0))
    got = net.simulate_and_build()
    assert got.dtype == np.int64
    assert got.tolist() == [5, 3, 1, -1]


def test_fill_of_a_dynamic_shape():
    net = HandNetwork()
    layer = net.network.add_fill((1,), trt.FillOperation.LINSPACE, trt.DataType.FLOAT)
    layer.set_input(0, net.network.add_shape(net.input("x", (-1, -1))).get_output(0))
    layer.set_input(1, net.constant(0.5, np.float32))
    layer.set_input(2, net.constant([10, 1], np.float32))
    net.mark(layer.get_output(0))
    np.testing.assert_array_equal(net.simulate(x=random(2, 3)), [[0.5, 1.5, 2.5], [10.5, 11.5, 12.5]])
