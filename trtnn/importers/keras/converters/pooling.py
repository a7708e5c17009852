"""Pooling layers: over windows, adaptive and global."""

from __future__ import annotations

from typing import Any

from trtnn import functional as F
from trtnn import layers
from trtnn.importers.keras.calling import call_with_floats, no_mask
from trtnn.importers.keras.registry import KerasLayer, keras_layer
from trtnn.module import Module
from trtnn.tensor import Tensor

KINDS: dict[str, Any] = {
    "Max1": layers.MaxPool1d,
    "Max2": layers.MaxPool2d,
    "Max3": layers.MaxPool3d,
    "Average1": layers.AveragePool1d,
    "Average2": layers.AveragePool2d,
    "Average3": layers.AveragePool3d,
}
MEANS = ("Average", "Avg")
SPATIAL = (1, 2, 3)
POOLS = ("MaxPooling", "MaxPool", "AveragePooling", "AvgPool")


def _data_format(layer: KerasLayer) -> Any:
    return layer.option("data_format") or "channels_last"


def _is_mean(layer: KerasLayer) -> bool:
    return any(name in layer.class_name for name in MEANS)


@keras_layer(*(f"{name}{n}D" for name in POOLS for n in SPATIAL), masks=no_mask)
def pool(layer: KerasLayer) -> Module:
    """The stride is the window unless given."""
    kind = KINDS[("Average" if _is_mean(layer) else "Max") + layer.class_name[-2]]
    module: Module = kind(
        layer.option("pool_size", 2),
        layer.option("strides"),
        layer.require("padding", "valid", "same"),
        _data_format(layer),
    )
    return module


@keras_layer(*(f"Adaptive{name}Pooling{n}D" for name in ("Max", "Average") for n in SPATIAL), masks=no_mask)
def adaptive_pool(layer: KerasLayer) -> Module:
    """The size is an int or one int per axis."""
    kind: Any = layers.AdaptiveAveragePool if _is_mean(layer) else layers.AdaptiveMaxPool
    module: Module = kind(layer.option("output_size"), _data_format(layer))
    return module


@keras_layer(*(f"Global{name}{n}D" for name in POOLS for n in SPATIAL), call=call_with_floats, masks=no_mask)
def global_pool(layer: KerasLayer) -> Module:
    """The mean of sequences leaves out steps that are masked."""
    options = (layer.option("keepdims", False), _data_format(layer))
    if not _is_mean(layer):
        return layers.GlobalMaxPool(*options)
    return MaskedMean(*options) if layer.class_name.endswith("1D") else layers.GlobalAveragePool(*options)


class MaskedMean(layers.GlobalAveragePool):
    """The mean over the steps of sequences that a mask (N, T) lets count, over all of them without one."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """x (N, T, C), or (N, C, T) with channels first, gives (N, C)."""
        if mask is None:
            return super().forward(x)
        first = self.data_format == "channels_first"
        counted = F.cast(F.expand_dims(mask, 1 if first else 2), x.dtype)
        axis = 2 if first else 1
        total = F.sum(x * counted, axis, self.keepdims)
        return total / F.sum(counted, axis, self.keepdims)
