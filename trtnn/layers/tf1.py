"""TensorFlow 1's recurrent cells, ``dynamic_rnn`` and ``bidirectional_dynamic_rnn``, under their checkpoint names.

A cell has one kernel for [x; h], (input_size + H, gates * H), split here into the parts that Keras's cells have; the
passes compute that once, when the model is compiled. The state of an LSTM is (c, h), as in ``LSTMStateTuple``. Beyond
``sequence_length`` outputs are zero and states are held. Older files have ``weights`` and ``biases`` where newer ones
have ``kernel`` and ``bias``: both are found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from trtnn import functional as F
from trtnn.functional.cells import gru_step, lstm_step, simple_rnn_step
from trtnn.layers.cells import Cell, StackedRNNCells, State, run_cell
from trtnn.layers.linear import Linear
from trtnn.layers.recurrent import swap_time
from trtnn.module import Module
from trtnn.parameter import Parameter
from trtnn.tensor import Tensor

__all__ = [
    "BasicLSTMCell",
    "BasicRNNCell",
    "BidirectionalDynamicRNN",
    "DynamicRNN",
    "GRUCell",
    "LSTMCell",
    "MultiRNNCell",
]


class LSTMCell(Cell):
    """``tf.nn.rnn_cell.LSTMCell``: kernel (input_size + P, 4H) for [x; h], bias (4H,), gates i, j, f, o.

    ``forget_bias`` is added to f when the cell runs and is not in the bias. With ``use_peepholes`` i and f also see
    the old c by ``w_i_diag`` and ``w_f_diag`` (H,), and o the new one by ``w_o_diag``. ``cell_clip`` bounds c to
    +-cell_clip; ``num_proj`` adds ``projection/kernel`` (H, P), whose result ``proj_clip`` bounds. The output is h
    (B, P), and P is H without a projection. State (c, h).
    """

    scope = "lstm_cell"

    def __init__(
        self,
        input_size: int,
        num_units: int,
        use_peepholes: bool = False,
        cell_clip: float | None = None,
        num_proj: int | None = None,
        proj_clip: float | None = None,
        forget_bias: float = 1.0,
        activation: str = "tanh",
        name: str | None = None,
    ) -> None:
        self.output_size = num_proj or num_units
        self.kernel = Parameter((input_size + self.output_size, 4 * num_units), layout="in + out, 4 * units")
        self.bias = Parameter((4 * num_units,))
        if use_peepholes:
            self.w_f_diag, self.w_i_diag, self.w_o_diag = (Parameter((num_units,)) for _ in range(3))
        self.projection = Linear(num_units, num_proj, bias=False) if num_proj else None
        self.state_size = (num_units, self.output_size)
        self.use_peepholes, self.forget_bias, self.name = use_peepholes, forget_bias, name
        self.options: dict[str, Any] = {"activation": activation, "cell_clip": cell_clip, "projection_clip": proj_clip}

    def forward(self, x: Tensor, state: State, /) -> tuple[Tensor, State]:
        """x (B, input_size), state (c, h): (h, (c, h))."""
        kernel, recurrent_kernel, bias, extras = self._weights(x)
        c, h = state
        h, c = lstm_step(F.linear(x, kernel, bias), (h, c), recurrent_kernel, **extras, **self.options)
        return h, (c, h)

    def sequence(self, x: Tensor, initial: State | None, **options: Any) -> tuple[Tensor, State]:
        """One LSTM operation."""
        kernel, recurrent_kernel, bias, extras = self._weights(x)
        start = None if initial is None else (initial[1], initial[0])
        outputs, h, c = F.lstm(
            x, kernel, recurrent_kernel, bias, initial_state=start, **extras, **self.options, **options
        )
        return outputs, (c, h)

    def output_of(self, state: State) -> Tensor:
        """h."""
        h: Tensor = state[1]
        return h

    def _weights(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, dict[str, Any]]:
        """The kernels, the bias with the forget bias, and what else there is; gates in the order i, f, j, o."""
        units = self.state_size[0]
        kernel, recurrent_kernel = _halves(x, self.kernel, self.output_size)
        forget = np.repeat(np.array([0, self.forget_bias, 0, 0], np.float32), units)
        extras: dict[str, Any] = {}
        if self.use_peepholes:
            extras["peepholes"] = F.stack([x.tracer.lift(one) for one in (self.w_i_diag, self.w_f_diag, self.w_o_diag)])
        if self.projection is not None:
            extras["projection"] = self.projection.kernel
        bias = _reordered(x.tracer.lift(self.bias), (0, 2, 1, 3)) + forget
        return _reordered(kernel, (0, 2, 1, 3)), _reordered(recurrent_kernel, (0, 2, 1, 3)), bias, extras

    def describe(self) -> str:
        """Sizes, and the options that are not the default."""
        said = [str(self.kernel.shape[0] - self.output_size), str(self.state_size[0])]
        said += ["use_peepholes=True"] if self.use_peepholes else []
        said += [f"num_proj={self.output_size}"] if self.projection is not None else []
        return ", ".join(said + ([] if self.forget_bias == 1.0 else [f"forget_bias={self.forget_bias:g}"]))


class BasicLSTMCell(LSTMCell):
    """``tf.nn.rnn_cell.BasicLSTMCell``: kernel (input_size + H, 4H) for [x; h], bias (4H,), gates i, j, f, o.

    ``forget_bias`` is added to f when the cell runs and is not in the bias. State (c, h).
    """

    scope = "basic_lstm_cell"

    def __init__(
        self,
        input_size: int,
        num_units: int,
        forget_bias: float = 1.0,
        activation: str = "tanh",
        name: str | None = None,
    ) -> None:
        super().__init__(input_size, num_units, forget_bias=forget_bias, activation=activation, name=name)


class GRUCell(Cell):
    """``tf.nn.rnn_cell.GRUCell``: ``gates`` (input_size + H, 2H) for [x; h], r before u, and ``candidate``
    (input_size + H, H) for [x; r * h]; ``h' = u * h + (1 - u) * candidate``. State h (B, H).
    """

    scope = "gru_cell"

    def __init__(self, input_size: int, num_units: int, activation: str = "tanh", name: str | None = None) -> None:
        self.gates = Linear(input_size + num_units, 2 * num_units)
        self.candidate = Linear(input_size + num_units, num_units)
        self.activation, self.state_size, self.name = activation, num_units, name

    def forward(self, x: Tensor, state: State, /) -> tuple[Tensor, State]:
        """x (B, input_size), state (B, H)."""
        kernel, recurrent_kernel, bias = self._weights(x)
        rows = F.linear(x, kernel, bias)
        h = gru_step(rows, state, recurrent_kernel, activation=self.activation, reset_after=False)
        return h, h

    def sequence(self, x: Tensor, initial: State | None, **options: Any) -> tuple[Tensor, State]:
        """One GRU operation."""
        weights = self._weights(x)
        return F.gru(x, *weights, initial_state=initial, activation=self.activation, reset_after=False, **options)

    def _weights(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The kernels and the bias with the gates u, r and the candidate side by side."""
        of_gates, of_candidate = (_halves(x, one.kernel, self.state_size) for one in (self.gates, self.candidate))
        kernel, recurrent_kernel = (
            F.concat([_reordered(gates, (1, 0)), candidate])
            for gates, candidate in zip(of_gates, of_candidate, strict=True)
        )
        gates_bias, candidate_bias = (x.tracer.lift(one.bias) for one in (self.gates, self.candidate))
        return kernel, recurrent_kernel, F.concat([_reordered(gates_bias, (1, 0)), candidate_bias])


