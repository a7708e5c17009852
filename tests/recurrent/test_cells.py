"""Cells: Keras's own step by step, stacks of them, and cells that a user writes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ops.harness import fill
from oracle import keras

import trtnn as nn
import trtnn.functional as F
from recurrent.harness import Case, cases, check, check_against_keras
from trtnn.errors import ArgumentError, ShapeError


class Minimal(nn.Module):
    """``h' = x @ kernel + h @ recurrent_kernel``, whose output is ``tanh(h')``."""

    def __init__(self, inputs: int, units: int) -> None:
        self.kernel = nn.Parameter((inputs, units))
        self.recurrent_kernel = nn.Parameter((units, units))
        self.state_size = units

    def forward(self, x: nn.Tensor, h: nn.Tensor) -> tuple[nn.Tensor, nn.Tensor]:
        h = F.matmul(x, self.kernel) + F.matmul(h, self.recurrent_kernel)
        return F.tanh(h), h


def keras_minimal(units: int) -> Any:
    ops, layers = keras().ops, keras().layers

    class Cell(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.state_size = units

        def build(self, shape: Any) -> None:
            self.kernel = self.add_weight(shape=(shape[-1], units), name="kernel")
            self.recurrent_kernel = self.add_weight(shape=(units, units), name="recurrent_kernel")

        def call(self, x: Any, states: Any) -> Any:
            h = ops.matmul(x, self.kernel) + ops.matmul(states[0], self.recurrent_kernel)
            return ops.tanh(h), [h]

    return Cell()


@settings(max_examples=8)
@given(case=cases(), sequences=st.booleans(), backwards=st.booleans())
def test_cell_of_a_user(case: Case, sequences: bool, backwards: bool) -> None:
    """Outputs that are not the state, with masks and initial states."""
    options = {"return_sequences": sequences, "go_backwards": backwards, "return_state": True}
    layer = nn.RNN(Minimal(case.inputs, case.units), **options)
    fill(layer, case.seed)
    theirs = keras().layers.RNN(keras_minimal(case.units), **options)
    theirs.build((None, None, case.inputs))
    theirs.set_weights([parameter.data for parameter in layer.parameters()])
    check_against_keras(case, layer, theirs, [case.units])


@settings(max_examples=8)
@given(case=cases(), sequences=st.booleans())
def test_stacked_cells(case: Case, sequences: bool) -> None:
    """Four kinds of cells on top of each other."""
    units, layers = case.units, keras().layers
    cells = [nn.LSTMCell(case.inputs, units), Minimal(units, 3), nn.GRUCell(3, units), nn.SimpleRNNCell(units, 2)]
    layer = nn.RNN(cells, return_sequences=sequences)
    fill(layer, case.seed)
    theirs = layers.RNN(
        [layers.LSTMCell(units), keras_minimal(3), layers.GRUCell(units), layers.SimpleRNNCell(2)],
        return_sequences=sequences,
    )
    theirs.build((None, None, case.inputs))
    theirs.set_weights([parameter.data for parameter in layer.parameters()])
    check_against_keras(Case(case.calls, case.inputs, units, case.masking, False, case.seed), layer, theirs, [])


class Steps(nn.Module):
    """A cell called inside a scan, as a decoder calls it."""

    def __init__(self, cell: Any) -> None:
        self.cell = cell

    def forward(self, x: nn.Tensor) -> Any:
        def step(state: Any, x_t: nn.Tensor) -> Any:
            output, state = self.cell(x_t, state)
            return state, output

        zero = F.broadcast_to(x[:, 0, :1] * 0.0, (x.shape[0], 4))
        start = (zero, zero) if isinstance(self.cell.state_size, tuple) else zero
        return F.scan(step, x, start)[1]


@pytest.mark.parametrize(
    "kind, options",
    [
        ("LSTM", {}),
        ("LSTM", {"use_bias": False, "recurrent_activation": "hard_sigmoid"}),
        ("GRU", {}),
        ("GRU", {"use_bias": False}),
        ("GRU", {"reset_after": False}),
        ("SimpleRNN", {"activation": "relu"}),
    ],
)
def test_cells_step_by_step(kind: str, options: dict[str, Any]) -> None:
    model = Steps(getattr(nn, f"{kind}Cell")(3, 4, **options))
    fill(model)
    theirs = getattr(keras().layers, kind)(4, return_sequences=True, **options)
    theirs.build((None, None, 3))
    theirs.set_weights([parameter.data for parameter in model.parameters()])
    x = np.random.default_rng(0).normal(0, 1, (2, 5, 3)).astype(np.float32)
    check(model, lambda x: np.asarray(theirs(x)), [x], inputs=[nn.Input("batch", "time", 3)])


def test_what_is_no_cell() -> None:
    with pytest.raises(ArgumentError, match=r"RNN: expected a cell: .* got LSTM; use LSTMCell"):
        nn.RNN(nn.LSTM(3, 4))
    with pytest.raises(ArgumentError, match=r"RNN: expected a cell: .* got Linear"):
        nn.RNN(nn.Linear(3, 4))


def trace(layer: nn.Module, **inputs: nn.Input) -> Any:
    return layer.trace({"x": nn.Input("batch", "time", 3), **inputs})


def test_errors_name_what_does_not_fit() -> None:
    with pytest.raises(ShapeError, match=r"kernel: expected \(3, 16\), got \(5, 16\)"):
        trace(nn.LSTM(5, 4))
    with pytest.raises(ShapeError, match=r"lengths: expected \(batch,\), got \(rows,\)"):
        trace(nn.LSTM(3, 4), lengths=nn.Input("rows", dtype="int32"))
    with pytest.raises(ShapeError, match=r"mask: expected \(batch, time\), got \(batch, steps\)"):
        trace(nn.GRU(3, 4), mask=nn.Input("batch", "steps", dtype="bool"))
    with pytest.raises(ShapeError, match=r"h: expected \(batch, 4\), got \(batch, 5\)"):
        trace(nn.SimpleRNN(3, 4), initial_state=nn.Input("batch", 5))
    with pytest.raises(ArgumentError, match="initial_state: expected 2 tensors, got 1"):
        trace(nn.LSTM(3, 4), initial_state=nn.Input("batch", 4))
    with pytest.raises(ArgumentError, match=r"activation: expected one of linear, sigmoid, .*, got 'tahn'"):
        trace(nn.LSTM(3, 4, activation="tahn"))
    with pytest.raises(ArgumentError, match='mask_policy: expected "zero" or "repeat", got \'hold\''):
        trace(nn.LSTM(3, 4, mask_policy="hold"), lengths=nn.Input("batch", dtype="int32"))  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="cell_clip: expected a positive number, or None, got -1"):
        trace(nn.tf1.DynamicRNN(nn.tf1.LSTMCell(3, 4, cell_clip=-1)))
