"""Casts at the border of a network, and casts that undo each other."""

from __future__ import annotations

from collections.abc import Sequence

from trtnn.graph import DType, Graph, GraphBuilder, Node, TensorType, Value, copy_node, rewrite
from trtnn.graph import ops as g

WIDER = {DType.float16: (DType.float32,), DType.bfloat16: (DType.float32,)}


def collapse_casts(graph: Graph) -> Graph:
    """The graph without casts from a type to a wider one and back, and without casts to the type a value has."""
    return rewrite(graph, _collapse)


def _collapse(node: Node, inputs: tuple[Value, ...], builder: GraphBuilder) -> Sequence[Value] | None:
    if not isinstance(node.op, g.Cast):
        return None
    (x,) = inputs
    if x.type.dtype is node.op.dtype:
        return [x]
    source = builder.producer(x)
    if source is None or not isinstance(source.op, g.Cast):
        return None
    (original,) = source.inputs
    undone = original.type.dtype is node.op.dtype and x.type.dtype in WIDER.get(original.type.dtype, ())
    return [original] if undone else None


def cast_border(graph: Graph, dtype: DType) -> Graph:
    """The graph with float32 inputs and outputs turned to another floating-point type; what lies inside stays."""
    builder = GraphBuilder(graph.name, graph.dims)
    moved: dict[Value, Value] = {}
    for value in graph.inputs:
        if value.type.dtype is DType.float32:
            outer = builder.input(value.name, TensorType(dtype, value.type.shape))
            moved[value] = builder.add(g.Cast(DType.float32), [outer], None, f"{value.name}.f32")
        else:
            moved[value] = builder.input(value.name, value.type)
    for node in graph.nodes:
        inputs = tuple(moved[value] for value in node.inputs)
        moved.update(zip(node.outputs, copy_node(node, inputs, builder), strict=True))
    outputs = []
    for name, value in graph.outputs:
        result = moved[value]
        if value.type.dtype is DType.float32:
            result = builder.add(g.Cast(dtype), [result], None, f"{value.name}.{dtype.short}")
        outputs.append((name, result))
    return builder.finish(outputs, graph.returns)
