"""Recurrent layers over whole sequences, and masks of sequences.

x is batch-major, (B, T, features). ``lengths`` (B,), int32 or int64, or ``mask`` (B, T), bool, say which steps count. A
step that does not count holds the states, and its output is zero for the ``mask_policy`` "zero" (TensorFlow 1), or the
one before it, and zero when there is none, for "repeat" (Keras). ``reverse`` walks from the last step to the first;
outputs stay in the order of x. Raises ArgumentError, ShapeError or DTypeError for what does not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from trtnn.errors import ArgumentError
from trtnn.functional import math as fm
from trtnn.functional.control import scan
from trtnn.functional.operands import Operand, lift
from trtnn.functional.shape import broadcast_to, reshape
from trtnn.graph import Size
from trtnn.graph.ops import GRU, LSTM, Range, SimpleRNN
from trtnn.graph.ops.recurrent import MaskPolicy
from trtnn.tensor import Tensor

__all__ = ["gru", "lstm", "sequence_mask", "simple_rnn"]


def lstm(
    x: Operand,
    kernel: Operand,
    recurrent_kernel: Operand,
    bias: Operand | None = None,
    *,
    initial_state: Sequence[Operand] | None = None,
    lengths: Operand | None = None,
    mask: Operand | None = None,
    peepholes: Operand | None = None,
    projection: Operand | None = None,
    **options: Any,
) -> tuple[Tensor, Tensor, Tensor]:
    """(outputs, h, c) of an LSTM: outputs (B, T, P), the last h (B, P) and c (B, H).

    kernel (I, 4H), recurrent_kernel (P, 4H), bias (4H,), gates i, f, g, o; ``initial_state`` is (h, c). ``options`` are
    the fields of `trtnn.graph.ops.LSTM`, which has the equations.
    """
    h, c = (None, None) if initial_state is None else _states(initial_state, 2)
    extras = {"bias": bias, "peepholes": peepholes, "projection": projection, "h": h, "c": c}
    outputs, h, c = _apply(LSTM, [x, kernel, recurrent_kernel], {**extras, "lengths": lengths, "mask": mask}, options)
    return outputs, h, c


def gru(
    x: Operand,
    kernel: Operand,
    recurrent_kernel: Operand,
    bias: Operand | None = None,
    *,
    initial_state: Operand | None = None,
    lengths: Operand | None = None,
    mask: Operand | None = None,
    **options: Any,
) -> tuple[Tensor, Tensor]:
    """(outputs, h) of a GRU: outputs (B, T, H), the last h (B, H).

    kernel (I, 3H), recurrent_kernel (H, 3H), bias (3H,) or, for ``reset_after``, (2, 3H); gates z, r, n. ``options``
    are the fields of `trtnn.graph.ops.GRU`, which has the equations.
    """
    extras = {"bias": bias, "h": initial_state, "lengths": lengths, "mask": mask}
    outputs, h = _apply(GRU, [x, kernel, recurrent_kernel], extras, options)
    return outputs, h


def simple_rnn(
    x: Operand,
    kernel: Operand,
    recurrent_kernel: Operand,
    bias: Operand | None = None,
    *,
    initial_state: Operand | None = None,
    lengths: Operand | None = None,
    mask: Operand | None = None,
    **options: Any,
) -> tuple[Tensor, Tensor]:
    """(outputs, h) of ``h' = activation(x @ kernel + h @ recurrent_kernel + bias)``: outputs (B, T, H), last h (B, H).

    ``options`` are the fields of `trtnn.graph.ops.SimpleRNN`.
    """
    extras = {"bias": bias, "h": initial_state, "lengths": lengths, "mask": mask}
    outputs, h = _apply(SimpleRNN, [x, kernel, recurrent_kernel], extras, options)
    return outputs, h


def _apply(kind: Any, operands: list[Operand], extras: dict[str, Operand | None], options: dict[str, Any]) -> Any:
    given = {name: one for name, one in extras.items() if one is not None}
    if not {"lengths", "mask"} & given.keys():
        options.pop("mask_policy", None)  # says nothing when every step counts
    tracer, tensors = lift(*operands, *given.values())
    return tracer.apply_all(kind(extras=tuple(given), **options), *tensors)


def _states(states: Sequence[Operand], count: int) -> Sequence[Operand]:
    if not isinstance(states, (tuple, list)) or len(states) != count:
        raise ArgumentError("initial_state", expected=f"a tuple of {count} tensors", got=type(states).__name__)
    return states


def sequence_mask(lengths: Tensor, maxlen: Size) -> Tensor:
    """(B, maxlen) bool: whether step t of row b lies within ``lengths[b]``. ``maxlen`` may be symbolic: x.shape[1]."""
    steps = lengths.tracer.apply(Range(maxlen))
    return fm.less(reshape(steps, (1, maxlen)), reshape(fm.cast(lengths, "int64"), (lengths.shape[0], 1)))


def valid_steps(x: Tensor, lengths: Tensor | None, mask: Tensor | None) -> Tensor | None:
    """(B, T) bool, the steps of x that count; None when all do."""
    if lengths is None:
        return mask
    inside = sequence_mask(lengths, x.shape[1])
    return inside if mask is None else fm.logical_and(inside, mask)


def zeros(x: Tensor, size: Size) -> Tensor:
    """(B, size) zeros for the rows of x, in its data type."""
    return broadcast_to(x.tracer.lift(np.zeros((1, 1), x.dtype.numpy)), (x.shape[0], size))


def masked_scan(
    step: Callable[[Any, Tensor], tuple[Any, Tensor]],
    x: Tensor,
    initial: tuple[Any, ...],
    valid: Tensor | None,
    *,
    policy: MaskPolicy = "repeat",
    blank: Tensor | None = None,
    reverse: bool = False,
) -> tuple[Tensor, Any]:
    """(outputs, last states) of ``states, output = step(states, x_t)`` over axis 1 of x, where steps may not count.

    ``initial`` is a flat tuple of states. ``blank`` is the output before the first step that counts: needed with a
    mask and the policy "repeat".
    """
    if valid is None:
        states, outputs = scan(step, x, initial, reverse=reverse)
        return outputs, states

    def masked(carried: tuple[Any, ...], now: tuple[Tensor, Tensor]) -> tuple[Any, Tensor]:
        states, before = carried[: len(initial)], carried[len(initial) :]
        x_t, counts = now
        new, output = step(states, x_t)
        held = tuple(_choose(counts, one, other) for one, other in zip(new, states, strict=True))
        output = _choose(counts, output, before[0] if before else 0.0)
        return (*held, *([output] if before else [])), output

    start = (*initial, blank) if policy == "repeat" else initial
    states, outputs = scan(masked, (x, reshape(valid, (*valid.shape, 1))), start, reverse=reverse)
    return outputs, states[: len(initial)]


def _choose(counts: Tensor, new: Tensor, old: Operand) -> Tensor:
    """``new`` in the rows that count, (B, 1), else ``old``."""
    return fm.where(reshape(counts, (counts.shape[0], *(1,) * (new.ndim - 1))), new, old)
