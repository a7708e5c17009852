"""Layers around another layer."""

from __future__ import annotations

from trtnn import functional as F
from trtnn.importers.keras.registry import KerasLayer, keras_layer
from trtnn.module import Module
from trtnn.tensor import Tensor


class TimeDistributed(Module):
    """A layer applied to every step of a sequence: x (N, T, ...), as if it were (N * T, ...)."""

    def __init__(self, layer: Module) -> None:
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """x (N, T, ...) gives (N, T, ...)."""
        batch, steps = x.shape[:2]
        y = self.layer(F.reshape(x, (batch * steps, *x.shape[2:])))
        return F.reshape(y, (batch, steps, *y.shape[1:]))


@keras_layer("TimeDistributed")
def time_distributed(layer: KerasLayer) -> Module:
    """Any layer, or a model."""
    return TimeDistributed(layer.nested("layer"))


@keras_layer("Wrapper")
def wrapper(layer: KerasLayer) -> Module:
    """The layer inside."""
    return layer.nested("layer")
