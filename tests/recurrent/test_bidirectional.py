"""Keras's Bidirectional: merge modes, masks, states; and that ONNX Runtime gets one operation for both directions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ops.harness import fill, lowered
from oracle import keras

import trtnn as nn
import trtnn.functional as F
from recurrent.harness import Called, Case, as_mask, cases, check, check_against_keras
from trtnn.backends.onnxruntime.emit import emit
from trtnn.backends.onnxruntime.recurrent import to_native
from trtnn.errors import ArgumentError
from trtnn.passes.recurrent import lower_recurrent

MERGES = st.sampled_from(["concat", "sum", "mul", "ave", None])


def keras_bidirectional(kind: str, layer: nn.Bidirectional, case: Case, merge: Any, **options: Any) -> Any:
    theirs = keras().layers.Bidirectional(getattr(keras().layers, kind)(case.units, **options), merge_mode=merge)
    theirs.build((None, None, case.inputs))
    theirs.set_weights([parameter.data for parameter in layer.parameters()])
    theirs.return_sequences = options.get("return_sequences", False)
    return theirs


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
@settings(max_examples=10)
@given(case=cases(), merge=MERGES, sequences=st.booleans(), states=st.booleans())
def test_options(kind: str, case: Case, merge: Any, sequences: bool, states: bool) -> None:
    options = {"return_sequences": sequences, "return_state": states}
    layer = nn.Bidirectional(getattr(nn, kind)(case.inputs, case.units, **options), merge_mode=merge)
    fill(layer, case.seed)
    theirs = keras_bidirectional(kind, layer, case, merge, **options)
    check_against_keras(case, layer, theirs, [case.units] * (4 if kind == "LSTM" else 2))


def test_backward_layer_of_another_kind() -> None:
    """A backward layer given apart, with other units."""
    layer = nn.Bidirectional(nn.LSTM(3, 4), backward_layer=nn.GRU(3, 2, go_backwards=True))
    fill(layer)
    layers = keras().layers
    theirs = layers.Bidirectional(layers.LSTM(4), backward_layer=layers.GRU(2, go_backwards=True))
    theirs.build((None, None, 3))
    theirs.set_weights([parameter.data for parameter in layer.parameters()])
    x = np.random.default_rng(0).normal(0, 1, (2, 5, 3)).astype(np.float32)
    check(layer, lambda x: np.asarray(theirs(x)), [x], inputs=[nn.Input("batch", "time", 3)])


def native_kinds(layer: nn.Module, *inputs: nn.Input, arguments: tuple[str, ...] = ()) -> list[str]:
    graph = lower_recurrent(lowered(Called(layer, arguments), inputs), to_native)
    return [node.op_type for node in emit(graph).proto.graph.node]


def test_both_directions_are_one_operation() -> None:
    """With lengths too, and with no more around it than a transpose on either side."""
    layer = nn.Bidirectional(nn.LSTM(3, 4, return_sequences=True))
    fill(layer)
    x, lengths = nn.Input("batch", "time", 3), nn.Input("batch", dtype="int32")
    kinds = native_kinds(layer, x)
    assert (kinds.count("LSTM"), kinds.count("Transpose"), kinds.count("Concat")) == (1, 2, 0)
    assert set(kinds) <= {"LSTM", "Transpose", "Reshape", "Identity"}
    assert native_kinds(layer, x, lengths, arguments=("lengths",)).count("LSTM") == 1


def test_directions_that_depend_on_each_other_stay_apart() -> None:
    """The backward direction may start from what the forward one ends with."""

    class Chained(nn.Module):
        def __init__(self) -> None:
            self.there, self.back = nn.GRU(3, 4), nn.GRU(3, 4, go_backwards=True)

        def forward(self, x: nn.Tensor, start: nn.Tensor) -> nn.Tensor:
            return self.back(x, initial_state=self.there(x, initial_state=start))

    model = Chained()
    fill(model)
    inputs = [nn.Input("batch", "time", 3), nn.Input("batch", 4)]
    graph = lower_recurrent(lowered(model, inputs), to_native)
    assert [node.op_type for node in emit(graph).proto.graph.node].count("GRU") == 2
    layers = keras().layers
    there, back = layers.GRU(4), layers.GRU(4, go_backwards=True)
    for theirs, ours in ((there, model.there), (back, model.back)):
        theirs.build((None, None, 3))
        theirs.set_weights([parameter.data for parameter in ours.parameters()])
    rng = np.random.default_rng(0)
    x, start = (rng.normal(0, 1, shape).astype(np.float32) for shape in ((2, 5, 3), (2, 4)))
    check(
        model,
        lambda x, start: np.asarray(back(x, initial_state=[there(x, initial_state=[start])])),
        [x, start],
        inputs=inputs,
    )


def test_directions_joined_in_time_are_not_taken_for_those_joined_in_features() -> None:
    class InTime(nn.Module):
        def __init__(self) -> None:
            self.both = nn.Bidirectional(nn.GRU(3, 4, return_sequences=True), merge_mode=None)

        def forward(self, x: nn.Tensor) -> nn.Tensor:
            return F.concat(self.both(x), 1)

    model = InTime()
    fill(model)
    theirs = keras_bidirectional("GRU", model.both, Case((), 3, 4, "", False, 0), None, return_sequences=True)
    x = np.random.default_rng(0).normal(0, 1, (2, 5, 3)).astype(np.float32)
    check(model, lambda x: np.concatenate(theirs(x), 1), [x], inputs=[nn.Input("batch", "time", 3)])


def test_lengths_of_zero_keep_the_initial_state() -> None:
    """ONNX Runtime's operation gives zeros for such a row; Keras and TensorFlow the initial state."""
    layer = nn.LSTM(3, 4, return_sequences=True, return_state=True)
    fill(layer)
    theirs = keras().layers.LSTM(4, return_sequences=True, return_state=True)
    theirs.build((None, None, 3))
    theirs.set_weights([parameter.data for parameter in layer.parameters()])
    rng = np.random.default_rng(0)
    x, h, c = (rng.normal(0, 1, shape).astype(np.float32) for shape in ((2, 3, 3), (2, 4), (2, 4)))
    lengths = np.array([0, 2], np.int32)
    check(
        Called(layer, ("lengths", "state_h", "state_c")),
        lambda x, lengths, h, c: tuple(map(np.asarray, theirs(x, mask=as_mask(lengths, 3), initial_state=[h, c]))),
        [x, lengths, h, c],
    )


def test_lengths_beyond_the_steps_count_all_of_them() -> None:
    layer = nn.Bidirectional(nn.LSTM(3, 4, return_sequences=True))
    fill(layer)
    theirs = keras_bidirectional("LSTM", layer, Case((), 3, 4, "", False, 0), "concat", return_sequences=True)
    x = np.random.default_rng(0).normal(0, 1, (3, 5, 3)).astype(np.float32)
    lengths = np.array([9, 2, -1], np.int64)
    check(
        Called(layer, ["lengths"]),
        lambda x, lengths: np.asarray(theirs(x, mask=as_mask(lengths, 5))),
        [x, lengths],
        inputs=[nn.Input("batch", "time", 3), nn.Input("batch", dtype="int64")],
    )


def test_layers_that_do_not_go_together() -> None:
    with pytest.raises(ArgumentError, match=r"return_sequences: expected True in both layers, got False"):
        nn.Bidirectional(nn.LSTM(3, 4, return_sequences=True), backward_layer=nn.LSTM(3, 4))
    with pytest.raises(ArgumentError, match="a recurrent layer and a merge_mode"):
        nn.Bidirectional(nn.LSTM(3, 4), merge_mode="max")  # type: ignore[arg-type]
