"""Graph to ONNX: one function per operation, and nothing clever.

Takes a lowered graph: convolutions and pooling channels first, weights loaded.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from trtnn.backends.onnxruntime.model import ModelBuilder, OnnxModel, require_types
from trtnn.errors import UnsupportedError
from trtnn.graph import Graph, Node, Value
from trtnn.graph import ops as g


def emit(graph: Graph, carriers: Sequence[Value] = ()) -> OnnxModel:
    """The graph as an ONNX model; ``carriers`` are further inputs, for the sizes that none of the graph's own has.

    Raises UnsupportedError for an operation or data type that ONNX Runtime lacks.
    """
    require_types(graph)
    builder = ModelBuilder(graph, carriers)
    emit_nodes(graph, builder)
    return builder.finish()


def emit_nodes(graph: Graph, model: ModelBuilder) -> None:
    """Adds the ONNX nodes of every operation of the graph."""
    for node in graph.nodes:
        emit_op(node.op, node, [value.name for value in node.inputs], model)


@functools.singledispatch
def emit_op(op: g.Op, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    """Adds the ONNX nodes of one operation; the last one makes the node's output, under its name. Raises
    UnsupportedError for one that ONNX Runtime lacks."""
    raise UnsupportedError(
        node.origin.path or node.output.name,
        problem=f"the target onnxruntime has no {op.name}",
        remedy="register it with trtnn.backends.onnxruntime.emit.emit_op.register",
        line=node.origin.line,
    )


@emit_op.register
def _(op: g.TensorRTPlugin, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    raise UnsupportedError(
        node.origin.path or node.outputs[0].name,
        problem=f"the target onnxruntime cannot run TensorRT's plugin {op.plugin}",
        remedy='use target="tensorrt", or write a trtnn.custom_op with decompose or reference',
        line=node.origin.line,
    )


@emit_op.register
def _(op: g.Constant, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    assert op.data is not None, "compile checks that weights are loaded"
    model.constant(op.data, node.output.name)


@emit_op.register
def _(op: g.DimValues, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    model.node("Identity", [model.sizes(op.sizes)], node.output.name)
