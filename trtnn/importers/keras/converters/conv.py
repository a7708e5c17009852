"""Convolution layers: plain, transposed, depthwise and separable."""

from __future__ import annotations

from typing import Any

from trtnn import layers
from trtnn.importers.keras.activations import with_activation
from trtnn.importers.keras.calling import no_mask
from trtnn.importers.keras.registry import KerasLayer, keras_layer
from trtnn.module import Module


def _sliding(layer: KerasLayer, *paddings: str) -> dict[str, Any]:
    """The options that all of them have; the window is that of the kernel."""
    layer.option("filters"), layer.option("kernel_size")
    return {
        "stride": _plain(layer.option("strides", 1)),
        "padding": layer.require("padding", "valid", "same", *paddings),
        "dilation": _plain(layer.option("dilation_rate", 1)),
        "data_format": layer.option("data_format") or "channels_last",
    }


def _plain(value: Any) -> Any:
    """2 for (2, 2), which is easier to read."""
    return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value


@keras_layer(*(f"{name}{n}D" for name in ("Conv", "Convolution") for n in (1, 2, 3)), masks=no_mask)
def conv(layer: KerasLayer) -> Module:
    """kernel (*window, in / groups, out)."""
    weights = layer.weights(kernel=True, bias=layer.option("use_bias", True))
    *window, per_group, out = weights["kernel"].shape
    kind: Any = {1: layers.Conv1d, 2: layers.Conv2d, 3: layers.Conv3d}[len(window)]
    options = _sliding(layer, *(["causal"] if len(window) == 1 else []))
    groups = layer.option("groups", 1)
    module = kind(per_group * groups, out, tuple(window), groups=groups, bias="bias" in weights, **options)
    return with_activation(layer.fill(module, **weights), layer)


@keras_layer(*(f"{name}{n}DTranspose" for name in ("Conv", "Convolution") for n in (1, 2, 3)), masks=no_mask)
def conv_transpose(layer: KerasLayer) -> Module:
    """kernel (*window, out, in)."""
    weights = layer.weights(kernel=True, bias=layer.option("use_bias", True))
    layer.require("groups", 1)
    *window, out, channels = weights["kernel"].shape
    kind: Any = {1: layers.ConvTranspose1d, 2: layers.ConvTranspose2d, 3: layers.ConvTranspose3d}[len(window)]
    module = kind(
        channels,
        out,
        tuple(window),
        output_padding=layer.option("output_padding"),
        bias="bias" in weights,
        **_sliding(layer),
    )
    return with_activation(layer.fill(module, **weights), layer)


@keras_layer("DepthwiseConv1D", "DepthwiseConv2D", masks=no_mask)
def depthwise_conv(layer: KerasLayer) -> Module:
    """kernel (*window, channels, multiplier), which Keras 2 calls ``depthwise_kernel``."""
    layer.option("depth_multiplier"), layer.require("groups", 1)
    name = "kernel" if layer.keras_version >= 3 else "depthwise_kernel"
    weights = layer.weights(**{name: True, "bias": layer.option("use_bias", True)})
    weights["kernel"] = weights.pop(name)
    *window, channels, multiplier = weights["kernel"].shape
    kind: Any = {1: layers.DepthwiseConv1d, 2: layers.DepthwiseConv2d}[len(window)]
    module = kind(channels, tuple(window), multiplier=multiplier, bias="bias" in weights, **_sliding(layer))
    return with_activation(layer.fill(module, **weights), layer)


@keras_layer(*(f"{name}{n}D" for name in ("SeparableConv", "SeparableConvolution") for n in (1, 2)), masks=no_mask)
def separable_conv(layer: KerasLayer) -> Module:
    """depthwise_kernel (*window, in, multiplier), pointwise_kernel (1, .., in * multiplier, out)."""
    layer.option("depth_multiplier"), layer.require("groups", 1)
    weights = layer.weights(depthwise_kernel=True, pointwise_kernel=True, bias=layer.option("use_bias", True))
    *window, channels, multiplier = weights["depthwise_kernel"].shape
    out = weights["pointwise_kernel"].shape[-1]
    kind: Any = {1: layers.SeparableConv1d, 2: layers.SeparableConv2d}[len(window)]
    module = kind(channels, out, tuple(window), multiplier=multiplier, bias="bias" in weights, **_sliding(layer))
    return with_activation(layer.fill(module, **weights), layer)
