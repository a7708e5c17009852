"""Keras's recurrent layers: a cell over time. Weights have Keras's layout and names; see `trtnn.layers.cells`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypedDict, Unpack

from trtnn import functional as F
from trtnn.errors import ArgumentError
from trtnn.functional.control import flatten_tree
from trtnn.graph.ops.recurrent import MaskPolicy
from trtnn.layers.cells import AnyCell, Cell, GRUCell, LSTMCell, SimpleRNNCell, StackedRNNCells, State, run_cell
from trtnn.module import Module
from trtnn.tensor import Tensor

__all__ = ["GRU", "LSTM", "RNN", "Masking", "RecurrentStack", "SimpleRNN"]


class LayerOptions(TypedDict, total=False):
    """The options of `Recurrent`, as every layer takes them by keyword."""

    return_sequences: bool
    return_state: bool
    go_backwards: bool
    time_major: bool
    mask_policy: MaskPolicy
    name: str | None


class Recurrent(Module):
    """What the recurrent layers share: x (B, T, features) in, the last output (B, H) out.

    ``return_sequences`` gives the outputs of all steps (B, T, H) instead. ``return_state`` gives a tuple: the output,
    then every state. ``go_backwards`` walks from the last step to the first; the outputs of all steps then come in
    that order, as in Keras. ``time_major`` takes and gives sequences as (T, B, ...).

    ``forward`` also takes ``initial_state``, and ``lengths`` (B,), int32 or int64, or ``mask`` (B, T), bool, which say
    what steps count. The others hold the state; the output there repeats the last one that counted with the
    ``mask_policy`` "repeat", Keras's, and is zero with "zero", TensorFlow 1's and Keras's ``zero_output_for_mask``.
    """

    def __init__(
        self,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        time_major: bool = False,
        mask_policy: MaskPolicy = "repeat",
        name: str | None = None,
    ) -> None:
        self.return_sequences, self.return_state, self.go_backwards = return_sequences, return_state, go_backwards
        self.time_major, self.mask_policy, self.name = time_major, mask_policy, name

    @property
    def cell(self) -> AnyCell:
        """The cell that is looped over; the layer itself where it is a cell over time."""
        return self

    def forward(
        self,
        x: Tensor,
        initial_state: State | None = None,
        lengths: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Any:
        """See the class; ``initial_state`` is a tensor, or a tuple of all the cell's states."""
        x = swap_time(x) if self.time_major else x
        outputs, last, states = self.run(x, initial_state, lengths, mask)
        if self.return_sequences:
            result = outputs[:, ::-1] if self.go_backwards else outputs
            result = swap_time(result) if self.time_major else result
        else:
            result = last
        return (result, *states) if self.return_state else result

    def run(
        self, x: Tensor, initial_state: State | None, lengths: Tensor | None, mask: Tensor | None
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """(all outputs in the order of x, the last output, the last states) for x (B, T, features)."""
        cell = self.cell
        initial = None if initial_state is None else _as_state(initial_state, cell.state_size)
        outputs, states = run_cell(
            cell, x, initial, lengths=lengths, mask=mask, mask_policy=self.mask_policy, reverse=self.go_backwards
        )
        held = (lengths is None and mask is None) or (self.mask_policy == "repeat" and initial is None)
        last = cell.output_of(states) if isinstance(cell, Cell) and held else outputs[:, 0 if self.go_backwards else -1]
        return outputs, last, flatten_tree(states)[0]

    def describe(self) -> str:
        """The cell's sizes, where the layer is its own cell, and the options that are not the default."""
        flags = ("return_sequences", "return_state", "go_backwards", "time_major")
        said = [*filter(None, [super().describe()]), *(f"{flag}=True" for flag in flags if getattr(self, flag))]
        return ", ".join(said + ([] if self.mask_policy == "repeat" else [f"mask_policy={self.mask_policy!r}"]))


class RNN(Recurrent):
    """Any cell over time: one of `trtnn.layers.cells`, a module of your own, or a list of cells on top of each other.

    A cell of your own has a ``state_size`` (an int for a state (B, size), a tuple for several) and
    ``forward(x_t, state) -> (output, new state)``; its output is (B, first state's size) unless it has an
    ``output_size``. The step is traced once. Raises ArgumentError for a module that is no cell.
    """

    def __init__(self, cell: Module | Sequence[Module], **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self._cell: AnyCell = cell if isinstance(cell, Module) else StackedRNNCells(cell)
        if isinstance(cell, Recurrent) or not hasattr(self._cell, "state_size"):
            raise ArgumentError(
                "RNN",
                expected="a cell: a module with a state_size and forward(x_t, state) -> (output, state)",
                got=type(cell).__name__,
                remedy="use LSTMCell, GRUCell or SimpleRNNCell, or write one",
            )

    @property
    def cell(self) -> AnyCell:
        """The cell."""
        return self._cell

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The cell, under Keras's name for it where it is one of Keras's: "lstm_cell"."""
        yield getattr(self._cell, "scope", "cell"), self._cell


class LSTM(Recurrent, LSTMCell):
    """Keras's LSTM: kernel (input_size, 4H), recurrent_kernel (H, 4H), bias (4H,); gates i, f, c, o. States h, c.

    ``options`` are those of `Recurrent`, the others those of `LSTMCell`, which has the details.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        activation: str = "tanh",
        recurrent_activation: str = "sigmoid",
        use_bias: bool = True,
        **options: Unpack[LayerOptions],
    ) -> None:
        Recurrent.__init__(self, **options)
        LSTMCell.__init__(
            self,
            input_size,
            hidden_size,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            name=self.name,
        )


class GRU(Recurrent, GRUCell):
    """Keras's GRU: kernel (input_size, 3H), recurrent_kernel (H, 3H), bias (2, 3H); gates z, r, h. State h.

    The bias is (3H,) with ``reset_after=False``. ``options`` are those of `Recurrent`, the others those of `GRUCell`,
    which has the details.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        activation: str = "tanh",
        recurrent_activation: str = "sigmoid",
        use_bias: bool = True,
        reset_after: bool = True,
        **options: Unpack[LayerOptions],
    ) -> None:
        Recurrent.__init__(self, **options)
        GRUCell.__init__(
            self,
            input_size,
            hidden_size,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            reset_after=reset_after,
            name=self.name,
        )


class SimpleRNN(Recurrent, SimpleRNNCell):
    """Keras's SimpleRNN: kernel (input_size, H), recurrent_kernel (H, H), bias (H,). State h.

    ``options`` are those of `Recurrent`, the others those of `SimpleRNNCell`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        activation: str = "tanh",
        use_bias: bool = True,
        **options: Unpack[LayerOptions],
    ) -> None:
        Recurrent.__init__(self, **options)
        SimpleRNNCell.__init__(self, input_size, hidden_size, activation=activation, use_bias=use_bias, name=self.name)


