"""Reductions, products and normalizations, against TensorFlow or the documented formula in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hand_network import HandNetwork, in_every_listing, random, trt  # noqa: F401
from hypothesis import given
from hypothesis import strategies as st
from onnx_oracle import onnx_operation
from oracle import assert_close, keras, tensorflow


@given(
    st.sampled_from(["SUM", "PROD", "MAX", "MIN", "AVG"]),
    st.sets(st.integers(0, 3), min_size=1),
    st.booleans(),
    st.tuples(*[st.integers(1, 4)] * 4),
)
def test_reduce(kind, axes, keep, shape):
    x = random(*shape)
    net = HandNetwork()
    mask = sum(1 << axis for axis in axes)
    image = net.input("x", (-1, *shape[1:]))
    net.mark(net.network.add_reduce(image, getattr(trt.ReduceOperation, kind), mask, keep).get_output(0))
    reduce = getattr(tensorflow(), f"reduce_{'mean' if kind == 'AVG' else kind.lower()}")
    assert_close(net.simulate(x=x), reduce(x, sorted(axes), keep).numpy())


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_softmax(axis):
    x = 80 * random(3, 4, 5)  # exp of these overflows
    net = HandNetwork()
    layer = net.network.add_softmax(net.input("x", x.shape))
    layer.axes = 1 << axis
    net.mark(layer.get_output(0))
    assert_close(net.simulate_and_build(x=x), tensorflow().nn.softmax(x, axis).numpy())


def matmul(a: np.ndarray, b: np.ndarray, left: str, right: str) -> np.ndarray:
    net = HandNetwork()
    operations = [getattr(trt.MatrixOperation, name) for name in (left, right)]
    inputs = net.input("a", a.shape), net.input("b", b.shape)
    net.mark(net.network.add_matrix_multiply(inputs[0], operations[0], inputs[1], operations[1]).get_output(0))
    return net.simulate_and_build(a=a, b=b)


@given(st.booleans(), st.booleans(), st.tuples(*[st.integers(1, 4)] * 3), st.sampled_from([(2, 1), (1, 3), (2, 2)]))
def test_matrix_product(left, right, extents, batches):
    m, k, n = extents
    a = random(batches[0], *((k, m) if left else (m, k)))
    b = random(1 if batches[0] != batches[1] and batches[0] != 1 else batches[1], *((n, k) if right else (k, n)))
    got = matmul(a, b, "TRANSPOSE" if left else "NONE", "TRANSPOSE" if right else "NONE")
    assert_close(got, tensorflow().matmul(a, b, left, right).numpy())


def test_products_with_vectors():
    a, b, matrix = random(2, 4), random(2, 4, seed=1), random(2, 4, 3)
    assert_close(matmul(a, b, "VECTOR", "VECTOR"), (a * b).sum(1))
    assert_close(matmul(a, matrix, "VECTOR", "NONE"), np.einsum("bi,bij->bj", a, matrix))
    assert_close(matmul(matrix, a, "TRANSPOSE", "VECTOR"), np.einsum("bij,bi->bj", matrix, a))


@pytest.mark.parametrize("equation", ["ij,jk->ik", "bij,bkj->bik", "i,j->ij", "bij->bi"])
def test_einsum(equation):
    extents = {"i": 2, "j": 3, "k": 4, "b": 2}
    operands = [
        random(*(extents[letter] for letter in letters), seed=seed)
        for seed, letters in enumerate(equation.split("->")[0].split(","))
    ]
    net = HandNetwork()
    inputs = [net.input(name, x.shape) for name, x in zip("ab", operands, strict=False)]
    net.mark(net.network.add_einsum(inputs, equation).get_output(0))
    want = tensorflow().einsum(equation, *operands).numpy()
    assert_close(net.simulate_and_build(**dict(zip("ab", operands, strict=False))), want)


def normalization(x: np.ndarray, scale: np.ndarray, bias: np.ndarray, axes: tuple, groups: int = 1) -> HandNetwork:
    net = HandNetwork()
    weights = net.constant(scale), net.constant(bias)
    mask = sum(1 << axis for axis in axes)
    layer = net.network.add_normalization(net.input("x", x.shape), *weights, mask)
    layer.epsilon, layer.num_groups = 0.01, groups
    net.mark(layer.get_output(0))
    return net


def test_layer_normalization():
    x, scale, bias = 3 * random(2, 5, 6), random(1, 1, 6, seed=1), random(1, 1, 6, seed=2)
    layer = keras().layers.LayerNormalization(epsilon=0.01)
    layer.build(x.shape)
    layer.set_weights([scale.reshape(-1), bias.reshape(-1)])
    net = normalization(x, scale, bias, (2,))
    assert_close(net.simulate_and_build(x=x), layer(x).numpy())


def test_instance_normalization():
    x, scale, bias = 3 * random(2, 3, 4, 5), random(1, 3, 1, 1, seed=1), random(1, 3, 1, 1, seed=2)
    want = onnx_operation("InstanceNormalization", x, scale.reshape(-1), bias.reshape(-1), epsilon=0.01)
    net = normalization(x, scale, bias, (2, 3))
    assert_close(net.simulate_and_build(x=x), want)


def test_group_normalization_with_weights_per_group():
    x, scale, bias = 3 * random(2, 6, 4, 5), random(1, 3, 1, 1, seed=1), random(1, 3, 1, 1, seed=2)
    layer = keras().layers.GroupNormalization(3, axis=1, epsilon=0.01)
    layer.build(x.shape)
    layer.set_weights([scale.repeat(2, 1).reshape(-1), bias.repeat(2, 1).reshape(-1)])
    net = normalization(x, scale, bias, (2, 3), groups=3)
    assert_close(net.simulate_and_build(x=x), layer(x).numpy())


@pytest.mark.parametrize("window", [1, 3, 5])
def test_local_response_normalization(window):
    x = random(2, 7, 3, 4)
    net = HandNetwork()
    net.mark(net.network.add_lrn(net.input("x", x.shape), window, 0.6, 0.75, 2.0).get_output(0))
    # TensorFlow's alpha is not divided by the window.
    want = tensorflow().nn.local_response_normalization(x.transpose(0, 2, 3, 1), window // 2, 2.0, 0.6 / window, 0.75)
    assert_close(net.simulate_and_build(x=x), want.numpy().transpose(0, 3, 1, 2))
