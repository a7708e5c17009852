"""The order in which the calls of a functional model are made."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from trtnn.errors import FileFormatError
from trtnn.importers.keras.arguments import Call, references
from trtnn.importers.keras.spec import ModelSpec


@attrs.frozen(eq=False)
class Step:
    """The call number ``number`` of a layer."""

    layer: str
    number: int
    call: Call


def calls_in_order(spec: ModelSpec) -> list[Step]:
    """The calls so that every tensor is made before it is used, those far from the outputs first, as Keras runs them.

    Raises FileFormatError for a cycle, or for a tensor that nobody makes.
    """
    steps = [
        Step(layer.name, number, call)
        for layer in spec.layers
        if layer.class_name != "InputLayer"
        for number, call in enumerate(layer.calls)
        if call.args or call.kwargs
    ]
    makers = {(step.layer, step.number): step for step in steps}
    given = {(one.layer, one.call) for one in references(spec.inputs)}
    sources = {step: [makers.get(key) for key in _used(step) if key not in given] for step in steps}
    _require_made(spec, [*(key for step in steps for key in _used(step)), *_ends(spec)], {*makers, *given})
    order = _sorted(spec, {step: [one for one in found if one is not None] for step, found in sources.items()})
    depths = dict.fromkeys(steps, 0)
    for step in reversed(order):
        for source in sources[step]:
            if source is not None:
                depths[source] = max(depths[source], depths[step] + 1)
    return sorted(steps, key=lambda step: -depths[step])


def _used(step: Step) -> list[tuple[str, int]]:
    return list(dict.fromkeys((one.layer, one.call) for one in step.call.references()))


def _ends(spec: ModelSpec) -> Iterable[tuple[str, int]]:
    return ((one.layer, one.call) for one in references(spec.outputs))


def _require_made(spec: ModelSpec, used: Iterable[tuple[str, int]], made: set[tuple[str, int]]) -> None:
    for layer, call in used:
        if (layer, call) not in made:
            raise FileFormatError(
                f"config.json: {spec.name}", problem=f"a tensor of call {call} of {layer!r} is used, and there is none"
            )


def _sorted(spec: ModelSpec, sources: dict[Step, list[Step]]) -> list[Step]:
    waiting = {step: len(found) for step, found in sources.items()}
    users: dict[Step, list[Step]] = {step: [] for step in sources}
    for step, found in sources.items():
        for source in found:
            users[source].append(step)
    ready = [step for step, count in waiting.items() if count == 0]
    for step in ready:  # grows while it is walked through
        for user in users[step]:
            waiting[user] -= 1
            if waiting[user] == 0:
                ready.append(user)
    if len(ready) < len(sources):
        names = ", ".join(sorted({step.layer for step, count in waiting.items() if count})[:8])
        raise FileFormatError(f"config.json: {spec.name}", problem=f"the calls of {names} wait for each other")
    return ready
