"""Layers together, as the well-known networks have them: numbers against Keras, and what is left to run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ops.harness import check, fill
from oracle import keras, relative_error, tensorflow

import trtnn as nn
import trtnn.functional as F
from layers.twins import Called, assign, data
from trtnn.graph import Graph
from trtnn.graph import ops as g

layers = keras().layers
tf = tensorflow()


def kinds(graph: Graph) -> list[type]:
    """The operations of the graph but for constants."""
    return [type(node.op) for node in graph.nodes if not isinstance(node.op, g.Constant)]


def functional(call: Callable[[Any], Any], *shape: int | None) -> Any:
    """A Keras model of a function of its input."""
    x = keras().Input(shape)
    return keras().Model(x, call(x), name="block")


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution, normalization over the channels, two dense layers, a scale, and the way round."""

    def __init__(self, channels: int) -> None:
        self.depthwise, self.norm = nn.DepthwiseConv2d(channels, 7, padding="same"), nn.LayerNorm(channels, eps=1e-6)
        self.expand, self.project = nn.Linear(channels, 4 * channels), nn.Linear(4 * channels, channels)
        self.gamma = nn.Normalization(channels, mean=0.0, variance=4.0)

    def forward(self, x: nn.Tensor) -> nn.Tensor:
        return x + self.gamma(self.project(F.gelu(self.expand(self.norm(self.depthwise(x))))))


def test_convnext() -> None:
    """Dense layers become convolutions; bias and scale go into them; two transposes a block, and one at either end."""
    calls = 2

    class Network(nn.Module):
        def __init__(self) -> None:
            self.block0, self.block1 = ConvNeXtBlock(4), ConvNeXtBlock(4)

        def forward(self, x: nn.Tensor) -> nn.Tensor:
            return self.block1(self.block0(x))

    def twin(x: Any) -> Any:
        for i in range(calls):
            y = layers.DepthwiseConv2D(7, padding="same", name=f"block{i}_depthwise")(x)
            y = layers.LayerNormalization(epsilon=1e-6, name=f"block{i}_norm")(y)
            y = layers.Dense(16, activation="gelu", name=f"block{i}_expand")(y)
            x = x + layers.Dense(4, name=f"block{i}_project")(y) / 2
        return x

    model, network = functional(twin, None, None, 4), Network()
    for weight in model.weights:
        weight.assign(data(*weight.shape, low=-0.5, high=0.5))
        block, layer, name = weight.path.replace("_", "/", 1).split("/")
        getattr(getattr(getattr(network, block), layer), name).assign(weight.numpy())
    inputs = [nn.Input("batch", "h", "w", 4)]
    graph = check(Called(network, lambda layer, x: layer(x)), model, [data(2, 8, 9, 4)], inputs=inputs)
    block = [g.Conv, g.Transpose, g.LayerNorm, g.Transpose, g.Conv, g.Activation, g.Conv, g.Binary]
    assert kinds(graph) == [g.Transpose, *block, *block, g.Transpose]


def test_transformer() -> None:
    """Nothing is transposed but the heads."""

    class Block(nn.Module):
        def __init__(self) -> None:
            self.attention, self.norm1 = nn.MultiHeadAttention(8, 2, 4), nn.LayerNorm(8)
            self.dense1, self.dense2, self.norm2 = nn.Linear(8, 16), nn.Linear(16, 8), nn.LayerNorm(8)

        def forward(self, x: nn.Tensor) -> nn.Tensor:
            x = self.norm1(x + self.attention(x, x, use_causal_mask=True))
            return self.norm2(x + self.dense2(F.gelu(self.dense1(x))))

    attention = layers.MultiHeadAttention(2, 4, name="attention")
    norms = [layers.LayerNormalization(name=f"norm{i}") for i in (1, 2)]
    dense = layers.Dense(16, "gelu", name="dense1"), layers.Dense(8, name="dense2")

    class Twin(keras().Model):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            x = norms[0](x + attention(x, x, use_causal_mask=True))
            return norms[1](x + dense[1](dense[0](x)))

    model, block = Twin(name="block"), Block()
    model(data(1, 3, 8))
    for layer in (attention, *norms, *dense):
        assign(getattr(block, layer.name), layer)
    inputs = [nn.Input("batch", "time", 8)]
    graph = check(Called(block, lambda layer, x: layer(x)), model, [data(2, 5, 8)], inputs=inputs)
    assert kinds(graph).count(g.Transpose) == 4


