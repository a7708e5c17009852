"""Layer, group, RMS, unit and local response normalization against Keras's layers and ``tf.nn``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ops.harness import check
from ops.references import channels_last
from oracle import keras, tensorflow

import trtnn as nn
import trtnn.functional as F
from layers.twins import data, images, same
from trtnn.errors import ArgumentError, ShapeError
from trtnn.graph import ops as g

layers = keras().layers
tf = tensorflow()


@pytest.mark.parametrize(
    ("axis", "features"),
    [(-1, 6), (3, 6), ((-1,), (6,)), ((2, 3), (5, 6)), ((1, 2, 3), (4, 5, 6)), (2, 5), ((1, 3), (4, 6))],
)
@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}, {"eps": 0.1}], ids=str)
def test_layer_norm(axis: Any, features: Any, options: dict[str, Any]) -> None:
    """The last axes, inner axes, axes apart from each other."""
    layer = nn.LayerNorm(features, axis=axis, **options)
    twin = layers.LayerNormalization(
        axis=axis, **{"epsilon" if name == "eps" else name: value for name, value in options.items()}
    )
    same(layer, twin, [data(2, 4, 5, 6)], inputs=[nn.Input("batch", 4, 5, 6)])


def test_layer_norm_of_sequences() -> None:
    """Named sizes on all other axes; a vector."""
    same(
        nn.LayerNorm(6),
        layers.LayerNormalization(),
        [data(2, 3, 6)],
        [data(1, 5, 6)],
        inputs=[nn.Input("batch", "time", 6)],
    )
    check(lambda x: F.layer_norm(x, eps=0.5), lambda x: keras().ops.layer_normalization(x, epsilon=0.5), [data(7)])


@pytest.mark.filterwarnings("ignore:You passed `rms_scaling")
@pytest.mark.parametrize(("axis", "features"), [(-1, 6), ((1, 2), (4, 6))])
def test_rms_scaling(axis: Any, features: Any) -> None:
    """Keras's deprecated option divides by the deviation and leaves the mean in."""
    layer = nn.LayerNorm(features, axis=axis, rms_scaling=True)
    same(
        layer, layers.LayerNormalization(axis=axis, rms_scaling=True), [data(2, 4, 6)], inputs=[nn.Input("batch", 4, 6)]
    )


@pytest.mark.parametrize("groups", [1, 2, 6, -1])
@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False, "eps": 0.1}], ids=str)
def test_group_norm(groups: int, options: dict[str, Any]) -> None:
    """One group, several, and every channel alone."""
    names = {"eps": "epsilon"}
    twin = layers.GroupNormalization(groups, **{names.get(name, name): value for name, value in options.items()})
    calls, inputs = images(channels=6, spatial=2, sizes=(4, 3))
    same(nn.GroupNorm(6, groups, **options), twin, *calls, inputs=inputs)


@pytest.mark.parametrize("groups", [2, -1])
def test_group_norm_of_other_ranks(groups: int) -> None:
    """Vectors, sequences, volumes, and channels first."""
    for spatial in (1, 3):
        calls, inputs = images(channels=4, spatial=spatial, sizes=(4, 3, 2))
        same(nn.GroupNorm(4, groups), layers.GroupNormalization(groups), *calls, inputs=inputs)
    calls, inputs = images(channels=4, spatial=2, first=True)
    layer = nn.GroupNorm(4, groups, data_format="channels_first")
    same(layer, layers.GroupNormalization(groups, axis=1), *calls, inputs=inputs)
    same(nn.GroupNorm(6, 2), layers.GroupNormalization(2), [data(3, 6)], inputs=[nn.Input("batch", 6)])


def test_group_norm_stays_between_convolutions() -> None:
    """Nothing is transposed between a convolution, a group normalization and the next convolution."""

    class Block(nn.Module):
        def __init__(self) -> None:
            self.conv1, self.norm, self.conv2 = nn.Conv2d(3, 4, 3), nn.GroupNorm(4, 2), nn.Conv2d(4, 2, 3)

        def forward(self, x: nn.Tensor = nn.Input("batch", 8, 8, 3)) -> nn.Tensor:
            return self.conv2(F.swish(self.norm(self.conv1(x))))

    block = Block()
    for parameter in block.parameters():
        parameter.assign(data(*parameter.shape))
    graph = block.compile(target="onnxruntime").graph
    kinds = [type(node.op) for node in graph.nodes if not isinstance(node.op, g.Constant)]
    assert kinds == [g.Transpose, g.Conv, g.GroupNorm, g.Activation, g.Conv, g.Transpose]


@pytest.mark.parametrize(("axis", "features"), [(-1, 6), ((1, 2), (4, 6))])
def test_rms_norm(axis: Any, features: Any) -> None:
    """One axis and two."""
    same(
        nn.RMSNorm(features, axis=axis),
        layers.RMSNormalization(axis=axis),
        [data(2, 4, 6)],
        inputs=[nn.Input("n", 4, 6)],
    )


@pytest.mark.parametrize("axis", [-1, 1, (1, 2)])
def test_unit_norm(axis: Any) -> None:
    """Length 1 along the axes; a zero vector stays zero."""
    x = data(2, 4, 6)
    x[0] = 0
    same(nn.UnitNorm(axis), layers.UnitNormalization(axis), [x], inputs=[nn.Input("batch", "time", "features")])


LRN = [
    (2, 1.0, 1e-4 / 5, 0.75),
    (5, 1.0, 1.0, 0.5),
    (1, 2.0, 0.3, 1.5),
    (0, 0.5, 0.7, 0.5),
    (9, 1.0, 0.2, 0.75),
    (3, 1.0, 0.2, 1.0),
]


@pytest.mark.parametrize(("radius", "bias", "alpha", "beta"), LRN)
def test_local_response_norm(radius: int, bias: float, alpha: float, beta: float) -> None:
    """TensorFlow's alpha, windows larger than the channels, and one that TensorRT does not have (a radius of 9)."""
    calls, inputs = images(channels=7, spatial=2)
    layer = nn.LocalResponseNorm(radius, bias, alpha, beta)
    check(layer, lambda x: tf.nn.lrn(x, radius, bias, alpha, beta), *calls, inputs=inputs)
    calls, inputs = images(channels=7, spatial=2, first=True)
    layer = nn.LocalResponseNorm(radius, bias, alpha, beta, data_format="channels_first")
    reference = channels_last(lambda x: tf.nn.lrn(x, radius, bias, alpha, beta), "channels_first")
    check(layer, reference, *calls, inputs=inputs)


def test_errors() -> None:
    """What is said about options and shapes that do not fit."""
    with pytest.raises(ArgumentError, match="GroupNorm: expected groups that divide 6 features, or -1, got 4"):
        nn.GroupNorm(6, 4)
    with pytest.raises(
        ShapeError, match=r"expected gamma and beta of shape \(6,\), the sizes of axes \(1,\), got \(5,\)"
    ):
        nn.LayerNorm(5).trace(nn.Input(2, 6))
    with pytest.raises(ShapeError, match=r"layer_norm: expected fixed sizes on the axes \(1,\), got \(n,\)"):
        nn.LayerNorm(5).trace(nn.Input(2, "n"))
    with pytest.raises(ArgumentError, match="radius: expected an int of 0 or more, got -1"):
        nn.LocalResponseNorm(-1).trace(nn.Input(1, 2, 2, 3))
    assert str(nn.LayerNorm((4, 6), axis=(1, 2))) == "LayerNorm((4, 6), eps=0.001, axis=(1, 2))"
    assert np.prod(nn.GroupNorm(6, 2).gamma.shape) == 6
