"""Loops without what nobody uses: values that a scan stacks step by step for no reader."""

from __future__ import annotations

import attrs

from trtnn.graph import Graph, Node
from trtnn.graph.ops import Scan
from trtnn.passes.dead import remove_dead


def prune_scans(graph: Graph) -> Graph:
    """The graph whose scans stack only what is used, in loops too. States stay, since the steps need them."""
    consumers, returned = graph.consumers(), graph.output_values()

    def pruned(node: Node) -> Node:
        if not isinstance(node.op, Scan):
            return node
        states, body = node.op.states, node.op.body
        kept = [i for i, value in enumerate(node.outputs) if i < states or consumers[value] or value in returned]
        body = attrs.evolve(body, outputs=tuple(body.outputs[i] for i in kept))
        op = attrs.evolve(node.op, body=remove_dead(prune_scans(body)))
        return attrs.evolve(node, op=op, outputs=tuple(node.outputs[i] for i in kept))

    return attrs.evolve(graph, nodes=tuple(map(pruned, graph.nodes)))
