"""Activations as layers."""

from __future__ import annotations

from trtnn import functional as F
from trtnn import layers
from trtnn.importers.keras.activations import activation_of
from trtnn.importers.keras.calling import call_with_floats
from trtnn.importers.keras.function import Function
from trtnn.importers.keras.model import Identity
from trtnn.importers.keras.registry import KerasLayer, keras_layer
from trtnn.module import Module


@keras_layer("Activation", call=call_with_floats)
def activation(layer: KerasLayer) -> Module:
    """By name."""
    found = activation_of(layer)
    return Identity("linear") if found is None else Function(*found)


@keras_layer("ReLU")
def relu(layer: KerasLayer) -> Module:
    """With Keras's three options."""
    options = {
        "negative_slope": layer.option("negative_slope") or 0.0,
        "max_value": layer.option("max_value"),
        "threshold": layer.option("threshold") or 0.0,
    }
    return layers.ReLU(**{name: value for name, value in options.items() if value})


@keras_layer("LeakyReLU")
def leaky_relu(layer: KerasLayer) -> Module:
    """The slope is ``alpha`` in Keras 2."""
    return layers.LeakyReLU(float(layer.option("negative_slope", layer.option("alpha", 0.3))))


@keras_layer("ELU")
def elu(layer: KerasLayer) -> Module:
    """alpha."""
    return layers.ELU(float(layer.option("alpha", 1.0)))


@keras_layer("PReLU")
def prelu(layer: KerasLayer) -> Module:
    """alpha has the shape of a sample, 1 on shared axes."""
    layer.option("shared_axes")
    weights = layer.weights(alpha=True)
    filled: Module = layer.fill(layers.PReLU(weights["alpha"].shape), **weights)
    return filled


@keras_layer("ThresholdedReLU")
def thresholded_relu(layer: KerasLayer) -> Module:
    """Keras 2's: x above theta, else 0."""
    return Function("threshold", F.threshold, {"theta": float(layer.option("theta", 1.0))})


@keras_layer("Softmax")
def softmax(layer: KerasLayer) -> Module:
    """Over one axis or several."""
    return layers.Softmax(layer.option("axis", -1))
