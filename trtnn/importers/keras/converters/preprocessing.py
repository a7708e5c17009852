"""Preprocessing layers that a model does at inference."""

from __future__ import annotations

from typing import Any

import numpy as np

from trtnn import functional as F
from trtnn import layers
from trtnn.containers import Sequential
from trtnn.importers.keras.calling import no_mask
from trtnn.importers.keras.function import Function
from trtnn.importers.keras.registry import KerasLayer, keras_layer
from trtnn.module import Module


def _numbers(raw: Any) -> Any:
    """A number, or an array from nested lists or Keras's way to write one."""
    if isinstance(raw, dict):
        raw = raw.get("config", {}).get("value")
    return raw if np.ndim(raw) == 0 else np.asarray(raw, np.float32)


@keras_layer("Rescaling")
def rescaling(layer: KerasLayer) -> Module:
    """Numbers or lists of them."""
    return layers.Rescaling(_numbers(layer.option("scale")), _numbers(layer.option("offset", 0.0)))


@keras_layer("Normalization")
def normalization(layer: KerasLayer) -> Module:
    """mean and variance are variables if the layer was adapted to data, else options."""
    axis, invert = layer.option("axis", -1), layer.option("invert", False)
    axes = () if axis is None else axis if isinstance(axis, tuple) else (axis,)
    mean, variance = _numbers(layer.option("mean")), _numbers(layer.option("variance"))
    if mean is None:
        mean, variance, _ = layer.take("mean", "variance", "count")
        shape = mean.shape if axes else ()
        module: Module = layers.Normalization(shape, axes, invert=invert)
        filled: Module = layer.fill(module, mean=mean.reshape(shape), variance=variance.reshape(shape))
        return filled
    sizes = layer.spec.input_shape
    if axes and not isinstance(sizes, list):
        raise layer.unsupported("mean and variance as options, without a noted shape of the input,")
    shape = tuple(sizes[one] for one in axes)
    return layers.Normalization(shape, axes, mean, variance, invert)


@keras_layer("Resizing", masks=no_mask)
def resizing(layer: KerasLayer) -> Module:
    """To a fixed size."""
    layer.require("fill_mode", "constant")
    return layers.Resizing(
        layer.option("height"),
        layer.option("width"),
        layer.option("interpolation", "bilinear"),
        crop_to_aspect_ratio=layer.option("crop_to_aspect_ratio", False),
        pad_to_aspect_ratio=layer.option("pad_to_aspect_ratio", False),
        fill_value=layer.option("fill_value", 0.0),
        antialias=layer.option("antialias", False),
        data_format=layer.option("data_format") or "channels_last",
    )


@keras_layer("CenterCrop", masks=no_mask)
def center_crop(layer: KerasLayer) -> Module:
    """To a fixed size."""
    return layers.CenterCrop(
        layer.option("height"), layer.option("width"), layer.option("data_format") or "channels_last"
    )


@keras_layer("CategoryEncoding", masks=no_mask)
def category_encoding(layer: KerasLayer) -> Module:
    """Integers below ``num_tokens``."""
    return layers.CategoryEncoding(layer.option("num_tokens"), layer.option("output_mode", "multi_hot"))


@keras_layer("Discretization", masks=no_mask)
def discretization(layer: KerasLayer) -> Module:
    """The boundaries are an option, also where the layer was adapted to data."""
    layer.option("num_bins"), layer.option("epsilon")
    boundaries = layer.option("bin_boundaries")
    if boundaries is None:
        raise layer.unsupported("a Discretization that was not adapted")
    mode = layer.option("output_mode", "int")
    return _as_written(layer, layers.Discretization(boundaries, mode), "int32" if mode == "int" else None)


def _as_written(layer: KerasLayer, module: Module, dtype: str | None) -> Module:
    """The layer with the data type that Keras 3 gives its result; Keras 2 gives the layer's own."""
    if dtype is None or layer.keras_version < 3:
        return module
    return Sequential(module, Function("cast", F.cast, {"dtype": dtype}))


@keras_layer("IntegerLookup", masks=no_mask)
def integer_lookup(layer: KerasLayer) -> Module:
    """A vocabulary in the config, and one place for what is not in it."""
    layer.require("num_oov_indices", 1), layer.require("invert", False), layer.option("max_tokens")
    layer.require("pad_to_max_tokens", False), layer.require("idf_weights", None)
    for name in ("oov_token", "vocabulary_dtype", "vocabulary_size", "oov_method", "salt", "encoding"):
        layer.option(name)
    vocabulary = layer.option("vocabulary")
    if not isinstance(vocabulary, (list, tuple)):
        raise layer.unsupported("a vocabulary outside the config")
    module = layers.IntegerLookup(vocabulary, layer.option("mask_token"), layer.option("output_mode", "int"))
    return _as_written(layer, module, "int64")
