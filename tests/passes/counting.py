"""Counting what a graph holds."""

from __future__ import annotations

from trtnn.graph import Graph
from trtnn.graph.ops import Op


def count(graph: Graph, kind: type[Op]) -> int:
    """How many operations of the kind the graph has."""
    return sum(isinstance(node.op, kind) for node in graph.nodes)


def operations(graph: Graph) -> list[str]:
    """The names of all operations but the constants, in order."""
    return [node.op.name for node in graph.nodes if node.op.name != "constant"]
