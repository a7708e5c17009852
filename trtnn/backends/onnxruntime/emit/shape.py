"""Reshaping, joining, cutting and padding."""

from __future__ import annotations

import numpy as np

from trtnn.backends.onnxruntime.emit.emitter import emit_op
from trtnn.backends.onnxruntime.model import ModelBuilder
from trtnn.graph import Node, Size
from trtnn.graph import ops as g


@emit_op.register
def _(op: g.Reshape, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    model.node("Reshape", [*inputs, _reshape_target(op, node, model)], node.output.name)


def _reshape_target(op: g.Reshape, node: Node, model: ModelBuilder) -> str:
    """The shape as constants where ONNX's placeholders allow: 0 copies the size at the same place, one -1 is worked
    out."""
    old = node.inputs[0].type.shape
    sizes = [
        0 if i < len(old) and size == old[i] and not isinstance(size, int) else size for i, size in enumerate(op.shape)
    ]
    unknown = [i for i, size in enumerate(sizes) if not isinstance(size, int)]
    if len(unknown) > 1:
        return model.sizes(op.shape)
    return model.ints([-1 if i in unknown else size for i, size in enumerate(sizes)])  # type: ignore[misc]


@emit_op.register
def _(op: g.Transpose, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    model.node("Transpose", inputs, node.output.name, perm=op.permutation)


@emit_op.register
def _(op: g.Broadcast, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    model.node("Expand", [*inputs, model.sizes(op.shape)], node.output.name)


@emit_op.register
def _(op: g.Concat, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    model.node("Concat", inputs, node.output.name, axis=op.axis)


@emit_op.register
def _(op: g.Slice, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    moved = [
        axis
        for axis, size in enumerate(node.inputs[0].type.shape)
        if (op.starts[axis], op.sizes[axis], op.steps[axis]) != (0, size, 1)
    ]
    stops: list[Size] = []
    for axis in moved:
        last = op.starts[axis] + (op.sizes[axis] - 1) * op.steps[axis]
        size = node.inputs[0].type.shape[axis]
        stops.append(
            last + 1 if op.steps[axis] > 0 else last - 1 - size
        )  # counted from the end: -1 would mean the last
    starts = model.sizes([op.starts[axis] for axis in moved])
    operands = [*inputs, starts, model.sizes(stops), model.ints(moved), model.ints([op.steps[axis] for axis in moved])]
    model.node("Slice", operands, node.output.name)


@emit_op.register
def _(op: g.Pad, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    amounts = model.sizes([pair[0] for pair in op.pairs] + [pair[1] for pair in op.pairs])
    value = model.constant(np.asarray(op.value, node.output.type.dtype.numpy))
    operands = [*inputs, amounts, value] if op.mode == "constant" else [*inputs, amounts]
    model.node("Pad", operands, node.output.name, mode=op.mode)


@emit_op.register
def _(op: g.Gather, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    model.node("Gather", inputs, node.output.name, axis=op.axis)
