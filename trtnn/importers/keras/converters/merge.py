"""Layers that merge several tensors."""

from __future__ import annotations

from typing import Any

from trtnn import functional as F
from trtnn import layers
from trtnn.importers.keras.calling import Called, Masks, any_mask, call_plainly, no_mask
from trtnn.importers.keras.open_sizes import aligned
from trtnn.importers.keras.operations.registry import promoted
from trtnn.importers.keras.registry import KerasLayer, keras_layer
from trtnn.module import Module
from trtnn.tensor import Tensor

KINDS: dict[str, type[Module]] = {
    "Add": layers.Add,
    "Subtract": layers.Subtract,
    "Multiply": layers.Multiply,
    "Average": layers.Average,
    "Maximum": layers.Maximum,
    "Minimum": layers.Minimum,
}


def _call_promoted(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], masks: Masks) -> Any:
    """Tensors of several data types are merged in the widest; open sizes are made equal where Keras takes them so."""
    tensors = promoted(*args[0])
    if not isinstance(module, layers.Dot):
        tensors = aligned(tensors, but=getattr(module, "axis", None))
    return call_plainly(module, (tensors, *args[1:]), kwargs, masks)


@keras_layer(*KINDS, call=_call_promoted, masks=any_mask)
def merge(layer: KerasLayer) -> Module:
    """No options."""
    return KINDS[layer.class_name]()


def _joined_mask(called: Called) -> Tensor | None:
    """Along the joined axis, where any mask holds for Keras 3, and all for Keras 2; an input without one is whole."""
    if not isinstance(called.masks, (list, tuple)) or all(mask is None for mask in called.masks):
        return None
    whole = []
    for tensor, mask in zip(called.inputs, called.masks, strict=True):
        if mask is None:
            whole.append(F.cast(F.ones_like(tensor), "bool"))
        else:
            whole.append(F.broadcast_to(F.expand_dims(mask, -1), tensor.shape) if mask.ndim < tensor.ndim else mask)
    hold = F.any if called.keras_version > 2 else F.all
    return hold(F.concat(whole, called.option("axis", -1)), -1)


@keras_layer("Concatenate", call=_call_promoted, masks=_joined_mask)
def concatenate(layer: KerasLayer) -> Module:
    """Along an axis."""
    return layers.Concatenate(layer.option("axis", -1))


@keras_layer("Dot", call=_call_promoted, masks=no_mask)
def dot(layer: KerasLayer) -> Module:
    """Over one axis of each of two inputs."""
    return layers.Dot(layer.option("axes"), bool(layer.option("normalize", False)))
