"""What a plan is made of: steps over a table of arrays, with no TensorRT object left in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import attrs

from trtnn.backends.tensorrt.simulate.element_types import Array, conform, widened
from trtnn.backends.tensorrt.simulate.reading import Evaluator, TensorView
from trtnn.errors import GraphError

Values = dict[str, Array]
Observer = Callable[[str, Array], None]


class Step(Protocol):
    """One piece of work: takes ``reads`` out of the values and puts ``writes`` in, under the tensors' names."""

    @property
    def reads(self) -> frozenset[str]:
        """The tensors that must have a value before it runs."""

    @property
    def writes(self) -> frozenset[str]:
        """The tensors that have a value afterwards."""

    def run(self, values: Values, observe: Observer | None) -> None:
        """Does the work, and shows every tensor it computes to the observer."""


@attrs.frozen(eq=False)
class Evaluate:
    """Evaluates one layer."""

    layer: str
    layer_type: str
    evaluator: Evaluator
    inputs: tuple[TensorView | None, ...]
    outputs: tuple[TensorView, ...]

    @property
    def reads(self) -> frozenset[str]:
        """The layer's inputs."""
        return frozenset(tensor.name for tensor in self.inputs if tensor is not None)

    @property
    def writes(self) -> frozenset[str]:
        """The layer's outputs."""
        return frozenset(tensor.name for tensor in self.outputs)

    def run(self, values: Values, observe: Observer | None) -> None:
        """Computes the outputs. Raises GraphError where the arrays do not fit the layer."""
        arguments = [None if tensor is None else widened(values[tensor.name]) for tensor in self.inputs]
        try:
            results = self.evaluator(*arguments)
        except (ValueError, IndexError) as error:
            raise GraphError(self.layer, problem=f"the {self.layer_type} layer cannot be evaluated: {error}") from error
        for tensor, result in zip(self.outputs, results if isinstance(results, tuple) else (results,), strict=True):
            store(values, tensor, conform(result, tensor.data_type), observe)


def store(values: Values, tensor: TensorView, array: Array, observe: Observer | None) -> None:
    """Keeps a tensor's value, once its shape is one that TensorRT announced.

    Raises GraphError where it is not: then the network says one thing about a tensor and computes another, as a loop
    does whose state starts narrower than its update.
    """
    if not matches(array.shape, tensor.shape):
        raise GraphError(
            tensor.name,
            expected=f"shape {tensor.shape}, which TensorRT infers",
            got=str(array.shape),
            remedy="broadcast the initial state of a recurrence to the full shape of its update",
        )
    values[tensor.name] = array
    if observe is not None:
        observe(tensor.name, array)


def matches(shape: Sequence[int], announced: Sequence[int]) -> bool:
    """Whether a shape is one that an announced shape, with -1 for what is dynamic, allows."""
    return len(shape) == len(announced) and all(a in (n, -1) for n, a in zip(shape, announced, strict=True))


@attrs.frozen(eq=False)
class Block:
    """Steps in order, each with the names of the tensors that nobody reads after it."""

    steps: tuple[tuple[Step, tuple[str, ...]], ...]

    def run(self, values: Values, observe: Observer | None) -> None:
        """Runs the steps in order."""
        for step, finished in self.steps:
            step.run(values, observe)
            for name in finished:
                del values[name]

    @property
    def reads(self) -> frozenset[str]:
        """What the block needs from outside."""
        return frozenset().union(*(step.reads for step, _ in self.steps)) - self.writes

    @property
    def writes(self) -> frozenset[str]:
        """Everything that its steps compute."""
        return frozenset().union(*(step.writes for step, _ in self.steps))


def block(steps: Iterable[Step], keep: frozenset[str]) -> Block:
    """Puts steps into a block that forgets each tensor it wrote after its last use, except those to keep."""
    ordered = list(steps)
    written = frozenset().union(*(step.writes for step in ordered))
    forgotten: set[str] = set(keep)
    backwards = []
    for step in reversed(ordered):
        finished = ((step.reads & written) | step.writes) - forgotten
        forgotten |= finished
        backwards.append((step, tuple(sorted(finished))))
    return Block(tuple(reversed(backwards)))
