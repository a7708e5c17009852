"""Running sums, the largest elements, counting, and slopes, to ONNX."""

from __future__ import annotations

import numpy as np

from trtnn.backends.onnxruntime.emit.emitter import emit_op
from trtnn.backends.onnxruntime.model import ModelBuilder
from trtnn.graph import Node
from trtnn.graph import ops as g


@emit_op.register
def _(op: g.Range, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    """ONNX takes the end as a scalar."""
    zero, one = (model.constant(np.asarray(value, np.int64)) for value in (0, 1))
    end = model.node("Squeeze", [model.size(op.size), model.ints([0])])
    model.node("Range", [zero, end, one], node.output.name)


@emit_op.register
def _(op: g.CumSum, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    axis = model.constant(np.asarray(op.axis, np.int64))
    options = {"exclusive": int(op.exclusive), "reverse": int(op.reverse)}
    model.node("CumSum", [*inputs, axis], node.output.name, **options)


@emit_op.register
def _(op: g.TopK, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    names = [value.name for value in node.outputs]
    model.nodes("TopK", [*inputs, model.ints([op.k])], names, axis=op.axis, largest=int(op.largest), sorted=1)


@emit_op.register
def _(op: g.PRelu, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    model.node("PRelu", inputs, node.output.name)
