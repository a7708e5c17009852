"""Loops: operations that hold graphs of their own.

A body sees nothing but its inputs: values of the surrounding graph that it uses are further operands of the loop
("captures"). Constants stand inside the body; symbolic dims are those of the surrounding graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from trtnn.errors import DTypeError, ShapeError
from trtnn.graph.dims import Size
from trtnn.graph.ops.base import Op
from trtnn.graph.types import DType, TensorType

if TYPE_CHECKING:
    from trtnn.graph.graph import Graph


@attrs.frozen(eq=False, repr=False)
class Scan(Op):
    """A loop over the slices of sequences: operands are ``states`` initial states, ``sequences`` sequences, then
    captures.

    The body takes the states, one slice of every sequence along ``axis`` (the axis goes) and the captures; it gives
    the new states and any number of values of the step. Results: the last states, then each value of all steps,
    stacked along ``axis`` in the order of the sequence. ``reverse`` walks from the end. ``length`` is the number of
    steps.
    """

    body: Graph = attrs.field(repr=False)
    states: int
    sequences: int
    axis: int
    length: Size
    reverse: bool = False

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        """The states' types, then the stacked types of the body's other outputs."""
        states, rest = inputs[: self.states], inputs[self.states :]
        slices = [self._slice(one) for one in rest[: self.sequences]]
        _require_types("the loop's body takes", [*states, *slices, *rest[self.sequences :]], self.body)
        found = [value.type for _, value in self.body.outputs]
        for before, after in zip(states, found, strict=False):
            _require_same_state(before, after)
        return (*states, *(self._stack(one) for one in found[self.states :]))

    def _slice(self, sequence: TensorType) -> TensorType:
        if sequence.rank <= self.axis or sequence.shape[self.axis] != self.length:
            raise ShapeError(expected=f"sequences of {self.length} steps on axis {self.axis}", got=str(sequence))
        return TensorType(sequence.dtype, sequence.shape[: self.axis] + sequence.shape[self.axis + 1 :])

    def _stack(self, step: TensorType) -> TensorType:
        if step.rank < self.axis:
            raise ShapeError(
                expected=f"values of rank {self.axis} or more, to be stacked on axis {self.axis}", got=str(step)
            )
        return TensorType(step.dtype, (*step.shape[: self.axis], self.length, *step.shape[self.axis :]))


@attrs.frozen(eq=False, repr=False)
class While(Op):
    """A loop that runs while a condition holds, ``max_steps`` times at the most: operands are ``states`` states, then
    captures.

    ``condition`` and ``body`` take the states and the captures; the condition gives one bool of shape (), the body
    the new states. Results: the last states.
    """

    condition: Graph = attrs.field(repr=False)
    body: Graph = attrs.field(repr=False)
    states: int
    max_steps: int

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        """The states' types."""
        for graph in (self.condition, self.body):
            _require_types("the loop takes", list(inputs), graph)
        ((_, holds),) = self.condition.outputs
        if holds.type != TensorType(DType.bool, ()):
            raise DTypeError(expected="a condition that is one bool, bool[]", got=str(holds.type))
        states = inputs[: self.states]
        for before, (_, after) in zip(states, self.body.outputs, strict=True):
            _require_same_state(before, after.type)
        return states


def _require_types(what: str, given: list[TensorType], body: Graph) -> None:
    wanted = [value.type for value in body.inputs]
    if given != wanted:
        raise ShapeError(
            expected=f"operands as {what} them: {', '.join(map(str, wanted))}", got=", ".join(map(str, given))
        )


def _require_same_state(before: TensorType, after: TensorType) -> None:
    if before != after:
        raise ShapeError(
            expected=f"a step that keeps its state's type {before}",
            got=str(after),
            remedy="broadcast the initial state to the full shape, or cast the new one",
        )
