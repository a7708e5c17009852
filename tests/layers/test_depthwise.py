"""Depthwise, separable and causal convolution against Keras's layers."""

from __future__ import annotations

from typing import Any

import pytest
from ops.references import channels_last
from oracle import keras

import trtnn as nn
from layers.twins import data, images, same
from trtnn.errors import ArgumentError, ShapeError
from trtnn.graph import ops as g

layers = keras().layers
OPTIONS: list[dict[str, Any]] = [
    {},
    {"stride": 2, "padding": "same"},
    {"stride": 3, "multiplier": 2},
    {"dilation": 2, "padding": "same", "multiplier": 3},
    {"bias": False, "padding": "same"},
]
NAMES = {"stride": "strides", "multiplier": "depth_multiplier", "dilation": "dilation_rate", "bias": "use_bias"}
FAMILIES = [
    (nn.DepthwiseConv1d, layers.DepthwiseConv1D, 1, False),
    (nn.DepthwiseConv2d, layers.DepthwiseConv2D, 2, False),
    (nn.SeparableConv1d, layers.SeparableConv1D, 1, True),
    (nn.SeparableConv2d, layers.SeparableConv2D, 2, True),
]


def twin_options(options: dict[str, Any]) -> dict[str, Any]:
    """The same options under Keras's names."""
    return {NAMES.get(name, name): value for name, value in options.items()}


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(("layer", "twin", "spatial", "separable"), FAMILIES)
def test_options(layer: type, twin: type, spatial: int, separable: bool, options: dict[str, Any]) -> None:
    """Strides, dilation, several kernels per channel, without a bias."""
    calls, inputs = images(channels=3, spatial=spatial)
    made = layer(3, 4, 3, **options) if separable else layer(3, 3, **options)
    other = twin(4, 3, **twin_options(options)) if separable else twin(3, **twin_options(options))
    same(made, other, *calls, inputs=inputs)


@pytest.mark.parametrize(("layer", "twin", "spatial", "separable"), FAMILIES)
def test_channels_first(layer: type, twin: type, spatial: int, separable: bool) -> None:
    """(N, C, *spatial) in and out, with the same kernels."""
    calls, inputs = images(channels=3, spatial=spatial, first=True)
    options: dict[str, Any] = {"data_format": "channels_first", "padding": "same"}
    made = layer(3, 4, 3, **options) if separable else layer(3, 3, **options)
    other = twin(4, 3, padding="same") if separable else twin(3, padding="same")
    same(made, other, *calls, inputs=inputs, twin_call=lambda one, x: channels_last(one, "channels_first")(x))


@pytest.mark.parametrize(("window", "stride", "dilation"), [(3, 1, 1), (2, 1, 3), (3, 2, 1), (1, 1, 1)])
def test_causal(window: int, stride: int, dilation: int) -> None:
    """All padding before the sequence."""
    layer = nn.Conv1d(3, 4, window, stride, "causal", dilation)
    twin = layers.Conv1D(4, window, stride, "causal", dilation_rate=dilation)
    calls, inputs = images(channels=3, spatial=1)
    same(layer, twin, *calls, inputs=inputs)


def test_batch_norm_folds_into_depthwise() -> None:
    """MobileNet's block is two convolutions and nothing else."""

    class Block(nn.Module):
        def __init__(self) -> None:
            self.depthwise, self.bn1 = (
                nn.DepthwiseConv2d(3, 3, padding="same", multiplier=2, bias=False),
                nn.BatchNorm(6),
            )
            self.conv, self.bn2 = nn.Conv2d(6, 4, 1, bias=False), nn.BatchNorm(4)

        def forward(self, x: nn.Tensor) -> nn.Tensor:
            return self.bn2(self.conv(self.bn1(self.depthwise(x))))

    twin = keras().Sequential(
        [
            layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, use_bias=False, name="depthwise"),
            layers.BatchNormalization(name="bn1"),
            layers.Conv2D(4, 1, use_bias=False, name="conv"),
            layers.BatchNormalization(name="bn2"),
        ],
        name="block",
    )
    twin.build((None, None, None, 3))
    calls, inputs = images(channels=3, spatial=2)
    graph = same(Block(), twin, *calls, inputs=inputs)
    kinds = [type(node.op) for node in graph.nodes if not isinstance(node.op, g.Constant)]
    assert kinds == [g.Transpose, g.Conv, g.Conv, g.Transpose]


def test_errors() -> None:
    """What is said about options and inputs that do not fit."""
    with pytest.raises(ArgumentError, match="multiplier: expected a positive int, got 0"):
        nn.DepthwiseConv2d(3, 3, multiplier=0)
    with pytest.raises(ArgumentError, match='padding: expected "same", "valid"'):
        nn.Conv2d(3, 4, 3, padding="causal")
    layer = nn.DepthwiseConv2d(3, 3)
    layer.kernel.assign(data(3, 3, 3, 1))
    with pytest.raises(ShapeError, match=r"expected 3 input channels \(3 groups of 1\), got 4"):
        layer.trace(nn.Input(1, 8, 8, 4))