def test_scales_of_inception_resnet() -> None:
    """A number that a convolution's result is multiplied with goes into its weights."""

    class Block(nn.Module):
        def __init__(self) -> None:
            self.up = nn.Conv2d(4, 4, 1)

        def forward(self, x: nn.Tensor) -> nn.Tensor:
            return F.relu(x + self.up(x) * 0.17)

    model = functional(lambda x: layers.ReLU()(x + layers.Conv2D(4, 1, name="up")(x) * 0.17), None, None, 4)
    block = Block()
    assign(block.up, model.get_layer("up"))
    inputs = [nn.Input("batch", "h", "w", 4)]
    graph = check(Called(block, lambda layer, x: layer(x)), model, [data(2, 5, 3, 4)], inputs=inputs)
    assert kinds(graph) == [g.Transpose, g.Conv, g.Binary, g.Activation, g.Transpose]


def test_stem_of_googlenet() -> None:
    """Convolution, pooling, local response normalization: one transpose at either end."""

    class Stem(nn.Module):
        def __init__(self) -> None:
            self.conv1, self.conv2 = nn.Conv2d(3, 6, 7, 2, "same"), nn.Conv2d(6, 5, 1)
            self.norm = nn.LocalResponseNorm(2, alpha=1e-4 / 5, beta=0.75)

        def forward(self, x: nn.Tensor) -> nn.Tensor:
            return self.conv2(self.norm(F.max_pool(F.relu(self.conv1(x)), 3, 2, "same")))

    conv1, conv2 = layers.Conv2D(6, 7, 2, "same", activation="relu", name="conv1"), layers.Conv2D(5, 1, name="conv2")
    conv1.build((None, None, None, 3))
    conv2.build((None, None, None, 6))
    stem = Stem()
    assign(stem.conv1, conv1)
    assign(stem.conv2, conv2)

    def twin(x: Any) -> Any:
        return conv2(tf.nn.lrn(tf.nn.max_pool(conv1(x), 3, 2, "SAME"), 2, 1.0, 1e-4 / 5, 0.75))

    inputs = [nn.Input("batch", "h", "w", 3)]
    graph = check(Called(stem, lambda layer, x: layer(x)), twin, [data(2, 17, 14, 3) * 40], inputs=inputs)
    assert kinds(graph) == [g.Transpose, g.Conv, g.Activation, g.Pool, g.LocalResponseNorm, g.Conv, g.Transpose]


def test_decoder_of_a_unet() -> None:
    """Enlarged and joined with what came before, without a transpose between."""

    class Decoder(nn.Module):
        def __init__(self) -> None:
            self.down, self.up, self.out = (
                nn.Conv2d(3, 4, 3, 2, "same"),
                nn.UpSampling2d(2, "bilinear"),
                nn.Conv2d(7, 2, 3),
            )

        def forward(self, x: nn.Tensor) -> nn.Tensor:
            return self.out(F.concat([self.up(self.down(x)), x]))

    down, out = layers.Conv2D(4, 3, 2, "same", name="down"), layers.Conv2D(2, 3, name="out")
    up = layers.UpSampling2D(2, interpolation="bilinear")
    model = functional(lambda x: out(layers.Concatenate()([up(down(x)), x])), 8, 6, 3)
    decoder = Decoder()
    assign(decoder.down, down)
    assign(decoder.out, out)
    inputs = [nn.Input("batch", 8, 6, 3)]
    graph = check(Called(decoder, lambda layer, x: layer(x)), model, [data(2, 8, 6, 3)], inputs=inputs)
    assert kinds(graph) == [g.Transpose, g.Conv, g.Resize, g.Concat, g.Conv, g.Transpose]


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_plans_in_half_precision(precision: str) -> None:
    """TensorRT-RTX builds a plan with every operation of these layers; what it computes stays near float32's result."""

    class Network(nn.Module):
        def __init__(self) -> None:
            self.conv, self.norm1, self.slope = nn.Conv2d(3, 8, 3, 2, "same"), nn.GroupNorm(8, 2), nn.PReLU((1, 1, 8))
            self.up, self.lrn, self.resize = nn.ConvTranspose2d(8, 8, 2, 3), nn.LocalResponseNorm(2), nn.Resizing(7, 5)
            self.near, self.norm2, self.attention = nn.UpSampling2d(2), nn.LayerNorm(8), nn.MultiHeadAttention(8, 2, 4)

        def forward(self, x: nn.Tensor = nn.Input("batch", 8, 8, 3)) -> nn.Tensor:
            x = self.lrn(self.up(self.slope(self.norm1(self.conv(x)))))
            x = F.reshape(self.norm2(self.resize(self.near(x))), (-1, 35, 8))
            return self.attention(x, x, use_causal_mask=True)

    pytest.importorskip("tensorrt_rtx")
    network = Network()
    fill(network)
    x = data(2, 8, 8, 3)
    want = network.compile(target="onnxruntime")(x)
    engine = network.compile(target="tensorrt-rtx", dims={"batch": (1, 2, 4)}, **{precision: True})
    assert 1e-5 < relative_error(engine.simulate(x), want) < 0.05  # and not in float32 after all
