"""Recurrent operations as loops, for targets that have no such operation or not with these options.

The product of all steps with the kernel is taken out of the loop, as one large matrix product.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from trtnn import functional as F
from trtnn.functional.cells import gru_step, lstm_step, simple_rnn_step
from trtnn.functional.recurrent import masked_scan, valid_steps, zeros
from trtnn.graph import Graph, Size
from trtnn.graph.graph import contains
from trtnn.graph.ops import GRU, LSTM, RECURRENT, SimpleRNN
from trtnn.graph.ops.recurrent import Recurrent
from trtnn.passes import lower
from trtnn.passes.decompose import decompose, decomposition
from trtnn.tensor import Tensor

Step: TypeAlias = Callable[[Any, Tensor], tuple[Any, Tensor]]


def lower_recurrent(graph: Graph, to_native: Callable[[Graph], Graph] = lambda graph: graph) -> Graph:
    """A lowered graph with loops in the place of recurrent operations, lowered again.

    ``to_native`` first replaces those that the target has itself.
    """
    return lower(decompose(to_native(graph), RECURRENT)) if contains(graph, RECURRENT) else graph


@decomposition(LSTM)
def decompose_lstm(op: LSTM, *operands: Tensor) -> tuple[Tensor, ...]:
    """The LSTM as a scan of `lstm_step`."""
    named = op.named(operands)

    def step(state: tuple[Tensor, Tensor], x_t: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
        h, c = lstm_step(
            x_t,
            state,
            named["recurrent_kernel"],
            peepholes=named.get("peepholes"),
            projection=named.get("projection"),
            activation=op.activation,
            recurrent_activation=op.recurrent_activation,
            cell_clip=op.cell_clip,
            projection_clip=op.projection_clip,
        )
        return (h, c), h

    out, columns = named["recurrent_kernel"].shape
    return _run(op, named, step, named.get("bias"), {"h": out, "c": columns // 4})


@decomposition(GRU)
def decompose_gru(op: GRU, *operands: Tensor) -> tuple[Tensor, ...]:
    """The GRU as a scan of `gru_step`."""
    named = op.named(operands)
    bias, recurrent_bias = named.get("bias"), None
    if bias is not None and bias.ndim == 2:
        bias, recurrent_bias = bias[0], bias[1]

    def step(state: tuple[Tensor], x_t: Tensor) -> tuple[tuple[Tensor], Tensor]:
        h = gru_step(
            x_t,
            state[0],
            named["recurrent_kernel"],
            recurrent_bias,
            activation=op.activation,
            recurrent_activation=op.recurrent_activation,
            reset_after=op.reset_after,
        )
        return (h,), h

    return _run(op, named, step, bias, {"h": named["recurrent_kernel"].shape[0]})


@decomposition(SimpleRNN)
def decompose_simple_rnn(op: SimpleRNN, *operands: Tensor) -> tuple[Tensor, ...]:
    """The simple RNN as a scan of `simple_rnn_step`."""
    named = op.named(operands)

    def step(state: tuple[Tensor], x_t: Tensor) -> tuple[tuple[Tensor], Tensor]:
        h = simple_rnn_step(x_t, state[0], named["recurrent_kernel"], activation=op.activation)
        return (h,), h

    return _run(op, named, step, named.get("bias"), {"h": named["recurrent_kernel"].shape[0]})


def _run(
    op: Recurrent, named: dict[str, Tensor], step: Step, bias: Tensor | None, sizes: dict[str, Size]
) -> tuple[Tensor, ...]:
    """Outputs and last states of the step over the sequence; a state that is not given starts as zeros."""
    x = named["x"]
    initial = tuple(named[name] if name in named else zeros(x, size) for name, size in sizes.items())
    valid = valid_steps(x, named.get("lengths"), named.get("mask"))
    blank = zeros(x, sizes["h"]) if valid is not None and op.mask_policy == "repeat" else None
    rows = F.linear(x, named["kernel"], bias)
    outputs, states = masked_scan(step, rows, initial, valid, policy=op.mask_policy, blank=blank, reverse=op.reverse)
    return (outputs, *states)
