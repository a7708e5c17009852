"""Channels first with the fewest transposes: networks of every kind, and how many transposes they need.

An input in NHWC costs one, an output in NHWC another; in between there is none, whatever the network does there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import strategies as own
from ops.harness import check, fill, static_inputs, traced
from ops.references import convolution
from oracle import tensorflow

import trtnn as nn
import trtnn.functional as F
from passes.counting import count, operations
from passes.evaluate import evaluate
from passes.networks import Apply, squeeze_and_excite, squeeze_and_excite_dense
from trtnn.graph import Graph
from trtnn.graph.ops import Transpose

tf = tensorflow()
X = own.random_array((2, 8, 8, 3))


def conv(inputs: int, outputs: int, window: int = 3, stride: int = 1) -> nn.Module:
    """Convolution, BatchNorm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, window, stride, "same", bias=False), nn.BatchNorm(outputs), nn.ReLU()
    )


def bottleneck(inputs: int, outputs: int, stride: int) -> nn.Module:
    """ResNet's block with a projection."""
    inner = nn.Sequential(conv(inputs, 2, 1, stride), conv(2, 2), nn.Conv2d(2, outputs, 1), nn.BatchNorm(outputs))
    shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride), nn.BatchNorm(outputs))
    return Apply(lambda x, inner, shortcut: F.relu(inner(x) + shortcut(x)), inner, shortcut)


def resnet() -> nn.Module:
    """A stem with explicit padding, two stages, global pooling, a dense layer."""
    stem = nn.Sequential(nn.Pad([(0, 0), (1, 1), (1, 1), (0, 0)]), nn.Conv2d(3, 4, 3, 2), nn.BatchNorm(4), nn.ReLU())
    pool = nn.Sequential(nn.Pad([(0, 0), (1, 1), (1, 1), (0, 0)]), nn.MaxPool2d(3, 1))
    stages = bottleneck(4, 6, 1), bottleneck(6, 8, 2)
    return nn.Sequential(stem, pool, *stages, nn.GlobalAveragePool(), nn.Linear(8, 5), nn.Softmax())


def excited(block: Callable[..., Any], layer: nn.Module) -> nn.Module:
    """Squeeze and excite between convolutions."""
    return nn.Sequential(conv(3, 4), Apply(block, layer), conv(4, 4), nn.GlobalAveragePool(), nn.Linear(4, 5))


def densenet() -> nn.Module:
    """Concatenation of all that came before; BatchNorm and ReLU in front of every convolution."""

    def grow(inputs: int) -> nn.Module:
        inner = nn.Sequential(nn.BatchNorm(inputs), nn.ReLU(), nn.Conv2d(inputs, 2, 3, padding="same"))
        return Apply(lambda x, inner: F.concat([x, inner(x)]), inner)

    transition = nn.Sequential(nn.BatchNorm(7), nn.ReLU(), nn.Conv2d(7, 4, 1), nn.AveragePool2d(2))
    return nn.Sequential(conv(3, 3), grow(3), grow(5), transition, nn.GlobalAveragePool(), nn.Linear(4, 5))


def unet() -> nn.Module:
    """Down, up by repetition, and together with what was before; an image out."""

    def up(x: nn.Tensor) -> nn.Tensor:
        batch, height, width, channels = x.shape
        wide = F.broadcast_to(x.reshape(batch, height, 1, width, 1, channels), (batch, height, 2, width, 2, channels))
        return wide.reshape(batch, height * 2, width * 2, channels)

    def run(x: nn.Tensor, before: nn.Module, inner: nn.Module, after: nn.Module) -> nn.Tensor:
        kept = before(x)
        return after(F.concat([kept, up(inner(F.max_pool(kept, 2)))]))

    return Apply(run, conv(3, 4), conv(4, 4), nn.Conv2d(8, 2, 3, padding="same"))


def attention_over_pixels(x: nn.Tensor) -> nn.Tensor:
    """A matrix product over pixels, which needs them as a sequence with the channels last."""
    pixels = x.reshape(x.shape[0], -1, x.shape[3])
    return (F.softmax(F.matmul(pixels, pixels, transpose_y=True)) @ pixels).reshape(x.shape)


