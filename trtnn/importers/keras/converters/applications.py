"""Layers that ``keras.applications`` has for itself."""

from __future__ import annotations

from trtnn.importers.keras.calling import no_mask
from trtnn.importers.keras.model import Identity
from trtnn.importers.keras.registry import KerasLayer, keras_layer
from trtnn.module import Module
from trtnn.parameter import Parameter
from trtnn.tensor import Tensor


class ScaledSum(Module):
    """x + y * scale: InceptionResNetV2's residual connection."""

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Two tensors of one shape."""
        return x + y * self.scale

    def describe(self) -> str:
        """The scale."""
        return f"{self.scale:g}"


class LayerScale(Module):
    """x * gamma (C,): ConvNeXt's factor per channel."""

    def __init__(self, features: int) -> None:
        self.gamma = Parameter((features,))

    def forward(self, x: Tensor) -> Tensor:
        """x (..., C)."""
        return x * self.gamma

    def describe(self) -> str:
        """The channels."""
        return str(self.gamma.shape[0])


@keras_layer("CustomScaleLayer", masks=no_mask)
def scaled_sum(layer: KerasLayer) -> Module:
    """scale."""
    return ScaledSum(float(layer.option("scale")))


@keras_layer("LayerScale", masks=no_mask)
def layer_scale(layer: KerasLayer) -> Module:
    """gamma."""
    layer.option("init_values"), layer.option("projection_dim")
    weights = layer.weights(gamma=True)
    filled: Module = layer.fill(LayerScale(weights["gamma"].size), **weights)
    return filled


@keras_layer("StochasticDepth", masks=no_mask)
def stochastic_depth(layer: KerasLayer) -> Module:
    """Nothing at inference."""
    layer.option("drop_path_rate")
    return Identity(layer.class_name)
