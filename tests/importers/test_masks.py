"""Masks: made by Masking and Embedding, passed on as Keras passes them, used by recurrent layers, attention, means."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import keras

from importers.harness import check, data

k = keras()
L, Input, Model = k.layers, k.Input, k.Model

TOKENS = np.array([[3, 1, 4, 0, 0, 0], [1, 0, 2, 4, 0, 3], [0, 2, 2, 1, 1, 4]], np.int32)


def padded() -> np.ndarray:
    """Sequences (3, 6, 4) in which some steps are all 0."""
    return data(3, 6, 4) * (TOKENS != 0)[:, :, None]


AFTER_EMBEDDING: dict[str, Callable[[Any], Any]] = {
    "lstm": lambda x: L.LSTM(4)(x),
    "gru": lambda x: L.GRU(4, return_sequences=True)(x),
    "two": lambda x: L.LSTM(3)(L.SimpleRNN(4, return_sequences=True)(x)),
    "zero_output": lambda x: L.RNN(L.GRUCell(4), return_sequences=True, zero_output_for_mask=True)(x),
    "backwards": lambda x: L.LSTM(4, go_backwards=True)(x),
    "bidirectional": lambda x: L.Bidirectional(L.LSTM(4, return_sequences=True))(x),
    "both directions": lambda x: L.LSTM(3)(L.Bidirectional(L.GRU(4, return_sequences=True), merge_mode=None)(x)[1]),
    "mean": lambda x: L.GlobalAveragePooling1D()(x),
    "mean of rank 3": lambda x: L.GlobalAveragePooling1D(keepdims=True)(x),
    "passes": lambda x: L.GlobalAveragePooling1D()(
        L.Dropout(0.2)(L.LayerNormalization()(L.Dense(4, activation="relu")(x)))
    ),
    "stops": lambda x: L.GlobalAveragePooling1D()(L.Conv1D(4, 3, padding="same")(x)),
    "operation": lambda x: L.GlobalAveragePooling1D()(x * 2.0),
    "attention": lambda x: L.Attention()([x, x]),
    "heads": lambda x: L.MultiHeadAttention(2, 3)(x, x),
    "causal": lambda x: L.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True),
    "encoder": lambda x: L.GlobalAveragePooling1D()(
        L.LayerNormalization()(L.Add()([x, L.MultiHeadAttention(2, 3)(x, x)]))
    ),
    "two heads": lambda x: L.Add()(
        [L.MultiHeadAttention(2, 3)(x, x), L.MultiHeadAttention(1, 3)(x, x, use_causal_mask=True)]
    ),
    "add": lambda x: L.LSTM(3)(L.Add()([x, L.Dense(5)(x)])),
    "concatenate": lambda x: L.LSTM(3)(L.Concatenate()([x, L.Dense(5)(x)])),
    "time distributed": lambda x: L.LSTM(3)(L.TimeDistributed(L.Dense(4))(x)),
    "nested": lambda x: L.LSTM(3)(k.Sequential([L.Dense(4), L.LayerNormalization()])(x)),
}


@pytest.mark.parametrize("name", AFTER_EMBEDDING)
def test_after_an_embedding(name: str, tmp_path: Path) -> None:
    """``mask_zero``."""
    tokens = Input((6,), dtype="int32")
    model = Model(tokens, AFTER_EMBEDDING[name](L.Embedding(5, 5, mask_zero=True)(tokens)))
    check(model, tmp_path, [TOKENS], simulate=len(name) % 3 == 0)


@pytest.mark.parametrize("name", ["lstm", "mean", "heads", "bidirectional"])
def test_after_masking_in_a_sequential(name: str, tmp_path: Path) -> None:
    """There the file says nothing of masks."""
    x = {
        "lstm": L.LSTM(4),
        "mean": L.GlobalAveragePooling1D(),
        "heads": L.Dense(3),
        "bidirectional": L.Bidirectional(L.GRU(3)),
    }
    model = k.Sequential([Input((6, 4)), L.Masking(), x[name]])
    check(model, tmp_path, [padded()])


def test_masking_of_another_value(tmp_path: Path) -> None:
    """Steps of zeros count there; those of the value become zeros."""
    steps = padded()
    steps[:, 2] = 0.5
    x = Input((6, 4))
    masked = L.Masking(0.5)(x)
    check(Model(x, [masked, L.LSTM(4)(masked)]), tmp_path, [steps])


def test_an_explicit_mask(tmp_path: Path) -> None:
    """An input that is a mask."""
    x, mask = Input((6, 4)), Input((6,), dtype="bool")
    model = Model([x, mask], L.LSTM(3)(x, mask=mask))
    check(model, tmp_path, [data(3, 6, 4), TOKENS != 0])
    first = Input((4, 6))
    means = Model([first, mask], L.GlobalAveragePooling1D(data_format="channels_first")(first, mask=mask))
    check(means, tmp_path, [data(3, 4, 6), TOKENS != 0])


def test_attention_masks(tmp_path: Path) -> None:
    """(batch, queries, keys), and per head of a group."""
    x, y, mask = Input((4, 6)), Input((5, 6)), Input((4, 5), dtype="bool")
    both = L.MultiHeadAttention(2, 3, dropout=0.1)(x, y, attention_mask=mask)
    grouped = L.GroupQueryAttention(3, 4, 2)(x, y, attention_mask=mask)
    narrow = L.GroupQueryAttention(3, 4, 2, use_bias=False, sliding_window=2)(x, x)
    allowed = data(2, 4, 5, dtype="bool") | np.eye(4, 5, dtype=bool)
    check(
        Model([x, y, mask], [both, grouped, narrow]), tmp_path, [data(2, 4, 6), data(2, 5, 6), allowed], simulate=True
    )


def test_scores_and_options_of_heads(tmp_path: Path) -> None:
    """Scores, other features for key and value, several axes, a window, a gate."""
    x, y, z = Input((4, 6)), Input((5, 7)), Input((5, 8))
    first = L.MultiHeadAttention(2, 3, value_dim=4, output_shape=5)(x, z, y, return_attention_scores=True)
    image = Input((3, 4, 5))
    second = L.MultiHeadAttention(2, 3, attention_axes=(1, 2), use_bias=False)(image, image)
    third = L.MultiHeadAttention(2, 3, use_gate=True, sliding_window=2)(x, x)
    model = Model([x, y, z, image], [*first, second, third])
    check(model, tmp_path, [data(2, 4, 6), data(2, 5, 7), data(2, 5, 8), data(2, 3, 4, 5)])


def test_states(tmp_path: Path) -> None:
    """An encoder's states start a decoder."""
    x, y = Input((6, 4)), Input((3, 4))
    _, h, c = L.LSTM(5, return_state=True)(x)
    decoded = L.LSTM(5, return_sequences=True)(y, initial_state=[h, c])
    check(Model([x, y], decoded), tmp_path, [data(2, 6, 4), data(2, 3, 4)], simulate=True)
