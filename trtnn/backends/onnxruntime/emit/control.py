"""Loops to ONNX: `Scan` and `While` become Scan and Loop nodes, whose subgraphs use the names around them."""

from __future__ import annotations

import numpy as np
import onnx

from trtnn.backends.onnxruntime.emit.emitter import emit_nodes, emit_op
from trtnn.backends.onnxruntime.model import ModelBuilder, describe
from trtnn.graph import Graph, Node
from trtnn.graph import ops as g
from trtnn.graph.graph import prefixed


@emit_op.register
def _(op: g.Scan, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    states, sequences = inputs[: op.states], inputs[op.states : op.states + op.sequences]
    axes = [op.axis] * op.sequences
    graph = prefixed(op.body, f"{node.outputs[0].name}/")
    body = model.body()
    outputs = _emit_body(graph, body, op.states + op.sequences, inputs)
    body_inputs = [describe(value.name, value) for value in graph.inputs[: op.states + op.sequences]]
    if not sequences:  # ONNX's Scan needs a sequence: one of as many zeros as there are steps
        zero = model.constant(np.zeros(1, np.int64))
        sequences, axes = [model.node("Expand", [zero, model.size(op.length)])], [0]
        step = model.fresh("step")
        body_inputs.append(_scalar(step))
    body_outputs = [describe(name, value) for name, (_, value) in zip(outputs, graph.outputs, strict=True)]
    stacked = len(node.outputs) - op.states
    outward = {"scan_output_axes": [op.axis] * stacked, "scan_output_directions": [int(op.reverse)] * stacked}
    if not stacked:  # an attribute cannot be an empty list
        outward = {}
    model.nodes(
        "Scan",
        [*states, *sequences],
        [value.name for value in node.outputs],
        body=body.finish_body(graph.name, body_inputs, body_outputs),
        num_scan_inputs=len(sequences),
        scan_input_axes=axes,
        scan_input_directions=[int(op.reverse)] * len(sequences),
        **outward,
    )


@emit_op.register
def _(op: g.While, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    name = node.outputs[0].name
    first = _emit_inline(prefixed(op.condition, f"{name}/first/"), inputs, model)
    graph = prefixed(op.body, f"{name}/")
    body = model.body()
    outputs = _emit_body(graph, body, op.states, inputs)
    again = prefixed(op.condition, f"{name}/again/")
    (goes_on,) = _emit_inline(again, [*outputs, *inputs[op.states :]], body)
    step, before = model.fresh("step"), model.fresh("condition")
    flag = again.outputs[0][1]
    body_inputs = [_scalar(step), describe(before, flag), *(describe(v.name, v) for v in graph.inputs[: op.states])]
    body_outputs = [describe(goes_on, flag)]
    body_outputs += [describe(output, value) for output, (_, value) in zip(outputs, graph.outputs, strict=True)]
    limit = model.constant(np.asarray(op.max_steps, np.int64))
    subgraph = body.finish_body(graph.name, body_inputs, body_outputs)
    model.nodes("Loop", [limit, *first, *inputs[: op.states]], [value.name for value in node.outputs], body=subgraph)


def _emit_body(graph: Graph, body: ModelBuilder, own: int, inputs: list[str]) -> list[str]:
    """Emits a body whose first ``own`` inputs are the loop's; the others are names around it. Gives the names of its
    results."""
    for value, name in zip(graph.inputs[own:], inputs[own:], strict=True):
        body.node("Identity", [name], value.name)
    return _emit_results(graph, body)


def _emit_inline(graph: Graph, inputs: list[str], model: ModelBuilder) -> list[str]:
    """Emits a graph in place, on the operands of those names, and gives the names of its results."""
    for value, name in zip(graph.inputs, inputs, strict=True):
        model.node("Identity", [name], value.name)
    return _emit_results(graph, model)


def _emit_results(graph: Graph, model: ModelBuilder) -> list[str]:
    emit_nodes(graph, model)
    return [model.node("Identity", [value.name]) for _, value in graph.outputs]


def _scalar(name: str) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.INT64, [])
