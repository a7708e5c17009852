"""Attention layers against Keras's: shapes, options, masks of every kind, and queries that may attend to nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ops.harness import check
from oracle import keras

import trtnn as nn
import trtnn.functional as F
from layers.twins import data, same
from trtnn.errors import ArgumentError

layers = keras().layers
TIME = [nn.Input("batch", "queries", 6), nn.Input("batch", "keys", 6)]


def pairs() -> list[list[np.ndarray]]:
    """Queries and values of two lengths."""
    return [[data(2, 4, 6), data(2, 5, 6)], [data(1, 7, 6), data(1, 3, 6)]]


OPTIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"value_size": 5}, {"value_dim": 5}),
    ({"bias": False}, {"use_bias": False}),
    ({"output_shape": 7}, {"output_shape": 7}),
    ({"output_shape": (2, 3)}, {"output_shape": (2, 3)}),
    ({"use_gate": True}, {"use_gate": True}),
    ({"sliding_window": 2}, {"sliding_window": 2}),
    ({"dropout": 0.3}, {"dropout": 0.3}),
    ({"attention_axes": 1}, {"attention_axes": 1}),
]


@pytest.mark.parametrize(("options", "twin_options"), OPTIONS, ids=str)
def test_multi_head_attention(options: dict[str, Any], twin_options: dict[str, Any]) -> None:
    """Every option, with named batch and lengths."""
    layer, twin = nn.MultiHeadAttention(6, 3, 4, **options), layers.MultiHeadAttention(3, 4, **twin_options)
    same(layer, twin, *pairs(), inputs=TIME)


def test_features_that_differ() -> None:
    """Query, key and value of other sizes, and scores as a second result."""
    layer = nn.MultiHeadAttention(6, 2, 4, key_features=3, value_features=5)
    arrays = [data(2, 4, 6), data(2, 5, 5), data(2, 5, 3)]
    same(layer, layers.MultiHeadAttention(2, 4), arrays)
    same(
        layer,
        layers.MultiHeadAttention(2, 4),
        arrays,
        call=lambda one, *tensors: one(*tensors, return_scores=True),
        twin_call=lambda one, *tensors: one(*tensors, return_attention_scores=True),
    )


@pytest.mark.parametrize("axes", [None, (2,), (1,), (1, 2), (-2,)])
def test_attention_axes(axes: tuple[int, ...] | None) -> None:
    """Images: attention over one axis or over both."""
    layer, twin = (
        nn.MultiHeadAttention(6, 2, 4, attention_axes=axes),
        layers.MultiHeadAttention(2, 4, attention_axes=axes),
    )
    query, value = data(2, 3, 4, 6), data(2, 3, 4, 6) * 0.5
    same(layer, twin, [query, value], inputs=[nn.Input("batch", 3, 4, 6)] * 2)


def masks(batch: int = 2, queries: int = 4, keys: int = 5) -> dict[str, np.ndarray]:
    """A mask of every kind; one query may attend to nothing."""
    found = {
        "attention_mask": data(batch, queries, keys, dtype="bool"),
        "query_mask": data(batch, queries, dtype="bool"),
        "value_mask": data(batch, keys, dtype="bool"),
        "key_mask": np.ones((batch, keys), bool),
    }
    found["attention_mask"][0, 0] = False
    found["attention_mask"][1, :, 1] = found["value_mask"][:, 1] = found["query_mask"][:, 0] = True
    found["key_mask"][0, 3] = False
    return found


def masked(names: tuple[str, ...], causal: bool) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Calls of the layer and of its twin with masks behind query and value."""

    def call(layer: Any, query: Any, value: Any, *given: Any) -> Any:
        return layer(query, value, **dict(zip(names, given, strict=True)), use_causal_mask=causal)

    def twin_call(layer: Any, query: Any, value: Any, *given: Any) -> Any:
        query_mask = dict(zip(names, given, strict=True)).get("query_mask")
        if query_mask is not None:  # Keras reads this one off the tensor, whatever the argument says
            query = keras().ops.convert_to_tensor(np.asarray(query))
            query._keras_mask = query_mask
        return call(layer, query, value, *given)

    return call, twin_call


MASKS = [("attention_mask",), ("query_mask",), ("value_mask",), ("key_mask",), tuple(masks()), ()]


@pytest.mark.parametrize("names", MASKS, ids=str)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_masks(names: tuple[str, ...], causal: bool, dropout: float) -> None:
    """Alone and all together; with a dropout Keras gives zeros where nothing may be attended to, else the mean."""
    layer, twin = nn.MultiHeadAttention(6, 2, 4, dropout=dropout), layers.MultiHeadAttention(2, 4, dropout=dropout)
    call, twin_call = masked(names, causal)
    found = masks()
    arrays = [data(2, 4, 6), data(2, 5, 6), *(found[name] for name in names)]
    same(layer, twin, arrays, call=call, twin_call=twin_call)


