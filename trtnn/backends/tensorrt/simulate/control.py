"""The steps of loops and conditionals.

A loop runs its body once per iteration over one table of values: the iterators' slices and the recurrences' states are
put in under their tensors' names, the body overwrites the rest.
"""

from __future__ import annotations

import attrs
import numpy as np

from trtnn.backends.tensorrt.simulate.element_types import Array, conform
from trtnn.backends.tensorrt.simulate.reading import TensorView
from trtnn.backends.tensorrt.simulate.steps import Block, Observer, Values, store
from trtnn.errors import GraphError


@attrs.frozen(eq=False)
class Iterator:
    """Gives ``output`` the slices of ``source`` along ``axis``, from the last to the first if ``reverse``."""

    output: TensorView
    source: str
    axis: int
    reverse: bool


@attrs.frozen(eq=False)
class Recurrence:
    """A state: ``output`` is ``initial`` in the first iteration and the previous ``update`` in the others."""

    output: TensorView
    initial: str
    update: str


@attrs.frozen(eq=False)
class LastValue:
    """A loop output: the state of a recurrence after the last iteration, or its start when there was none."""

    output: TensorView
    recurrence: str


@attrs.frozen(eq=False)
class Collection:
    """A loop output: ``source`` of every iteration, stacked along a new ``axis`` of extent ``length``."""

    output: TensorView
    source: str
    length: str
    axis: int
    reverse: bool


@attrs.frozen(eq=False)
class Loop:
    """A loop that ends after ``count`` iterations or before the first one whose ``condition`` is false.

    ``head`` computes the condition, ``body`` everything else; both run once per iteration. Elements of a collected
    output past the last iteration are arbitrary in TensorRT: here they are NaN (0 for integers), so that no result can
    rely on them.
    """

    name: str
    count: str | None
    condition: str | None
    iterators: tuple[Iterator, ...]
    recurrences: tuple[Recurrence, ...]
    last_values: tuple[LastValue, ...]
    collections: tuple[Collection, ...]
    head: Block
    body: Block

    @property
    def reads(self) -> frozenset[str]:
        """What comes from outside."""
        wanted = {name for name in (self.count, self.condition) if name is not None}
        wanted |= {iterator.source for iterator in self.iterators}
        wanted |= {name for state in self.recurrences for name in (state.initial, state.update)}
        wanted |= {name for output in self.collections for name in (output.source, output.length)}
        return frozenset((wanted | self.head.reads | self.body.reads) - self._inner)

    @property
    def writes(self) -> frozenset[str]:
        """The loop's outputs."""
        return frozenset(output.output.name for output in self._outputs)

    @property
    def _outputs(self) -> tuple[LastValue | Collection, ...]:
        return self.last_values + self.collections

    @property
    def _inner(self) -> frozenset[str]:
        sources = {iterator.output.name for iterator in self.iterators}
        sources |= {state.output.name for state in self.recurrences}
        return frozenset(sources | self.head.writes | self.body.writes)

    def run(self, values: Values, observe: Observer | None) -> None:
        """Iterates. Raises GraphError where an iterator or an output is too short."""
        trips = None if self.count is None else int(values[self.count])
        collected: list[list[Array]] = [[] for _ in self.collections]
        for state in self.recurrences:
            store(values, state.output, values[state.initial], observe)
        done = 0
        while (trips is None or done < trips) and self._goes_on(values, observe):
            self._iterate(values, done, trips, observe)
            for output, parts in zip(self.collections, collected, strict=True):
                parts.append(values[output.source])
            self._advance(values, observe)
            done += 1
        for last in self.last_values:
            store(values, last.output, values[last.recurrence], observe)
        for output, parts in zip(self.collections, collected, strict=True):
            store(values, output.output, self._stacked(output, parts, int(values[output.length])), observe)
        for name in self._inner:
            values.pop(name, None)

    def _goes_on(self, values: Values, observe: Observer | None) -> bool:
        self.head.run(values, observe)
        return self.condition is None or bool(values[self.condition])

    def _iterate(self, values: Values, index: int, trips: int | None, observe: Observer | None) -> None:
        for iterator in self.iterators:
            source = values[iterator.source]
            position = index if not iterator.reverse else _trips(self.name, trips) - 1 - index
            if position >= source.shape[iterator.axis]:
                raise GraphError(
                    self.name,
                    problem=f"iteration {index} is past the end of {iterator.source}",
                    expected=f"at most {source.shape[iterator.axis]} iterations",
                    got=f"{trips if trips is not None else 'more'}",
                )
            store(values, iterator.output, source.take(position, iterator.axis), observe)
        self.body.run(values, observe)

    def _advance(self, values: Values, observe: Observer | None) -> None:
        updates = [values[state.update] for state in self.recurrences]
        for state, update in zip(self.recurrences, updates, strict=True):
            store(values, state.output, update, observe)

    def _stacked(self, output: Collection, parts: list[Array], length: int) -> Array:
        if len(parts) > length:
            raise GraphError(
                output.output.name, problem=f"{len(parts)} iterations do not fit", expected=f"at most {length}"
            )
        shape = list(parts[0].shape if parts else output.output.shape)
        if parts:
            shape.insert(output.axis, length)
        if -1 in shape:
            raise GraphError(
                output.output.name, problem="without an iteration, its shape is known to the network alone"
            )
        filler = np.nan if output.output.data_type in ("FLOAT", "HALF", "BF16") else 0
        stacked = np.full(shape, conform(filler, output.output.data_type))
        along_axis = np.moveaxis(stacked, output.axis, 0)
        for index, part in enumerate(reversed(parts) if output.reverse else parts):
            along_axis[index] = part
        return stacked


def _trips(loop: str, trips: int | None) -> int:
    if trips is None:
        raise GraphError(loop, problem="a reverse iterator needs a trip count", remedy="add a COUNT trip limit")
    return trips


@attrs.frozen(eq=False)
class Branching:
    """A conditional output: ``when_true`` or ``when_false``."""

    output: TensorView
    when_true: str
    when_false: str


@attrs.frozen(eq=False)
class Conditional:
    """Runs one of two blocks, and only that one. ``gates`` renames outer tensors to what the blocks call them."""

    name: str
    condition: str
    gates: tuple[tuple[TensorView, str], ...]
    when_true: Block
    when_false: Block
    outputs: tuple[Branching, ...]

    @property
    def reads(self) -> frozenset[str]:
        """What comes from outside."""
        wanted = {self.condition, *(source for _, source in self.gates)}
        wanted |= {name for output in self.outputs for name in (output.when_true, output.when_false)}
        return frozenset((wanted | self.when_true.reads | self.when_false.reads) - self._inner)

    @property
    def writes(self) -> frozenset[str]:
        """The conditional's outputs."""
        return frozenset(output.output.name for output in self.outputs)

    @property
    def _inner(self) -> frozenset[str]:
        return frozenset(gate.name for gate, _ in self.gates) | self.when_true.writes | self.when_false.writes

    def run(self, values: Values, observe: Observer | None) -> None:
        """Runs the branch that the condition chooses."""
        taken = bool(values[self.condition])
        for gate, source in self.gates:
            store(values, gate, values[source], observe)
        (self.when_true if taken else self.when_false).run(values, observe)
        for output in self.outputs:
            store(values, output.output, values[output.when_true if taken else output.when_false], observe)
        for name in self._inner:
            values.pop(name, None)
