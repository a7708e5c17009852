"""Transposed convolution against Keras's layers."""

from __future__ import annotations

import pytest
from ops.harness import check
from ops.references import channels_last
from oracle import keras

import trtnn as nn
import trtnn.functional as F
from layers.twins import data, images, same
from trtnn.errors import ArgumentError, ShapeError
from trtnn.graph import Graph
from trtnn.graph import ops as g

layers = keras().layers
WINDOWS = [(3, 1), (3, 2), (2, 2), (4, 2), (2, 3), (1, 2), (5, 3)]  # larger and smaller than the stride, odd and even


def kinds(graph: Graph) -> list[type]:
    """The operations of the graph but for constants."""
    return [type(node.op) for node in graph.nodes if not isinstance(node.op, g.Constant)]


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("window", "stride"), WINDOWS)
def test_windows_and_strides(window: int, stride: int, padding: str) -> None:
    """A window smaller than its stride leaves gaps, which are zero but for the bias."""
    layer = nn.ConvTranspose2d(3, 4, window, stride, padding)
    calls, inputs = images(channels=3, spatial=2, sizes=(4, 3))
    same(layer, layers.Conv2DTranspose(4, window, stride, padding), *calls, inputs=inputs)


@pytest.mark.parametrize("more", [1, 2, (1, 0), (2, 1), (1, 2)])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_output_padding(padding: str, more: int | tuple[int, int]) -> None:
    """The size that Keras gives with an explicit output padding, and what it cuts off."""
    layer = nn.ConvTranspose2d(2, 3, (4, 3), 3, padding, output_padding=more)
    twin = layers.Conv2DTranspose(3, (4, 3), 3, padding, output_padding=more)
    calls, inputs = images(channels=2, spatial=2, sizes=(4, 3))
    same(layer, twin, *calls, inputs=inputs)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(
    ("layer", "twin", "spatial"),
    [(nn.ConvTranspose1d, layers.Conv1DTranspose, 1), (nn.ConvTranspose3d, layers.Conv3DTranspose, 3)],
)
def test_sequences_and_volumes(layer: type, twin: type, spatial: int, padding: str) -> None:
    """One and three spatial axes, with gaps and without, with a bias and without."""
    for window, stride, bias in ((3, 2, True), (2, 3, True), (2, 3, False)):
        calls, inputs = images(channels=3, spatial=spatial, sizes=(4, 3, 2))
        made = layer(3, 2, window, stride, padding, bias=bias)
        same(made, twin(2, window, stride, padding, use_bias=bias), *calls, inputs=inputs)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_channels_first(padding: str) -> None:
    """(N, C, H, W) in and out; the kernel stays as it is. Keras's own has no CPU kernel for it."""
    layer = nn.ConvTranspose2d(3, 4, 3, 2, padding, data_format="channels_first")
    twin = layers.Conv2DTranspose(4, 3, 2, padding)
    calls, inputs = images(channels=3, spatial=2, first=True, sizes=(4, 3))
    same(layer, twin, *calls, inputs=inputs, twin_call=lambda one, x: channels_last(one, "channels_first")(x))


def test_dilation_is_a_stretched_window() -> None:
    """TensorFlow's CPU has no dilated kernel: a dilated window is one with zeros between its elements."""
    layer = nn.ConvTranspose2d(2, 3, 2, 1, "same", dilation=(2, 3))
    twin = layers.Conv2DTranspose(3, (3, 4), 1, "same")
    twin.build((None, None, None, 2))
    kernel = data(2, 2, 3, 2)
    stretched = twin.kernel.numpy() * 0
    stretched[::2, ::3] = kernel
    twin.set_weights([stretched, data(3)])
    layer.kernel.assign(kernel)
    layer.bias.assign(data(3))
    check(layer, twin, [data(2, 4, 3, 2)])


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_batch_norm_folds_into_it(stride: int) -> None:
    """Scale and shift move into kernel and bias, also where the result has gaps; nothing else is left."""

    class Block(nn.Module):
        def __init__(self) -> None:
            self.conv, self.bn = nn.ConvTranspose2d(3, 4, 2, stride, "same"), nn.BatchNorm(4)

        def forward(self, x: nn.Tensor) -> nn.Tensor:
            return self.bn(self.conv(x))

    twin = keras().Sequential(
        [layers.Conv2DTranspose(4, 2, stride, "same", name="conv"), layers.BatchNormalization(name="bn")], name="block"
    )
    twin.build((None, None, None, 3))
    calls, inputs = images(channels=3, spatial=2, sizes=(4, 3))
    block = Block()
    graph = same(block, twin, *calls, inputs=inputs)
    assert kinds(graph) == [g.Transpose, g.ConvTranspose, g.Transpose]


def test_neighbours_share_the_layout() -> None:
    """Between two transposed convolutions nothing is transposed."""

    class Decoder(nn.Module):
        def __init__(self) -> None:
            self.up1, self.up2 = nn.ConvTranspose2d(3, 4, 2, 2), nn.ConvTranspose2d(4, 2, 2, 2)

        def forward(self, x: nn.Tensor = nn.Input("batch", "h", "w", 3)) -> nn.Tensor:
            return self.up2(F.relu(self.up1(x)))

    model = Decoder()
    for parameter in model.parameters():
        parameter.assign(data(*parameter.shape))
    graph = model.compile(target="onnxruntime").graph
    assert kinds(graph) == [g.Transpose, g.ConvTranspose, g.Activation, g.ConvTranspose, g.Transpose]


def test_errors() -> None:
    """What is said about options and inputs that do not fit."""
    with pytest.raises(ArgumentError, match=r'padding: expected "same" or "valid", got 3'):
        nn.ConvTranspose2d(3, 4, 2, padding=3)
    with pytest.raises(ArgumentError, match=r"output_padding: expected amounts of 0 or more, less than the strides"):
        nn.ConvTranspose2d(3, 4, 3, 2, output_padding=2)
    with pytest.raises(ShapeError, match=r"expected 3 input channels, got 5, shape .*; axis 3 holds the channels"):
        nn.ConvTranspose2d(3, 4, 2).trace(nn.Input(2, 4, 4, 5))