def test_causal_mask_of_any_length() -> None:
    """Named lengths."""
    layer, twin = nn.MultiHeadAttention(6, 2, 4), layers.MultiHeadAttention(2, 4)
    call, twin_call = masked((), True)
    same(layer, twin, *pairs(), inputs=TIME, call=call, twin_call=twin_call)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("options", [{}, {"use_gate": True}, {"sliding_window": 2}, {"dropout": 0.2}], ids=str)
@pytest.mark.parametrize(("heads", "shared"), [(4, 2), (3, 1), (2, 2)])
def test_group_query_attention(heads: int, shared: int, options: dict[str, Any], causal: bool) -> None:
    """Heads that share keys and values."""
    layer, twin = (
        nn.GroupQueryAttention(6, 4, heads, shared, **options),
        layers.GroupQueryAttention(4, heads, shared, **options),
    )
    call, twin_call = masked((), causal)
    same(layer, twin, *pairs(), inputs=TIME, call=call, twin_call=twin_call)


def test_group_query_attention_masks() -> None:
    """A boolean mask with a query that may attend to nothing, and scores."""
    call, twin_call = masked(("attention_mask",), False)
    arrays = [data(2, 4, 6), data(2, 5, 6), masks()["attention_mask"]]
    layer, twin = nn.GroupQueryAttention(6, 4, 4, 2), layers.GroupQueryAttention(4, 4, 2)
    same(layer, twin, arrays, call=call, twin_call=twin_call)
    same(
        layer,
        twin,
        arrays[:2],
        call=lambda one, *tensors: one(*tensors, return_scores=True),
        twin_call=lambda one, *tensors: one(*tensors, return_attention_scores=True),
    )


def keras_list(use_masks: bool, causal: bool, scores: bool) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Calls of Attention, which in Keras takes lists."""

    def call(layer: Any, query: Any, value: Any, key: Any, *given: Any) -> Any:
        options = dict(zip(("query_mask", "value_mask"), given, strict=False))
        return layer(query, value, key, **options, use_causal_mask=causal, return_scores=scores)

    def twin_call(layer: Any, query: Any, value: Any, key: Any, *given: Any) -> Any:
        options = {"mask": list(given)} if use_masks else {}
        return layer([query, value, key], **options, use_causal_mask=causal, return_attention_scores=scores)

    return call, twin_call


@pytest.mark.parametrize(
    ("use_masks", "causal", "scores"),
    [(False, False, False), (True, False, True), (False, True, False), (True, True, False)],
)
@pytest.mark.parametrize("kind", ["dot", "scaled dot", "concat", "scaled concat", "additive", "additive without scale"])
def test_attention(kind: str, use_masks: bool, causal: bool, scores: bool) -> None:
    """All scores, masks and the causal mask."""
    if kind.startswith("additive"):
        layer, twin = nn.AdditiveAttention(6, "without" not in kind), layers.AdditiveAttention("without" not in kind)
    else:
        options = {"use_scale": kind.startswith("scaled"), "score_mode": kind.split()[-1]}
        layer, twin = nn.Attention(**options), layers.Attention(**options)
    found = masks()
    given = [found["query_mask"], found["value_mask"]] if use_masks else []
    call, twin_call = keras_list(use_masks, causal, scores)
    same(layer, twin, [data(2, 4, 6), data(2, 5, 3), data(2, 5, 6), *given], call=call, twin_call=twin_call)


@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"scale": 0.3}], ids=str)
def test_dot_product_attention(options: dict[str, Any]) -> None:
    """``keras.ops.dot_product_attention``, with a bias, and with heads that share keys."""
    function, twin = F.dot_product_attention, keras().ops.dot_product_attention
    arrays = [data(2, 3, 4, 5), data(2, 6, 4, 5), data(2, 6, 4, 5) * 0.5]
    check(lambda *x: function(*x, **options), lambda *x: twin(*x, **options), arrays)
    biased = [*arrays, data(2, 4, 3, 6)]
    check(lambda *x: function(*x[:3], bias=x[3], **options), lambda *x: twin(*x[:3], bias=x[3], **options), biased)
    shared = [data(2, 3, 4, 5), data(2, 6, 2, 5), data(2, 6, 2, 5) * 0.5]
    check(lambda *x: function(*x, **options), lambda *x: twin(*x, **options), shared)


def test_errors() -> None:
    """What is said about options that do not fit."""
    with pytest.raises(
        ArgumentError, match="GroupQueryAttention: expected query_heads divisible by key_value_heads, got 4 and 3"
    ):
        nn.GroupQueryAttention(6, 4, 4, 3)
    with pytest.raises(ArgumentError, match='Attention: expected a score_mode of "dot" or "concat", got \'product\''):
        nn.Attention(score_mode="product")
