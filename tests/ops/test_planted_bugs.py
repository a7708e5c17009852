"""The harness sees bugs: the ones that people make when they bring a network from TensorFlow elsewhere, planted here.

Each network passes as it is and fails with the bug.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest
import strategies as own
from oracle import tensorflow

import trtnn as nn
import trtnn.functional as F
from ops.harness import check, compare, fill
from trtnn.backends.onnxruntime.model import ModelBuilder
from trtnn.functional import nn as nn_functions
from trtnn.graph import GraphBuilder, windows
from trtnn.graph import ops as g
from trtnn.layers import norm
from trtnn.passes import batchnorm, layout

tf = tensorflow()
X = own.random_array((2, 8, 8, 4), seed=3)
Plant = Callable[[pytest.MonkeyPatch], None]


def filled(layer: Any) -> Any:
    """The layer with random weights."""
    fill(layer)
    return layer


CONV = filled(nn.Conv2d(4, 4, 3, stride=2, padding="same"))
NORM = filled(nn.BatchNorm(4))
NORM.moving_variance.assign(np.full(4, 0.01, np.float32))
FALLING = filled(nn.BatchNorm(4))
FALLING.gamma.assign(-FALLING.gamma.data)
LINEAR = filled(nn.Linear(16 * 4, 5))


def conv_reference(x: Any, padding: str = "SAME") -> Any:
    """What `CONV` means."""
    return tf.nn.bias_add(tf.nn.conv2d(x, CONV.kernel.data, 2, padding), CONV.bias.data)


def norm_reference(x: Any, layer: nn.BatchNorm = NORM) -> Any:
    """What `NORM` means, or another one."""
    weights = (layer.moving_mean, layer.moving_variance, layer.beta, layer.gamma)
    return tf.nn.batch_normalization(x, *(one.data for one in weights), 1e-3)


def symmetric_same_padding(patch: pytest.MonkeyPatch) -> None:
    """Padding as PyTorch's habit has it: as much before as behind, the odd element in front."""
    original = windows.same_padding

    def symmetric(*arguments: Any) -> Any:
        pair = original(*arguments)
        return pair and (pair[1], pair[0])

    patch.setattr(windows, "same_padding", symmetric)


def another_epsilon(patch: pytest.MonkeyPatch) -> None:
    """PyTorch's default epsilon in place of Keras's."""
    original = F.batch_norm
    patch.setattr(norm.F, "batch_norm", lambda *args, **options: original(*args, **{**options, "eps": 1e-5}))