class BasicRNNCell(Cell):
    """``tf.nn.rnn_cell.BasicRNNCell``: ``h' = activation([x; h] @ kernel + bias)``, kernel (input_size + H, H)."""

    scope = "basic_rnn_cell"

    def __init__(self, input_size: int, num_units: int, activation: str = "tanh", name: str | None = None) -> None:
        self.kernel = Parameter((input_size + num_units, num_units), layout="in + units, units")
        self.bias = Parameter((num_units,))
        self.activation, self.state_size, self.name = activation, num_units, name

    def forward(self, x: Tensor, state: State, /) -> tuple[Tensor, State]:
        """x (B, input_size), state (B, H)."""
        kernel, recurrent_kernel = _halves(x, self.kernel, self.state_size)
        h = simple_rnn_step(F.linear(x, kernel, self.bias), state, recurrent_kernel, activation=self.activation)
        return h, h

    def sequence(self, x: Tensor, initial: State | None, **options: Any) -> tuple[Tensor, State]:
        """One SimpleRNN operation."""
        weights = *_halves(x, self.kernel, self.state_size), self.bias
        return F.simple_rnn(x, *weights, initial_state=initial, activation=self.activation, **options)


class MultiRNNCell(StackedRNNCells):
    """``tf.nn.rnn_cell.MultiRNNCell``: cells on top of each other. The state is a tuple of theirs, the lowest first."""

    scope = "multi_rnn_cell"

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """("cell_0.lstm_cell", cell) and so on, as checkpoints have it."""
        return ((f"cell_{i}.{_scope(cell)}", cell) for i, cell in enumerate(self.cells))


