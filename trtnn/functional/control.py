"""Loops inside the network: `scan` over a sequence, `while_loop` until a condition fails.

The step is traced once, like ``forward``; it may use any tensor and parameter around it. States and step values are a
tensor, or a tuple or dict of tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from trtnn.errors import ArgumentError, TraceError
from trtnn.functional.operands import lift
from trtnn.graph import Graph, Size, TensorType
from trtnn.graph.ops import Scan, While
from trtnn.graph.ops.base import normalize_axis
from trtnn.tensor import Tensor
from trtnn.trace import Tracer

__all__ = [
    "scan",
    "while_loop",
]


def scan(
    step: Callable[[Any, Any], tuple[Any, Any]],
    sequences: Any,
    initial: Any,
    *,
    axis: int = 1,
    reverse: bool = False,
    length: Size | None = None,
) -> tuple[Any, Any]:
    """Loops over a sequence: ``state, value = step(state, slice)`` for every slice; gives (last state, stacked values).

    ``sequences``: tensors that share the size of ``axis`` (time), by default axis 1 of (batch, time, ...); None loops
    ``length`` times and gives the step None. ``initial``: the first state; every step keeps its shape and data type.
    ``reverse`` runs from the end; values stay in the sequence's order. The step may return None for the value. Raises
    ShapeError when a state changes its shape and TraceError when the step does not return a pair.
    """
    leaves, unpack_state = flatten_tree(initial)
    slices, unpack_slices = flatten_tree(sequences)
    tracer, tensors = lift(*leaves, *slices)
    states, whole = tensors[: len(leaves)], tensors[len(leaves) :]
    if whole:
        axis = normalize_axis(axis, whole[0].ndim)
        length = whole[0].shape[axis]
    elif length is None:
        raise ArgumentError("scan", expected="a sequence, or length=", got="neither")
    body = tracer.body("step")
    inner = [Tensor(body, body.builder.input(f"state_{i}", one.value.type)) for i, one in enumerate(states)]
    pieces = [Tensor(body, body.builder.input(f"slice_{i}", _without(one, axis))) for i, one in enumerate(whole)]
    new_state, value = _pair(step(unpack_state(inner), unpack_slices(pieces)), body)
    new_leaves, _ = flatten_tree(new_state)
    values, unpack_values = flatten_tree(value)
    if len(new_leaves) != len(states):
        raise TraceError("scan", expected=f"a step that returns {len(states)} states", got=str(len(new_leaves)))
    graph = _finish(body, [*new_leaves, *values])
    op = Scan(graph, len(states), len(whole), axis, length, reverse)
    results = tracer.apply_all(op, *states, *whole, *_captures(body))
    return unpack_state(results[: len(states)]), unpack_values(results[len(states) :])


def while_loop(condition: Callable[[Any], Tensor], step: Callable[[Any], Any], initial: Any, *, max_steps: int) -> Any:
    """``while condition(state): state = step(state)``, at most ``max_steps`` times; gives the last state.

    The condition is one bool: reduce a tensor with ``reduce_max`` or the like and take it to shape (). Every step
    keeps the state's shape and data type. Raises ShapeError or DTypeError otherwise.
    """
    leaves, unpack = flatten_tree(initial)
    tracer, states = lift(*leaves)
    bodies = []
    outer: dict[Any, Tensor] = {}  # the captures of both, in one order
    for name, function in (("condition", condition), ("step", step)):
        body = tracer.body(name)
        inner = [Tensor(body, body.builder.input(f"state_{i}", one.value.type)) for i, one in enumerate(states)]
        produced, _ = flatten_tree(function(unpack(inner)))
        graph = _finish(body, produced)
        outer.update((one.value, one) for one in _captures(body))
        bodies.append((body, graph))
    condition_graph, step_graph = (_with_inputs(body, graph, len(states), outer) for body, graph in bodies)
    op = While(condition_graph, step_graph, len(states), max_steps)
    return unpack(tracer.apply_all(op, *states, *outer.values()))


def _finish(body: Tracer, results: Sequence[Tensor]) -> Graph:
    outputs = [(f"output_{i}", body.own(body.lift(one)).value) for i, one in enumerate(results)]
    return body.builder.finish(outputs, "tuple")


def _captures(body: Tracer) -> list[Tensor]:
    """The outer tensors that became inputs of the body, in the order of those inputs; constants are copied instead."""
    return [outer for outer, inner in body.captures.values() if body.builder.producer(inner.value) is None]


def _with_inputs(body: Tracer, graph: Graph, states: int, outer: dict[Any, Tensor]) -> Graph:
    """The graph with one input for every capture in ``outer``, used or not."""
    own = {value: inner.value for value, (_, inner) in body.captures.items()}
    inputs = [own[value] if value in own else body.builder.input(value.name, value.type) for value in outer]
    return attrs.evolve(graph, inputs=(*graph.inputs[:states], *inputs))


def _without(sequence: Tensor, axis: int) -> TensorType:
    return TensorType(sequence.dtype, sequence.shape[:axis] + sequence.shape[axis + 1 :])


def _pair(result: Any, body: Tracer) -> tuple[Any, Any]:
    if not isinstance(result, tuple) or len(result) != 2:
        raise TraceError(
            "scan",
            expected="a step that returns (state, value); the value may be None",
            got=type(result).__name__,
        )
    return result


def flatten_tree(tree: Any) -> tuple[list[Any], Callable[[Sequence[Tensor]], Any]]:
    """The tensors of a tensor, tuple, list, dict or None, and the function that puts others in their places."""
    if tree is None:
        return [], lambda leaves: None
    if isinstance(tree, dict):
        return list(tree.values()), lambda leaves: dict(zip(tree, leaves, strict=True))
    if not isinstance(tree, (tuple, list)):
        return [tree], lambda leaves: leaves[0]
    parts = [flatten_tree(one) for one in tree]

    def unpack(leaves: Sequence[Tensor]) -> tuple[Any, ...]:
        left = list(leaves)
        return tuple(build([left.pop(0) for _ in flat]) for flat, build in parts)

    return [leaf for flat, _ in parts for leaf in flat], unpack
