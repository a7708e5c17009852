"""Keras's LSTM, GRU and SimpleRNN: every option, with lengths, masks and states, against Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ops.harness import fill

import trtnn as nn
from recurrent.harness import Case, cases, check, check_against_keras, keras_layer
from trtnn.graph.ops import CELL_ACTIVATIONS

KINDS = {"LSTM": nn.LSTM, "GRU": nn.GRU, "SimpleRNN": nn.SimpleRNN}
flags = st.fixed_dictionaries(
    {name: st.booleans() for name in ("return_sequences", "return_state", "go_backwards", "use_bias")}
)


def states_of(kind: str, units: int) -> list[int]:
    return [units, units] if kind == "LSTM" else [units]


def check_layer(kind: str, case: Case, options: dict[str, Any], time_major: bool, policy: str) -> None:
    layer = KINDS[kind](case.inputs, case.units, time_major=time_major, mask_policy=policy, **options)
    fill(layer, case.seed)
    theirs = keras_layer(kind, layer, case.units, case.inputs, zero_output_for_mask=policy == "zero", **options)
    check_against_keras(case, layer, theirs, states_of(kind, case.units), time_major)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=14)
@given(case=cases(), options=flags, time_major=st.booleans(), policy=st.sampled_from(["repeat", "repeat", "zero"]))
def test_options(kind: str, case: Case, options: dict[str, Any], time_major: bool, policy: str) -> None:
    check_layer(kind, case, options, time_major and case.masking != "mask", policy)


@settings(max_examples=8)
@given(case=cases(), options=flags)
def test_gru_without_reset_after(case: Case, options: dict[str, Any]) -> None:
    check_layer("GRU", case, {**options, "reset_after": False}, False, "repeat")


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
@settings(max_examples=6)
@given(case=cases(masking=("", "lengths")), data=st.data())
def test_activations(kind: str, case: Case, data: st.DataObject) -> None:
    """Any pair of activations, those that ONNX has and those that it has not."""
    names = sorted(set(CELL_ACTIVATIONS) - {"hard_sigmoid_keras2", "exponential"})
    options = {name: data.draw(st.sampled_from(names)) for name in ("activation", "recurrent_activation")}
    check_layer(kind, case, {**options, "return_sequences": True}, False, "repeat")


@pytest.mark.parametrize("name", ["sigmoid", "relu", "softsign", "softplus", "hard_sigmoid", "linear"])
def test_activations_of_onnx(name: str) -> None:
    """Each of them in every place."""
    layer = nn.LSTM(3, 4, activation=name, recurrent_activation=name, return_sequences=True)
    fill(layer)
    options = {"activation": name, "recurrent_activation": name, "return_sequences": True}
    x = np.random.default_rng(0).normal(0, 1, (2, 5, 3)).astype(np.float32)
    theirs = keras_layer("LSTM", layer, 4, 3, **options)
    check(layer, lambda x: np.asarray(theirs(x)), [x], inputs=[nn.Input("batch", "time", 3)])


def test_hard_sigmoid_of_keras2() -> None:
    layer = nn.GRU(3, 4, recurrent_activation="hard_sigmoid_keras2")
    fill(layer)

    def hard_sigmoid(x: Any) -> Any:
        return np.clip(0.2 * np.asarray(x) + 0.5, 0, 1)

    theirs = keras_layer("GRU", layer, 4, 3, recurrent_activation=hard_sigmoid, unroll=True)
    x = np.random.default_rng(0).normal(0, 1, (2, 3, 3)).astype(np.float32)
    check(layer, lambda x: np.asarray(theirs(x)), [x])


def test_stack_with_lengths() -> None:
    """Two layers with one mask, as in a Keras Sequential whose mask flows on."""
    layers = nn.LSTM(3, 4, return_sequences=True), nn.GRU(4, 2)
    stack = nn.RecurrentStack(*layers)
    fill(stack)
    lower = keras_layer("LSTM", layers[0], 4, 3, return_sequences=True)
    upper = keras_layer("GRU", layers[1], 2, 4)
    x = np.random.default_rng(0).normal(0, 1, (3, 5, 3)).astype(np.float32)
    lengths = np.array([5, 2, 3], np.int64)
    mask = np.arange(5) < lengths[:, None]
    check(
        stack,
        lambda x, lengths: np.asarray(upper(lower(x, mask=mask), mask=mask)),
        [x, lengths],
        inputs=[nn.Input("batch", "time", 3), nn.Input("batch", dtype="int64")],
    )


def test_masking_flows_on() -> None:
    """Masking's mask, which says that steps of nothing but its value do not count."""
    from oracle import keras

    class Masked(nn.Module):
        def __init__(self) -> None:
            self.masking, self.lstm = nn.Masking(2.0), nn.LSTM(3, 4, return_sequences=True)

        def forward(self, x: nn.Tensor) -> nn.Tensor:
            x, mask = self.masking(x)
            return self.lstm(x, mask=mask)

    model = Masked()
    fill(model)
    theirs = keras().Sequential(
        [keras().layers.Masking(2.0), keras_layer("LSTM", model.lstm, 4, 3, return_sequences=True)]
    )
    x = np.random.default_rng(0).normal(0, 1, (2, 5, 3)).astype(np.float32)
    x[0, 3:], x[1, 1], x[1, 2, :2] = 2.0, 2.0, 2.0
    check(model, lambda x: np.asarray(theirs(x)), [x], inputs=[nn.Input("batch", "time", 3)])
