"""One step of the recurrent cells: their equations, in one place for the layers, the cells and the targets' loops.

``x`` is a step's input already multiplied by the kernel, bias included: (B, gates * H). Gate orders and equations are
those of `trtnn.graph.ops.LSTM`, `GRU` and `SimpleRNN`.
"""

from __future__ import annotations

from trtnn.functional import reductions
from trtnn.functional.activations import clip
from trtnn.functional.operands import Operand
from trtnn.functional.shape import split
from trtnn.graph.ops.recurrent import CELL_ACTIVATIONS
from trtnn.tensor import Tensor


def activate(x: Tensor, name: str) -> Tensor:
    """The activation of that name, one of `CELL_ACTIVATIONS`."""
    op = CELL_ACTIVATIONS[name]
    return x if op is None else x.tracer.apply(op, x)


def lstm_step(
    x: Tensor,
    state: tuple[Tensor, Tensor],
    recurrent_kernel: Operand,
    *,
    peepholes: Operand | None = None,
    projection: Operand | None = None,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    cell_clip: float | None = None,
    projection_clip: float | None = None,
) -> tuple[Tensor, Tensor]:
    """(h, c) after a step of an LSTM; gates i, f, g, o. ``peepholes`` are (3, H), the rows i, f and o."""
    h, c = state
    i, f, g, o = split(x + reductions.matmul(h, recurrent_kernel), 4)
    if peepholes is not None:
        of_i, of_f, of_o = split(peepholes, 3, axis=0)
        i, f = i + of_i * c, f + of_f * c
    kept = activate(f, recurrent_activation) * c
    c = kept + activate(i, recurrent_activation) * activate(g, activation)
    c = c if cell_clip is None else clip(c, -cell_clip, cell_clip)
    o = o if peepholes is None else o + of_o * c
    h = activate(o, recurrent_activation) * activate(c, activation)
    if projection is not None:
        h = reductions.matmul(h, projection)
        h = h if projection_clip is None else clip(h, -projection_clip, projection_clip)
    return h, c


def gru_step(
    x: Tensor,
    h: Tensor,
    recurrent_kernel: Operand,
    recurrent_bias: Operand | None = None,
    *,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    reset_after: bool = True,
) -> Tensor:
    """h after a step of a GRU; gates z, r, n. ``recurrent_bias`` (3H,) is added to the products with h."""
    units = h.shape[-1]
    x_z, x_r, x_n = split(x, 3)
    if reset_after:
        product = reductions.matmul(h, recurrent_kernel)
        product = product if recurrent_bias is None else product + recurrent_bias
        h_z, h_r, h_n = split(product, 3)
        z, r = activate(x_z + h_z, recurrent_activation), activate(x_r + h_r, recurrent_activation)
        n = activate(x_n + r * h_n, activation)
    else:
        of_gates, of_candidate = split(h.tracer.lift(recurrent_kernel), [2 * units, units])  # type: ignore[list-item]
        h_z, h_r = split(reductions.matmul(h, of_gates), 2)
        z, r = activate(x_z + h_z, recurrent_activation), activate(x_r + h_r, recurrent_activation)
        n = activate(x_n + reductions.matmul(r * h, of_candidate), activation)
    return z * h + (1.0 - z) * n


def simple_rnn_step(x: Tensor, h: Tensor, recurrent_kernel: Operand, *, activation: str = "tanh") -> Tensor:
    """h after a step of a simple RNN."""
    return activate(x + reductions.matmul(h, recurrent_kernel), activation)
