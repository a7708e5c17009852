"""Recurrent cells with Keras's weights: one step each, to be looped over by `RNN` or inside `functional.scan`.

A cell takes a step's input (B, input_size) and the state, and gives the output and the new state. ``state_size`` says
what the state is: an int for one tensor (B, size), a tuple of such for a tuple of states. Any module with a
``state_size`` and such a ``forward`` is a cell.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any, TypeAlias

from trtnn import functional as F
from trtnn.functional.cells import gru_step, lstm_step, simple_rnn_step
from trtnn.functional.control import flatten_tree
from trtnn.functional.recurrent import masked_scan, valid_steps, zeros
from trtnn.graph.ops.recurrent import MaskPolicy
from trtnn.module import Module
from trtnn.parameter import Parameter
from trtnn.tensor import Tensor

__all__ = ["GRUCell", "LSTMCell", "SimpleRNNCell", "StackedRNNCells"]

StateSize: TypeAlias = Any  # int | tuple[StateSize, ...]
AnyCell: TypeAlias = Any  # a Module with a state_size, such as a Cell
State: TypeAlias = Any  # Tensor | tuple[State, ...]


class Cell(Module, abc.ABC):
    """A cell that also knows how to run over a sequence faster than step by step."""

    state_size: StateSize

    @abc.abstractmethod
    def forward(self, x: Tensor, state: State, /) -> tuple[Tensor, State]:
        """A step: x (B, input_size) and the state give (output, new state)."""

    @abc.abstractmethod
    def sequence(self, x: Tensor, initial: State | None, **options: Any) -> tuple[Tensor, State]:
        """(outputs of all steps, last state) for x (B, T, input_size); ``initial`` is zeros when None.

        ``options``: lengths, mask, mask_policy and reverse, as `functional.lstm` takes them.
        """

    def output_of(self, state: State) -> Tensor:
        """The output that goes with a state."""
        return first_state(state)


def run_cell(
    cell: AnyCell,
    x: Tensor,
    initial: State | None = None,
    *,
    lengths: Tensor | None = None,
    mask: Tensor | None = None,
    mask_policy: MaskPolicy = "repeat",
    reverse: bool = False,
) -> tuple[Tensor, State]:
    """(outputs, last state) of any cell over x (B, T, input_size). See `trtnn.functional.lstm` for the options."""
    if isinstance(cell, Cell):
        return cell.sequence(x, initial, lengths=lengths, mask=mask, mask_policy=mask_policy, reverse=reverse)
    leaves, unpack = flatten_tree(zero_state(x, cell.state_size) if initial is None else initial)

    def step(state: tuple[Tensor, ...], x_t: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        output, new = cell(x_t, unpack(state))
        return tuple(flatten_tree(new)[0]), output

    valid = valid_steps(x, lengths, mask)
    blank = zeros(x, output_size(cell)) if valid is not None and mask_policy == "repeat" else None
    outputs, states = masked_scan(step, x, tuple(leaves), valid, policy=mask_policy, blank=blank, reverse=reverse)
    return outputs, unpack(states)


def first_state(state: State) -> Tensor:
    """The first of a state's tensors."""
    first: Tensor = flatten_tree(state)[0][0]
    return first


def output_size(cell: AnyCell) -> int:
    """The size of a cell's output: that of the first state unless the cell says otherwise."""
    size: int = getattr(cell, "output_size", None) or flatten_tree(cell.state_size)[0][0]
    return size


def zero_state(x: Tensor, size: StateSize) -> State:
    """Zeros of a state's sizes for the rows of x."""
    return tuple(zero_state(x, one) for one in size) if isinstance(size, (tuple, list)) else zeros(x, size)


class _KerasCell(Cell):
    """A cell with Keras's variables, which Keras keeps in the cell's own ``scope`` inside a layer's."""

    scope: str
    gates: int

    def __init__(
        self, input_size: int, hidden_size: int, bias: tuple[int, ...] | None, activation: str, name: str | None
    ) -> None:
        columns = self.gates * hidden_size
        self.kernel = self._weight("kernel", (input_size, columns), "in, gates * units")
        self.recurrent_kernel = self._weight("recurrent_kernel", (hidden_size, columns), "units, gates * units")
        self.bias = None if bias is None else self._weight("bias", bias)
        self.activation, self.name = activation, name

    def _weight(self, name: str, shape: tuple[int, ...], layout: str = "") -> Parameter:
        return Parameter(shape, layout=layout, aliases=(f"{self.scope}/{name}", f"cell/{name}"))

    def describe(self) -> str:
        """Sizes, and the options that are not the default."""
        said = [str(self.kernel.shape[0]), str(self.recurrent_kernel.shape[0])]
        defaults = {"activation": "tanh", "recurrent_activation": "sigmoid", "reset_after": True}
        said += [f"{name}={got!r}" for name, usual in defaults.items() if (got := getattr(self, name, usual)) != usual]
        return ", ".join(said + (["use_bias=False"] if self.bias is None else []))


