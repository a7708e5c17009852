"""Attention layers."""

from __future__ import annotations

from typing import Any

from trtnn import layers
from trtnn.importers.keras.calling import Called, Masks, call_plainly
from trtnn.importers.keras.registry import KerasLayer, keras_layer
from trtnn.module import Module

PROJECTIONS = ("query", "key", "value")


def _call_heads(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], masks: Masks) -> Any:
    """Keras's argument ``return_attention_scores`` is ``return_scores`` here."""
    if "return_attention_scores" in kwargs:
        kwargs["return_scores"] = kwargs.pop("return_attention_scores")
    return call_plainly(module, args, kwargs, masks)


def _query_mask(called: Called) -> Any:
    """The output has the mask of the query, the scores have none. MultiHeadAttention of Keras 3 takes the masks off
    its inputs, also for layers that come later."""
    if called.keras_version >= 3:
        for tensor in called.tensors:
            called.held.set(tensor, None)
    return [called.masks]


def _grouped_mask(called: Called) -> Any:
    """The output has the mask of the query."""
    return [called.masks]


def _heads(layer: KerasLayer) -> dict[str, dict[str, Any]]:
    """The variables of every projection by its name in the module."""
    bias = layer.option("use_bias", True)
    parts = [*PROJECTIONS, *(["gate"] if layer.option("use_gate", False) else []), "output"]
    names = {"output": "attention_output"}
    found = {}
    for part in parts:
        there = layer.child(f"{part}_dense", f"{names.get(part, part)}").take(
            ("kernel", "bias") if bias else ("kernel",)
        )
        found[names.get(part, part)] = dict(zip(("kernel", "bias"), there, strict=False))
    return found


def _filled(layer: KerasLayer, module: Module, weights: dict[str, dict[str, Any]]) -> Module:
    flat = {f"{part}__{name}": array for part, found in weights.items() for name, array in found.items()}
    filled: Module = layer.fill(module, **flat)
    return filled


@keras_layer("MultiHeadAttention", call=_call_heads, masks=_query_mask)
def multi_head_attention(layer: KerasLayer) -> Module:
    """Kernels (features, heads, k) and (heads, v, *out)."""
    layer.option("key_dim"), layer.option("value_dim"), layer.option("num_heads"), layer.option("output_shape")
    for shape in ("query_shape", "key_shape", "value_shape"):  # Keras 2 notes them
        layer.option(shape)
    weights = _heads(layer)
    features, heads, key_size = weights["query"]["kernel"].shape
    axes = layer.option("attention_axes")
    module = layers.MultiHeadAttention(
        features,
        heads,
        key_size,
        weights["value"]["kernel"].shape[-1],
        key_features=weights["key"]["kernel"].shape[0],
        value_features=weights["value"]["kernel"].shape[0],
        output_shape=weights["attention_output"]["kernel"].shape[2:],
        attention_axes=tuple(axes) if isinstance(axes, (list, tuple)) else axes,
        bias="bias" in weights["query"],
        use_gate="gate" in weights,
        sliding_window=layer.option("sliding_window"),
        dropout=layer.option("dropout", 0.0),
    )
    return _filled(layer, module, weights)


@keras_layer("GroupQueryAttention", "GroupedQueryAttention", call=_call_heads, masks=_grouped_mask)
def group_query_attention(layer: KerasLayer) -> Module:
    """Kernels (features, heads, size); key and value have fewer heads."""
    for name in ("head_dim", "num_query_heads", "num_key_value_heads"):
        layer.option(name)
    weights = _heads(layer)
    features, query_heads, head_size = weights["query"]["kernel"].shape
    module = layers.GroupQueryAttention(
        features,
        head_size,
        query_heads,
        weights["key"]["kernel"].shape[1],
        key_features=weights["key"]["kernel"].shape[0],
        value_features=weights["value"]["kernel"].shape[0],
        bias="bias" in weights["query"],
        use_gate="gate" in weights,
        sliding_window=layer.option("sliding_window"),
        dropout=layer.option("dropout", 0.0),
    )
    return _filled(layer, module, weights)


def _call_attention(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], masks: Masks) -> Any:
    """Keras gives the masks of query and value as a list."""
    for name, mask in zip(("query_mask", "value_mask"), kwargs.pop("mask", ()), strict=False):
        if mask is not None:
            kwargs[name] = mask
    if "return_attention_scores" in kwargs:
        kwargs["return_scores"] = kwargs.pop("return_attention_scores")
    return call_plainly(module, args, kwargs, masks)


def _first_mask(called: Called) -> Any:
    return called.masks[:1] if isinstance(called.masks, (list, tuple)) else None


@keras_layer("Attention", call=_call_attention, masks=_first_mask)
def attention(layer: KerasLayer) -> Module:
    """No projections; at most two scalars."""
    use_scale, score_mode = layer.option("use_scale", False), layer.option("score_mode", "dot")
    weights = layer.weights(scale=use_scale, concat_score_weight=score_mode == "concat")
    filled: Module = layer.fill(layers.Attention(use_scale, score_mode), **weights)
    return filled


@keras_layer("AdditiveAttention", call=_call_attention, masks=_first_mask)
def additive_attention(layer: KerasLayer) -> Module:
    """scale (features,)."""
    weights = layer.weights(scale=layer.option("use_scale", True))
    layer.require("score_mode", "dot")
    features = weights["scale"].size if weights else 1
    filled: Module = layer.fill(layers.AdditiveAttention(features, bool(weights)), **weights)
    return filled