def channel_shuffle(x: nn.Tensor) -> nn.Tensor:
    """ShuffleNet's: channels in two groups, dealt out in turn."""
    batch, height, width, channels = x.shape
    return x.reshape(batch, height, width, 2, channels // 2).transpose(0, 1, 2, 4, 3).reshape(x.shape)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "ResNet": (resnet, 1),
    "squeeze and excite, with convolutions": (lambda: excited(squeeze_and_excite, nn.Conv2d(4, 4, 1)), 1),
    "squeeze and excite, with dense layers": (lambda: excited(squeeze_and_excite_dense, nn.Linear(4, 4)), 1),
    "DenseNet": (densenet, 1),
    "VGG: flatten needs the channels last": (
        lambda: nn.Sequential(conv(3, 4), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 5)),
        2,
    ),
    "flatten of one pixel": (lambda: nn.Sequential(conv(3, 4), nn.MaxPool2d(8), nn.Flatten(), nn.Linear(4, 5)), 1),
    "U-Net: up and down in NHWC inside, and an image out": (unet, 4),
    "image to image": (lambda: nn.Sequential(conv(3, 4), conv(4, 3)), 2),
    "one channel in and out": (lambda: nn.Sequential(conv(1, 4), conv(4, 1)), 0),
    "softmax over the channels of every pixel": (lambda: nn.Sequential(conv(3, 4), nn.Softmax()), 2),
    "maximum over the channels": (lambda: nn.Sequential(conv(3, 4), lambda x: F.reduce_max(x, -1)), 1),
    "maximum over the rows": (lambda: nn.Sequential(conv(3, 4), lambda x: F.reduce_max(x, 1)), 2),
    "pixels as a sequence, and back": (
        lambda: nn.Sequential(conv(3, 4), attention_over_pixels, conv(4, 4), nn.GlobalMaxPool()),
        3,
    ),
    "channel shuffle": (lambda: nn.Sequential(conv(3, 4), channel_shuffle, conv(4, 4), nn.GlobalMaxPool()), 4),
    "the user's own transpose takes ours in": (lambda: nn.Sequential(conv(3, 4), lambda x: x.transpose(0, 3, 1, 2)), 1),
    "the user's transposes in a row": (
        lambda: Apply(lambda x, inner: inner(x.transpose(0, 3, 1, 2).transpose(0, 2, 3, 1)), conv(3, 4)),
        2,
    ),
    "nothing but transposes that cancel": (
        lambda: Apply(
            lambda x: x.transpose(0, 3, 1, 2).transpose(2, 0, 1, 3).transpose(1, 2, 0, 3).transpose(0, 2, 3, 1)
        ),
        0,
    ),
    "elementwise alone": (lambda: nn.Sequential(nn.ReLU(), nn.BatchNorm(3), lambda x: x * 2), 0),
    "dense layers on an image": (lambda: nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), 0),
    "slices and padding in NHWC": (
        lambda: nn.Sequential(
            conv(3, 4),
            lambda x: F.pad(x[:, 1:, ::-1, :2], [(0, 0), (0, 1), (2, 0), (1, 1)]),
            conv(4, 4),
            nn.GlobalMaxPool(),
        ),
        1,
    ),
}


def lowered_and_checked(module: nn.Module, x: np.ndarray) -> Graph:
    """The lowered graph, whose numbers are those of the graph as it was traced."""
    whole = traced(module, static_inputs([x]))
    return check(module, lambda x: evaluate(whole, [x])[0], [x])


@pytest.mark.parametrize("name", NETWORKS)
def test_transposes(name: str) -> None:
    make, expected = NETWORKS[name]
    module = make()
    fill(module)
    graph = lowered_and_checked(module, X[..., :1] if name.startswith("one channel") else X)
    assert count(graph, Transpose) == expected, str(graph)


def test_resnet_is_transposed_at_the_input_alone() -> None:
    module = resnet()
    fill(module)
    graph = lowered_and_checked(module, X)
    names = operations(graph)
    assert names[0] == "transpose" and "transpose" not in names[1:]
    assert "batch_norm" not in names


def test_channels_first_needs_none() -> None:
    """A network that the user wrote channels first is left as it is."""
    first = "channels_first"
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding="same", data_format=first),
        nn.BatchNorm(4, axis=1),
        nn.ReLU(),
        nn.MaxPool2d(2, data_format=first),
        nn.GlobalAveragePool(data_format=first),
        nn.Linear(4, 5),
    )
    fill(module)
    graph = lowered_and_checked(module, own.random_array((2, 3, 8, 8)))
    assert count(graph, Transpose) == 0


@pytest.mark.parametrize("spatial", [1, 3])
def test_sequences_and_volumes(spatial: int) -> None:
    """One transpose at the input, for other ranks too."""
    layer, ones = nn.Conv1d if spatial == 1 else nn.Conv3d, (1,) * spatial
    module = nn.Sequential(
        layer(3, 4, 3, padding="same"), nn.ReLU(), layer(4, 2, 3, padding="same"), nn.GlobalMaxPool()
    )
    fill(module)

    def convolved(x: Any, layer: Any) -> Any:
        *window, inputs, outputs = layer.kernel.shape
        windows = own.Windows(tuple(window), ones, ones, "same", ())
        case = own.ConvCase(windows, inputs, outputs, groups=1, bias=True, data_format="channels_last", batch=2)
        return convolution(case, layer.kernel.data, layer.bias.data)(x)

    def reference(x: np.ndarray) -> Any:
        y = convolved(tf.nn.relu(convolved(x, module[0])), module[2])
        return tf.reduce_max(y, list(range(1, spatial + 1)))

    graph = check(module, reference, [own.random_array((2, *(6, 5, 4)[:spatial], 3))])
    assert count(graph, Transpose) == 1