class LSTMCell(_KerasCell):
    """Keras's LSTMCell: gates i, f, c, o; the forget bias is inside the bias. The state is (h, c), each (B, H).

    ``kernel`` (input_size, 4H), ``recurrent_kernel`` (H, 4H), ``bias`` (4H,). Equations: `trtnn.graph.ops.LSTM`.
    Activations go by Keras's names; "hard_sigmoid_keras2" is the one of Keras 1 and 2. Raises ArgumentError for an
    unknown one, while tracing.
    """

    scope, gates = "lstm_cell", 4

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        activation: str = "tanh",
        recurrent_activation: str = "sigmoid",
        use_bias: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, (4 * hidden_size,) if use_bias else None, activation, name)
        self.recurrent_activation, self.state_size = recurrent_activation, (hidden_size, hidden_size)

    def forward(self, x: Tensor, state: State, /) -> tuple[Tensor, State]:
        """x (B, input_size), state (h, c)."""
        h, c = lstm_step(
            F.linear(x, self.kernel, self.bias),
            state,
            self.recurrent_kernel,
            activation=self.activation,
            recurrent_activation=self.recurrent_activation,
        )
        return h, (h, c)

    def sequence(self, x: Tensor, initial: State | None, **options: Any) -> tuple[Tensor, State]:
        """One LSTM operation."""
        outputs, h, c = F.lstm(
            x,
            self.kernel,
            self.recurrent_kernel,
            self.bias,
            initial_state=initial,
            activation=self.activation,
            recurrent_activation=self.recurrent_activation,
            **options,
        )
        return outputs, (h, c)


class GRUCell(_KerasCell):
    """Keras's GRUCell: gates z, r, h. The state is h (B, H).

    ``kernel`` (input_size, 3H), ``recurrent_kernel`` (H, 3H), ``bias`` (2, 3H), the input's and the recurrent one, or
    (3H,) with ``reset_after=False``. Equations: `trtnn.graph.ops.GRU`.
    """

    scope, gates = "gru_cell", 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        activation: str = "tanh",
        recurrent_activation: str = "sigmoid",
        use_bias: bool = True,
        reset_after: bool = True,
        name: str | None = None,
    ) -> None:
        bias = (2, 3 * hidden_size) if reset_after else (3 * hidden_size,)
        super().__init__(input_size, hidden_size, bias if use_bias else None, activation, name)
        self.recurrent_activation, self.reset_after, self.state_size = recurrent_activation, reset_after, hidden_size

    def forward(self, x: Tensor, state: State, /) -> tuple[Tensor, State]:
        """x (B, input_size), state (B, H)."""
        bias, recurrent_bias = self._biases(x)
        h = gru_step(
            F.linear(x, self.kernel, bias),
            state,
            self.recurrent_kernel,
            recurrent_bias,
            activation=self.activation,
            recurrent_activation=self.recurrent_activation,
            reset_after=self.reset_after,
        )
        return h, h

    def _biases(self, x: Tensor) -> tuple[Tensor | None, Tensor | None]:
        if self.bias is None:
            return None, None
        bias = x.tracer.lift(self.bias)
        return (bias[0], bias[1]) if self.reset_after else (bias, None)

    def sequence(self, x: Tensor, initial: State | None, **options: Any) -> tuple[Tensor, State]:
        """One GRU operation."""
        return F.gru(
            x,
            self.kernel,
            self.recurrent_kernel,
            self.bias,
            initial_state=initial,
            activation=self.activation,
            recurrent_activation=self.recurrent_activation,
            reset_after=self.reset_after,
            **options,
        )


class SimpleRNNCell(_KerasCell):
    """Keras's SimpleRNNCell: ``h' = activation(x @ kernel + h @ recurrent_kernel + bias)``. The state is h (B, H).

    ``kernel`` (input_size, H), ``recurrent_kernel`` (H, H), ``bias`` (H,).
    """

    scope, gates = "simple_rnn_cell", 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        activation: str = "tanh",
        use_bias: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, (hidden_size,) if use_bias else None, activation, name)
        self.state_size = hidden_size

    def forward(self, x: Tensor, state: State, /) -> tuple[Tensor, State]:
        """x (B, input_size), state (B, H)."""
        x = F.linear(x, self.kernel, self.bias)
        h = simple_rnn_step(x, state, self.recurrent_kernel, activation=self.activation)
        return h, h

    def sequence(self, x: Tensor, initial: State | None, **options: Any) -> tuple[Tensor, State]:
        """One SimpleRNN operation."""
        weights = self.kernel, self.recurrent_kernel, self.bias
        return F.simple_rnn(x, *weights, initial_state=initial, activation=self.activation, **options)


class StackedRNNCells(Cell):
    """Cells on top of each other, as one cell. The state is a tuple of the cells' states, the lowest first."""

    def __init__(self, cells: Sequence[AnyCell], name: str | None = None) -> None:
        self.cells, self.name = list(cells), name

    @property
    def state_size(self) -> StateSize:
        """The cells' state sizes."""
        return tuple(cell.state_size for cell in self.cells)

    @property
    def output_size(self) -> int:
        """The size of the last cell's output."""
        return output_size(self.cells[-1])

    def forward(self, x: Tensor, state: State, /) -> tuple[Tensor, State]:
        """x (B, input_size) through all cells."""
        states = []
        for cell, one in zip(self.cells, state, strict=True):
            x, new = cell(x, one)
            states.append(new)
        return x, tuple(states)

    def sequence(self, x: Tensor, initial: State | None, **options: Any) -> tuple[Tensor, State]:
        """Cell by cell over the whole sequence, which gives what all cells step by step give."""
        states = []
        for i, cell in enumerate(self.cells):
            x, last = run_cell(cell, x, None if initial is None else initial[i], **options)
            states.append(last)
        return x, tuple(states)

    def output_of(self, state: State) -> Tensor:
        """The last cell's output."""
        last = self.cells[-1]
        return last.output_of(state[-1]) if isinstance(last, Cell) else first_state(state[-1])