class DynamicRNN(Module):
    """``tf.nn.dynamic_rnn``: a cell over time, x (B, T, features), or (T, B, features) when ``time_major``.

    ``name`` is its variable scope. Gives (outputs, last state).
    """

    def __init__(self, cell: Module, time_major: bool = False, name: str = "rnn") -> None:
        self.cell, self.time_major, self.name = cell, time_major, name

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The cell, under its scope's name: "basic_lstm_cell"."""
        yield _scope(self.cell), self.cell

    def forward(
        self, x: Tensor, sequence_length: Tensor | None = None, initial_state: State | None = None
    ) -> tuple[Tensor, State]:
        """``sequence_length`` (B,), int32 or int64; ``initial_state`` in the structure of the cell's state."""
        return _run(self.cell, x, sequence_length, initial_state, self.time_major)


class BidirectionalDynamicRNN(Module):
    """``tf.nn.bidirectional_dynamic_rnn``: two cells over time, the second one from the end of each row's length.

    ``name`` is its variable scope. Gives ((outputs forward, outputs backward), (last state forward, last state
    backward)), all outputs in the order of x.
    """

    def __init__(
        self, cell_fw: Module, cell_bw: Module, time_major: bool = False, name: str = "bidirectional_rnn"
    ) -> None:
        self.cell_fw, self.cell_bw, self.time_major, self.name = cell_fw, cell_bw, time_major, name

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """("fw.basic_lstm_cell", cell) and the same for "bw"."""
        yield f"fw.{_scope(self.cell_fw)}", self.cell_fw
        yield f"bw.{_scope(self.cell_bw)}", self.cell_bw

    def forward(
        self,
        x: Tensor,
        sequence_length: Tensor | None = None,
        initial_state_fw: State | None = None,
        initial_state_bw: State | None = None,
    ) -> tuple[tuple[Tensor, Tensor], tuple[State, State]]:
        """See `DynamicRNN`."""
        forward, state_fw = _run(self.cell_fw, x, sequence_length, initial_state_fw, self.time_major)
        backward, state_bw = _run(self.cell_bw, x, sequence_length, initial_state_bw, self.time_major, reverse=True)
        return (forward, backward), (state_fw, state_bw)


def _run(
    cell: Module, x: Tensor, lengths: Tensor | None, initial: State | None, time_major: bool, reverse: bool = False
) -> tuple[Tensor, State]:
    x = swap_time(x) if time_major else x
    outputs, state = run_cell(cell, x, initial, lengths=lengths, mask_policy="zero", reverse=reverse)
    return (swap_time(outputs) if time_major else outputs), state


def _scope(cell: Module) -> str:
    scope: str = getattr(cell, "scope", "cell")
    return scope


def _halves(x: Tensor, kernel: Parameter, units: int) -> Sequence[Tensor]:
    """The rows of a fused kernel for x, and those for h."""
    return F.split(x.tracer.lift(kernel), [kernel.shape[0] - units, units], 0)


def _reordered(weight: Tensor, order: tuple[int, ...]) -> Tensor:
    """The gates along the last axis in another order: gate i of the result is gate ``order[i]``."""
    front = weight.shape[:-1]
    apart = weight.reshape(*front, len(order), -1)
    return F.take(apart, np.array(order), len(front)).reshape(*front, -1)