def kernel_read_with(*permutation: int) -> Plant:
    """The kernel's axes taken for others, of the same sizes."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(CONV.kernel, "data", np.ascontiguousarray(CONV.kernel.data.transpose(permutation)))

    return plant


def shift_folded_through_padding(patch: pytest.MonkeyPatch) -> None:
    """A BatchNorm in front of a padded convolution folded all the same."""
    patch.setattr(batchnorm, "_is_unpadded", lambda *arguments: True)


def scale_folded_through_maximum(patch: pytest.MonkeyPatch) -> None:
    """A negative scale taken through a maximum."""
    original = batchnorm._Folder._push_back

    def push(self: Any, value: Any, affine: Any) -> Any:
        node = self._builder.producer(value)
        through = node is not None and isinstance(node.op, g.Pool)
        return self._through(node, affine) if through else original(self, value, affine)

    patch.setattr(batchnorm._Folder, "_push_back", push)


def flattened_channels_first(patch: pytest.MonkeyPatch) -> None:
    """A reshape of what is stored channels first, as if it were not."""
    original = layout.permuted
    patch.setattr(layout, "permuted", lambda op, rank: op if isinstance(op, g.Reshape) else original(op, rank))
    patch.setattr(layout, "leaves_island", lambda op: isinstance(op, g.Reshape))


def padding_counted_in_the_mean(patch: pytest.MonkeyPatch) -> None:
    """An average that counts the padding."""
    original = ModelBuilder.node

    def node(self: Any, kind: str, *args: Any, **options: Any) -> str:
        return original(self, kind, *args, **options | ({"count_include_pad": 1} if kind == "AveragePool" else {}))

    patch.setattr(ModelBuilder, "node", node)


def zero_padding_in_the_maximum(patch: pytest.MonkeyPatch) -> None:
    """Zeros around the input of a maximum in place of nothing."""

    def padded(x: Any, window: int, stride: int, padding: Any) -> Any:
        return nn_functions.max_pool(F.pad(x, [(0, 0), (0, 1), (0, 1), (0, 0)]), window, stride)

    patch.setattr(F, "max_pool", padded)


def leaky_relu_of_keras(patch: pytest.MonkeyPatch) -> None:
    """The layer's slope in place of the function's."""
    original = GraphBuilder.add_all

    def add_all(self: Any, op: g.Op, *args: Any, **options: Any) -> Any:
        return original(self, attrs.evolve(op, alpha=0.3) if isinstance(op, g.Activation) else op, *args, **options)

    patch.setattr(GraphBuilder, "add_all", add_all)


BUGS: dict[str, tuple[Plant, Callable[..., Any], Callable[..., Any]]] = {
    "symmetric SAME padding": (symmetric_same_padding, CONV, conv_reference),
    "epsilon of PyTorch": (another_epsilon, NORM, norm_reference),
    "height and width of the kernel swapped": (kernel_read_with(1, 0, 2, 3), CONV, conv_reference),
    "channels in and out of the kernel swapped": (kernel_read_with(0, 1, 3, 2), CONV, conv_reference),
    "shift folded through padding": (
        shift_folded_through_padding,
        nn.Sequential(NORM, CONV),
        lambda x: conv_reference(norm_reference(x)),
    ),
    "negative scale folded through a maximum": (
        scale_folded_through_maximum,
        nn.Sequential(CONV, lambda x: F.max_pool(x, 2), FALLING),
        lambda x: norm_reference(tf.nn.max_pool2d(conv_reference(x), 2, 2, "VALID"), FALLING),
    ),
    "flattened channels first": (
        flattened_channels_first,
        nn.Sequential(CONV, F.flatten, LINEAR),
        lambda x: tf.reshape(conv_reference(x), (2, -1)) @ LINEAR.kernel.data + LINEAR.bias.data,
    ),
    "padding counted in a mean": (
        padding_counted_in_the_mean,
        lambda x: F.average_pool(x, 3, 2, "same"),
        lambda x: tf.nn.avg_pool2d(x, 3, 2, "SAME"),
    ),
    "zeros around a maximum": (
        zero_padding_in_the_maximum,
        lambda x: F.max_pool(x - 5, 3, 2, "same"),
        lambda x: tf.nn.max_pool2d(x - 5, 3, 2, "SAME"),
    ),
    "slope of another leaky ReLU": (leaky_relu_of_keras, F.leaky_relu, tf.nn.leaky_relu),
}


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant, network, reference = BUGS[name]
    want = reference(X)  # before the bug, which may sit in the weights
    check(network, lambda x: want, [X])
    plant(monkeypatch)
    with pytest.raises(AssertionError, match="relative error"):
        check(network, lambda x: want, [X])


@pytest.mark.parametrize(
    ("got", "want", "said"),
    [
        (np.float32([1, 2]), np.float32([1, 2.0001]), "relative error"),
        (np.float32([1, np.nan]), np.float32([1, 2]), "relative error"),
        (np.float32([0, 1e-3]), np.float32([0, 0]), "not equal"),
        (np.int32([1, 2]), np.int32([1, 3]), "not equal"),
        (np.int32([1, 2]), np.int64([1, 2]), "int32"),
        (np.float32([[1, 2]]), np.float32([1, 2]), "for float32"),
    ],
)
def test_the_comparison_itself(got: np.ndarray, want: np.ndarray, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        compare(got, want)
