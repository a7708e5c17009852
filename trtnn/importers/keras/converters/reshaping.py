"""Layers that move elements."""

from __future__ import annotations

from typing import Any

from trtnn import layers
from trtnn.importers.keras.calling import no_mask
from trtnn.importers.keras.registry import KerasLayer, keras_layer
from trtnn.module import Module

SPATIAL = (1, 2, 3)


def _data_format(layer: KerasLayer) -> Any:
    return layer.option("data_format") or "channels_last"


@keras_layer("Flatten", masks=no_mask)
def flatten(layer: KerasLayer) -> Module:
    """Everything but the batch."""
    return layers.Flatten(data_format=_data_format(layer))


@keras_layer("Reshape", masks=no_mask)
def reshape(layer: KerasLayer) -> Module:
    """The shape of a sample."""
    return layers.Reshape(layer.option("target_shape"))


@keras_layer("Permute", masks=no_mask)
def permute(layer: KerasLayer) -> Module:
    """The axes of a sample."""
    return layers.Permute(layer.option("dims"))


@keras_layer("RepeatVector", masks=no_mask)
def repeat_vector(layer: KerasLayer) -> Module:
    """n times."""
    return layers.RepeatVector(layer.option("n"))


@keras_layer(*(f"{name}{n}D" for name in ("Cropping", "ZeroPadding") for n in SPATIAL), masks=no_mask)
def border(layer: KerasLayer) -> Module:
    """(before, after) per spatial axis."""
    cropping = layer.class_name.startswith("Cropping")
    spatial = int(layer.class_name[-2])
    kinds: Any = (
        (layers.Cropping1d, layers.Cropping2d, layers.Cropping3d)
        if cropping
        else (layers.ZeroPadding1d, layers.ZeroPadding2d, layers.ZeroPadding3d)
    )
    pairs = layer.option("cropping" if cropping else "padding")
    pairs = tuple(tuple(pair) for pair in pairs) if spatial > 1 else tuple(pairs)
    module: Module = kinds[spatial - 1](pairs, data_format=_data_format(layer))
    return module


@keras_layer(*(f"UpSampling{n}D" for n in SPATIAL), masks=no_mask)
def up_sampling(layer: KerasLayer) -> Module:
    """By whole factors."""
    kinds: Any = (layers.UpSampling1d, layers.UpSampling2d, layers.UpSampling3d)
    kind = kinds[int(layer.class_name[-2]) - 1]
    module: Module = kind(layer.option("size", 2), layer.option("interpolation", "nearest"), _data_format(layer))
    return module
