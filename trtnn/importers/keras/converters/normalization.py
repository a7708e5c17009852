"""Normalization layers."""

from __future__ import annotations

from functools import partial
from typing import Any

from trtnn import functional as F
from trtnn import layers
from trtnn.importers.keras.calling import call_with_floats, no_mask
from trtnn.importers.keras.function import Function
from trtnn.importers.keras.registry import KerasLayer, keras_layer
from trtnn.module import Module


@keras_layer("BatchNormalization", "SyncBatchNormalization", call=call_with_floats)
def batch_normalization(layer: KerasLayer) -> Module:
    """gamma and beta where the layer has them, then the moving statistics."""
    scale, center = layer.option("scale", True), layer.option("center", True)
    layer.require("renorm", False, None), layer.option("renorm_momentum"), layer.option("renorm_clipping")
    weights = layer.weights(gamma=scale, beta=center, moving_mean=True, moving_variance=True)
    axis = layer.option("axis", -1)
    (only,) = axis if isinstance(axis, tuple) else (axis,)
    module = layers.BatchNorm(
        weights["moving_mean"].size, eps=layer.option("epsilon", 1e-3), axis=only, scale=scale, center=center
    )
    filled: Module = layer.fill(module, **weights)
    return filled


@keras_layer("LayerNormalization", call=call_with_floats)
def layer_normalization(layer: KerasLayer) -> Module:
    """gamma and beta have the sizes of the axes, in the order in which Keras names these."""
    scale, center = layer.option("scale", True), layer.option("center", True)
    rms_scaling = layer.option("rms_scaling", False)
    weights = layer.weights(gamma=scale or rms_scaling, beta=center and not rms_scaling)
    axis, eps = layer.option("axis", -1), layer.option("epsilon", 1e-3)
    if not weights:
        return Function("layer_norm", F.layer_norm, {"axis": axis, "eps": eps})
    if isinstance(axis, tuple) and list(axis) != sorted(axis):
        raise layer.unsupported(f"axis={list(axis)} in another order")
    sizes = next(iter(weights.values())).shape
    module = layers.LayerNorm(sizes, eps, axis, scale, center, rms_scaling)
    filled: Module = layer.fill(module, **weights)
    return filled


@keras_layer("GroupNormalization", call=call_with_floats)
def group_normalization(layer: KerasLayer) -> Module:
    """The channels are the last axis, or axis 1."""
    weights = layer.weights(gamma=layer.option("scale", True), beta=layer.option("center", True))
    groups, eps, axis = layer.option("groups", 32), layer.option("epsilon", 1e-3), layer.option("axis", -1)
    if axis not in (-1, 1):
        raise layer.unsupported(f"axis={axis}")
    data_format: Any = "channels_first" if axis == 1 else "channels_last"
    if not weights:
        return Function("group_norm", partial(F.group_norm, groups=groups), {"eps": eps, "data_format": data_format})
    channels = next(iter(weights.values())).size
    module = layers.GroupNorm(channels, groups, eps, "gamma" in weights, "beta" in weights, data_format)
    filled: Module = layer.fill(module, **weights)
    return filled


@keras_layer("UnitNormalization", call=call_with_floats)
def unit_normalization(layer: KerasLayer) -> Module:
    """No weights."""
    return layers.UnitNorm(layer.option("axis", -1))


@keras_layer("RMSNormalization", call=call_with_floats, masks=no_mask)
def rms_normalization(layer: KerasLayer) -> Module:
    """One weight, ``scale``."""
    weights = layer.weights(scale=True)
    module = layers.RMSNorm(weights["scale"].shape, layer.option("epsilon", 1e-6), layer.option("axis", -1))
    filled: Module = layer.fill(module, **weights)
    return filled


@keras_layer("SpectralNormalization", masks=no_mask)
def spectral_normalization(layer: KerasLayer) -> Module:
    """The layer inside: its kernel was normalized while it was trained."""
    layer.option("power_iterations")
    return layer.nested("layer")
