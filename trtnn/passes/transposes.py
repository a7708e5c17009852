"""Transposes in a row: one that does the same, or none."""

from __future__ import annotations

from collections.abc import Sequence

from trtnn.graph import Graph, GraphBuilder, Node, Value, rewrite
from trtnn.graph import ops as g


def merge_transposes(graph: Graph) -> Graph:
    """The graph without transposes that change nothing, and with one in place of two in a row; the first of the two
    is left dead where nothing else uses it."""
    return rewrite(graph, _merge)


def _merge(node: Node, inputs: tuple[Value, ...], builder: GraphBuilder) -> Sequence[Value] | None:
    if not isinstance(node.op, g.Transpose):
        return None
    (source,), permutation = inputs, node.op.permutation
    before = builder.producer(source)
    if before is not None and isinstance(before.op, g.Transpose):
        (source,), permutation = before.inputs, tuple(before.op.permutation[axis] for axis in permutation)
    if permutation == tuple(range(source.type.rank)):
        return [source]
    return builder.add_all(g.Transpose(permutation), [source], node.origin, node.output.name)
