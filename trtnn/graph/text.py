"""A graph as text: one line per operation, with types, attributes, module path and the user's line."""

from __future__ import annotations

from pathlib import Path

from trtnn.graph.graph import Graph, Node, Origin, bodies
from trtnn.graph.ops import Constant


def graph_text(graph: Graph) -> str:
    """The graph, readable::

    graph Digits(%image: f32[batch, 8, 8, 1])
      %conv1.conv = conv(%image, %conv1.kernel, %conv1.bias) strides=(1, 1) padding=same : f32[batch, 8, 8, 16]  # conv1
      return output=%fc.add
    """
    inputs = ", ".join(f"{value}: {value.type}" for value in graph.inputs)
    lines = [f"graph {graph.name}({inputs})"]
    ranges = [f"{dim.name} in {dim.min}..{dim.max}" for dim in graph.dims.values() if dim.range]
    if ranges:
        lines.append(f"  where {', '.join(ranges)}")
    for node in graph.nodes:
        lines.append(_node_text(node))
        lines += [f"    {line}" for body in bodies(node.op) for line in graph_text(body).splitlines()]
    lines.append("  return " + ", ".join(f"{name}={value}" for name, value in graph.outputs))
    return "\n".join(lines)


def _node_text(node: Node) -> str:
    results = ", ".join(map(str, node.outputs))
    types = ", ".join(str(value.type) for value in node.outputs)
    operands = "" if isinstance(node.op, Constant) else f"({', '.join(map(str, node.inputs))})"
    attributes = "".join(
        f" {name}={_attribute_text(value)}"
        for name, value in node.op.attributes.items()
        if not isinstance(value, Graph)
    )
    comment = "" if isinstance(node.op, Constant) else _origin_text(node.origin)
    return f"  {results} = {node.op.name}{operands}{attributes} : {types}{comment}"


def _attribute_text(value: object) -> str:
    return str(value) if not isinstance(value, float) else f"{value:g}"


def _origin_text(origin: Origin) -> str:
    place = f"{Path(origin.line.file).name}:{origin.line.line}" if origin.line else ""
    said = ", ".join(part for part in (origin.path, place) if part)
    return f"  # {said}" if said else ""