class RecurrentStack(Module):
    """Recurrent layers on top of each other, all with the same ``lengths`` or ``mask``.

    All but the last need ``return_sequences=True``; what a layer gives as states is dropped, but for the last one.
    """

    def __init__(self, *layers: Module, name: str | None = None) -> None:
        self.layers, self.name = list(layers), name

    def forward(self, x: Tensor, lengths: Tensor | None = None, mask: Tensor | None = None) -> Any:
        """x (B, T, features); the last layer's result."""
        for layer in self.layers[:-1]:
            result = layer(x, lengths=lengths, mask=mask)
            x = result[0] if isinstance(result, tuple) else result
        return self.layers[-1](x, lengths=lengths, mask=mask)


class Masking(Module):
    """Keras's Masking: the steps of x (B, T, features) where all features are ``mask_value`` do not count.

    Gives x with zeros there, and the mask (B, T) for the ``mask`` of the layers that follow.
    """

    def __init__(self, mask_value: float = 0.0) -> None:
        self.mask_value = mask_value

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(x, mask)."""
        differs = F.not_equal(x, self.mask_value).cast("int32").max(-1, keepdims=True)
        return x * differs.cast(x.dtype), F.greater(differs, 0).squeeze(-1)

    def describe(self) -> str:
        """The value."""
        return f"{self.mask_value:g}"


def swap_time(x: Tensor) -> Tensor:
    """Batch-major from time-major and the other way round."""
    return x.transpose(1, 0, *range(2, x.ndim))


def _as_state(given: Any, size: Any) -> State:
    """The given states, a tensor or any nesting of them, in the structure of the cell's state."""
    leaves, wanted = flatten_tree(given)[0], flatten_tree(size)
    if len(leaves) != len(wanted[0]):
        raise ArgumentError("initial_state", expected=f"{len(wanted[0])} tensors", got=str(len(leaves)))
    return wanted[1](leaves)
