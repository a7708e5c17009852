"""From a network to a plan: which layers are needed, in which order, and which belong to a loop or a conditional.

TensorRT marks only the boundary of a loop (trip limits, iterators, recurrences, loop outputs) and of a conditional
(condition, inputs, outputs). What lies inside is what depends on the boundary's inner tensors; everything else, even
if it was added in between, is computed once outside. So each layer gets the set of constructs that it depends on, and
runs in the innermost of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs

from trtnn.backends.tensorrt.simulate import control
from trtnn.backends.tensorrt.simulate.network import Construct, Layer, NetworkView
from trtnn.backends.tensorrt.simulate.reading import READABLE, Evaluator
from trtnn.backends.tensorrt.simulate.steps import Block, Evaluate, Step, block
from trtnn.errors import GraphError, UnsupportedError

_SOURCES = ("ITERATOR", "RECURRENCE", "CONDITIONAL_INPUT")
_RESULTS = ("LOOP_OUTPUT", "CONDITIONAL_OUTPUT")


def plan(network: NetworkView, plugins: Mapping[str, Evaluator] | None = None) -> Block:
    """Orders the layers that the network's outputs and assertions need; ``plugins`` evaluate plugins, by the layer's
    name.

    Raises UnsupportedError for a layer that cannot be evaluated and GraphError for a network that makes no sense.
    """
    return _Planner(network, plugins or {}).plan()


@attrs.define(eq=False)
class _Planner:
    network: NetworkView
    plugins: Mapping[str, Evaluator]
    # What each layer, by index, and each construct depends on: the constructs whose inner tensors it needs.
    layer_dependencies: dict[int, frozenset[Construct]] = attrs.field(factory=dict)
    construct_dependencies: dict[Construct, frozenset[Construct]] = attrs.field(factory=dict)
    bodies: dict[Construct | None, list[Step]] = attrs.field(factory=dict)

    def plan(self) -> Block:
        checked = [layer for layer in self.network.layers if layer.type == "ASSERTION"]
        produced = [self.network.producers[name] for name in self.network.outputs if name in self.network.producers]
        order = _ordered([*checked, *produced], self._before)
        for layer in order:
            self._find_dependencies(layer)
        placed: set[Construct] = set()
        for layer in order:
            if layer.construct is None:
                self.bodies.setdefault(self._innermost(self.layer_dependencies[layer.index]), []).append(
                    self._step(layer)
                )
            elif layer.type in _RESULTS and layer.construct not in placed:
                placed.add(layer.construct)
                self._place(layer.construct)
        return block(self.bodies.get(None, []), frozenset(self.network.outputs))

    def _before(self, layer: Layer) -> Iterable[Layer]:
        """The layers that must come before one; a result of a construct comes after all that the construct needs."""
        names: Iterable[str] = layer.reads
        if layer.type == "RECURRENCE":
            names = layer.reads[:1]
        elif layer.type in _RESULTS and layer.construct is not None:
            members = layer.construct.members
            yield from (member for member in members if member.type not in _RESULTS)
            names = (name for member in members for name in member.reads)
        yield from (self.network.producers[name] for name in names if name in self.network.producers)

    def _find_dependencies(self, layer: Layer) -> None:
        if layer.type in _SOURCES and layer.construct is not None:
            found = frozenset({layer.construct})
        elif layer.type in _RESULTS and layer.construct is not None:
            members = layer.construct.members
            found = self._union(name for member in members for name in member.reads) - {layer.construct}
            self.construct_dependencies[layer.construct] = found
        else:
            found = self._union(layer.reads)
        self.layer_dependencies[layer.index] = found

    def _union(self, names: Iterable[str]) -> frozenset[Construct]:
        producers = (self.network.producers[name] for name in names if name in self.network.producers)
        return frozenset().union(*(self.layer_dependencies[layer.index] for layer in producers))

    def _innermost(self, constructs: frozenset[Construct]) -> Construct | None:
        return max(constructs, key=self._depth, default=None)

    def _depth(self, construct: Construct) -> int:
        return 1 + max((self._depth(outer) for outer in self.construct_dependencies.get(construct, ())), default=0)

    def _step(self, layer: Layer) -> Step:
        plugin = self.plugins.get(layer.name) if layer.type.startswith("PLUGIN") else None
        if plugin is None and layer.type not in READABLE:
            raise UnsupportedError(layer.name, problem=f"the simulator cannot evaluate a layer of type {layer.type}")
        evaluator = plugin or READABLE[layer.type].read(layer.view)
        return Evaluate(layer.name, layer.type, evaluator, layer.view.inputs, layer.view.outputs)

    def _place(self, construct: Construct) -> None:
        steps = self.bodies.pop(construct, [])
        step = _loop(construct, steps) if construct.is_loop else _conditional(construct, steps)
        self.bodies.setdefault(self._innermost(self.construct_dependencies[construct]), []).append(step)


def _ordered(roots: Sequence[Layer], before: Callable[[Layer], Iterable[Layer]]) -> list[Layer]:
    """The roots and all that comes before them, each after what comes before it (a depth-first walk, no recursion)."""
    order: dict[int, Layer] = {}
    entered: set[int] = set()
    for root in roots:
        stack = [(root, iter(tuple(before(root))))]
        while stack:
            layer, waiting = stack[-1]
            entered.add(layer.index)
            following = next((other for other in waiting if other.index not in order), None)
            if following is None:
                order.setdefault(layer.index, layer)
                stack.pop()
            elif following.index in entered:
                raise GraphError(following.name, problem="the layer depends on its own output")
            else:
                stack.append((following, iter(tuple(before(following)))))
    return list(order.values())


def _loop(construct: Construct, steps: Sequence[Step]) -> control.Loop:
    limits = {limit.view.raw.kind.name: limit.reads[0] for limit in construct.of_type("TRIP_LIMIT")}
    if not limits:
        raise GraphError(construct.name, problem="the loop has no trip limit")
    recurrences = {layer.outputs[0]: layer for layer in construct.of_type("RECURRENCE")}
    condition = limits.get("WHILE")
    head = _needed_for(steps, frozenset() if condition is None else frozenset({condition}))
    if any(iterator.outputs[0] in step.reads for step in head for iterator in construct.of_type("ITERATOR")):
        raise UnsupportedError(construct.name, problem="the simulator has no loop whose condition reads an iterator")
    # The values of a body are overwritten in the next iteration: forgetting them one by one would only cost time.
    kept = _written(steps)
    return control.Loop(
        name=construct.name,
        count=limits.get("COUNT"),
        condition=condition,
        iterators=tuple(
            control.Iterator(layer.view.outputs[0], layer.reads[0], layer.view.raw.axis, layer.view.raw.reverse)
            for layer in construct.of_type("ITERATOR")
        ),
        recurrences=tuple(_recurrence(layer) for layer in recurrences.values()),
        last_values=tuple(
            _last_value(layer, recurrences)
            for layer in construct.of_type("LOOP_OUTPUT")
            if layer.view.raw.kind.name == "LAST_VALUE"
        ),
        collections=tuple(
            _collection(layer) for layer in construct.of_type("LOOP_OUTPUT") if layer.view.raw.kind.name != "LAST_VALUE"
        ),
        head=block(head, kept),
        body=block([step for step in steps if step not in head], kept),
    )


def _recurrence(layer: Layer) -> control.Recurrence:
    if len(layer.reads) < 2:
        raise GraphError(layer.name, problem="the recurrence has no update", remedy="set_input(1, update)")
    initial, update = layer.reads
    return control.Recurrence(layer.view.outputs[0], initial, update)


def _last_value(layer: Layer, recurrences: Mapping[str, Layer]) -> control.LastValue:
    if layer.reads[0] not in recurrences:
        raise GraphError(
            layer.name,
            problem="LAST_VALUE takes the output of a recurrence of the same loop",
            got=layer.reads[0],
            remedy="give it the recurrence's own output",
        )
    return control.LastValue(layer.view.outputs[0], layer.reads[0])


def _collection(layer: Layer) -> control.Collection:
    if len(layer.reads) < 2:
        raise GraphError(layer.name, problem="the loop output has no length", remedy="set_input(1, length)")
    raw = layer.view.raw
    source, length = layer.reads
    return control.Collection(layer.view.outputs[0], source, length, raw.axis, raw.kind.name == "REVERSE")


def _conditional(construct: Construct, steps: Sequence[Step]) -> control.Conditional:
    conditions = construct.of_type("CONDITION")
    if not conditions:
        raise GraphError(construct.name, problem="the conditional has no condition")
    outputs = construct.of_type("CONDITIONAL_OUTPUT")
    when_true, when_false = (
        block(_needed_for(steps, frozenset(layer.reads[branch] for layer in outputs)), _written(steps))
        for branch in (0, 1)
    )
    return control.Conditional(
        name=construct.name,
        condition=conditions[0].reads[0],
        gates=tuple((layer.view.outputs[0], layer.reads[0]) for layer in construct.of_type("CONDITIONAL_INPUT")),
        when_true=when_true,
        when_false=when_false,
        outputs=tuple(control.Branching(layer.view.outputs[0], *layer.reads[:2]) for layer in outputs),
    )


def _written(steps: Iterable[Step]) -> frozenset[str]:
    return frozenset().union(*(step.writes for step in steps))


def _needed_for(steps: Sequence[Step], names: frozenset[str]) -> list[Step]:
    """Those of the steps, in their order, that the named tensors come from."""
    wanted = set(names)
    needed = []
    for step in reversed(steps):
        if step.writes & wanted:
            needed.append(step)
            wanted |= step.reads
    return needed[::-1]
