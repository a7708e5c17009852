"""Emitters of loops: TensorRT's loop is a trip limit, one recurrence per state, iterators over sequences, and outputs.

What lies inside a loop is what depends on its iterators and recurrences; everything else TensorRT computes once,
outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trtnn.backends.tensorrt.emit.emitter import Emitter, Tensor, emit_op
from trtnn.graph import DType, Node
from trtnn.graph.ops import Scan, While


@emit_op.register(Scan)
def scan(op: Scan, node: Node, net: Emitter) -> tuple[Tensor, ...]:
    """A counting loop."""
    operands, kinds = net.tensors(node), net.trt.LoopOutput
    loop = net.network.add_loop()
    count = net.reshape(net.sizes.scalar(op.length), (1,), ())
    net.layer("trip_limit", count, net.trt.TripLimit.COUNT, owner=loop)
    states = _recurrences(net, loop, operands[: op.states])
    sequences = operands[op.states : op.states + op.sequences]
    slices = [net.add("iterator", one, op.axis, op.reverse, owner=loop) for one in sequences]
    results = net.run(op.body, [*_outputs(states), *slices, *operands[op.states + op.sequences :]])
    _update(net, states, results[: op.states])
    kind = kinds.REVERSE if op.reverse else kinds.CONCATENATE
    axis = op.axis if op.sequences else 0  # without a sequence TensorRT-RTX 1.7 stacks on the first axis only
    stacked = [
        net.add("loop_output", net.add("identity", one), kind, axis, owner=loop, inputs={1: count})
        for one in results[op.states :]
    ]
    if axis != op.axis:
        stacked = [
            _first_axis_to(net, one, op.axis, value.type.rank)
            for one, value in zip(stacked, node.outputs[op.states :], strict=True)
        ]
    return (*_last(net, loop, states), *stacked)


def _first_axis_to(net: Emitter, tensor: Tensor, axis: int, rank: int) -> Tensor:
    order = (*range(1, axis + 1), 0, *range(axis + 1, rank))
    return net.add("shuffle", tensor, first_transpose=order)


@emit_op.register(While)
def while_(op: While, node: Node, net: Emitter) -> tuple[Tensor, ...]:
    """A loop with two limits: the condition on the states before each step, and the largest number of steps.

    That number is an int32: beside a condition, TensorRT-RTX 1.7 counts in int32 and refuses to build with an int64.
    """
    operands, limits = net.tensors(node), net.trt.TripLimit
    loop = net.network.add_loop()
    net.layer("trip_limit", net.number(op.max_steps, DType.int32, 0), limits.COUNT, owner=loop)
    states = _recurrences(net, loop, operands[: op.states])
    inner = [*_outputs(states), *operands[op.states :]]
    (goes_on,) = net.run(op.condition, inner)
    net.layer("trip_limit", goes_on, limits.WHILE, owner=loop)
    _update(net, states, net.run(op.body, inner))
    return tuple(_last(net, loop, states))


def _recurrences(net: Emitter, loop: Any, initial: Sequence[Tensor]) -> list[Any]:
    return [net.layer("recurrence", one, owner=loop) for one in initial]


def _outputs(layers: Sequence[Any]) -> list[Tensor]:
    return [layer.get_output(0) for layer in layers]


def _update(net: Emitter, states: Sequence[Any], updates: Sequence[Tensor]) -> None:
    """An identity stands before every recurrence: TensorRT-RTX 1.7 fails to type some that come straight from, say, an
    activation.
    """
    for state, update in zip(states, updates, strict=True):
        state.set_input(1, net.add("identity", update))


def _last(net: Emitter, loop: Any, states: Sequence[Any]) -> list[Tensor]:
    kind = net.trt.LoopOutput.LAST_VALUE
    return [net.add("loop_output", state.get_output(0), kind, owner=loop) for state in states]
