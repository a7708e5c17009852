"""Emitters of running sums, the largest elements, counting, and slopes."""

from __future__ import annotations

import numpy as np

from trtnn.backends.tensorrt.emit.emitter import Emitter, Tensor, emit_op
from trtnn.graph import DType, Node
from trtnn.graph.ops import CumSum, PRelu, Range, TopK


@emit_op.register(Range)
def range_(op: Range, node: Node, net: Emitter) -> Tensor:
    """A fill layer: 0 plus 1 per step."""
    start, step = net.constant(np.asarray(0, np.int64)), net.constant(np.asarray([1], np.int64))
    inputs = {0: net.sizes.vector((op.size,)), 1: start, 2: step}
    return net.add("fill", (1,), net.trt.FillOperation.LINSPACE, net.element_type(DType.int64), inputs=inputs)


@emit_op.register(CumSum)
def cumsum(op: CumSum, node: Node, net: Emitter) -> Tensor:
    """A cumulative layer, whose axis is a constant of its own."""
    axis = net.constant(np.asarray(op.axis % node.output.type.rank, np.int32))
    kind = net.trt.CumulativeOperation.SUM
    return net.add("cumulative", net.tensor(node.inputs[0]), axis, kind, op.exclusive, op.reverse)


@emit_op.register(TopK)
def topk(op: TopK, node: Node, net: Emitter) -> tuple[Tensor, Tensor]:
    """A top-k layer; it takes no vectors, so a vector is a row."""
    x, shape, axis = net.tensor(node.inputs[0]), node.inputs[0].type.shape, op.axis % node.inputs[0].type.rank
    if len(shape) == 1:
        x, axis = net.reshape(x, shape, (1, *shape)), 1
    kind = net.trt.TopKOperation.MAX if op.largest else net.trt.TopKOperation.MIN
    layer = net.layer("topk", x, kind, op.k, 1 << axis)
    best, places = layer.get_output(0), net.add("cast", layer.get_output(1), net.trt.DataType.INT64)
    if len(shape) == 1:
        return net.reshape(best, (1, op.k), (op.k,)), net.reshape(places, (1, op.k), (op.k,))
    return best, places


@emit_op.register(PRelu)
def prelu(op: PRelu, node: Node, net: Emitter) -> Tensor:
    """A parametric ReLU layer."""
    return net.add("parametric_relu", *net.tensors(node))
