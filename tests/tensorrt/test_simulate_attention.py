"""Attention, which TensorRT has from 10.16 on; so this module's networks are not in every listing."""

from __future__ import annotations

import numpy as np
import pytest
from hand_network import HandNetwork, random, trt
from oracle import assert_close, tensorflow

from trtnn.errors import UnsupportedError


@pytest.mark.parametrize("masking", ["none", "bool", "added", "causal"])
def test_attention(masking):
    query, key, value = random(2, 3, 5, 8) / 8**0.5, random(2, 3, 6, 8, seed=1), random(2, 3, 6, 8, seed=2)
    if masking == "causal":
        key, value = key[:, :, :5], value[:, :, :5]
    net = HandNetwork()
    inputs = {"q": query, "k": key, "v": value}
    tensors = [net.input(name, array.shape) for name, array in inputs.items()]
    softmax = trt.AttentionNormalizationOp.SOFTMAX
    attention = net.network.add_attention(*tensors, softmax, masking == "causal")
    attention.decomposable = True
    bias = np.zeros((2, 1, 5, key.shape[2]), np.float32)
    if masking in ("bool", "added"):
        seen = random(2, 1, 5, 6, seed=3) > -0.5
        inputs["m"] = seen if masking == "bool" else random(2, 1, 5, 6, seed=4)
        attention.mask = net.input("m", seen.shape, inputs["m"].dtype)
        bias = np.where(seen, 0, -1e9).astype(np.float32) if masking == "bool" else inputs["m"]
    elif masking == "causal":
        bias = np.where(np.tri(5, dtype=bool), 0, -1e9).astype(np.float32)[None, None]
    net.mark(attention.get_output(0))
    tf = tensorflow()
    want = tf.nn.softmax(query @ key.swapaxes(2, 3) + bias) @ value
    assert_close(net.simulate_and_build(**inputs), want.numpy())


def test_a_causal_mask_aligned_at_the_end():
    query, key, value = random(1, 2, 3, 8), random(1, 2, 5, 8, seed=1), random(1, 2, 5, 8, seed=2)
    net = HandNetwork()
    tensors = [net.input(name, array.shape) for name, array in zip("qkv", (query, key, value), strict=True)]
    kind = trt.CausalMaskKind.LOWER_RIGHT
    attention = net.network.add_attention_v2(*tensors, trt.AttentionNormalizationOp.SOFTMAX, kind)
    attention.decomposable = True
    net.mark(attention.get_output(0))
    unseen = np.array([[0, 0, 0, 1, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]], np.float32)
    want = tensorflow().nn.softmax(query @ key.swapaxes(2, 3) - 1e9 * unseen) @ value
    assert_close(net.simulate_and_build(q=query, k=key, v=value), want.numpy())


def test_lengths_are_refused():
    net = HandNetwork()
    query = net.input("q", (1, 2, 3, 8))
    attention = net.network.add_attention(query, query, query, trt.AttentionNormalizationOp.SOFTMAX, False)
    attention.key_value_lengths = net.input("n", (1,), np.int32)
    net.mark(attention.get_output(0))
    with pytest.raises(UnsupportedError, match="the simulator has no attention with quantization or with lengths"):
        net.simulate(q=random(1, 2, 3, 8), n=np.array([3], np.int32))
