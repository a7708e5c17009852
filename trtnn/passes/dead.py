"""Dead code: nodes whose results nobody uses."""

from __future__ import annotations

import re
from collections.abc import Iterable

import attrs

from trtnn.graph import Graph, Node, Value
from trtnn.graph import ops as g
from trtnn.graph.graph import dims_of, map_bodies

_NUMBERED = re.compile(r"(.+)_\d+")


def remove_dead(graph: Graph) -> Graph:
    """The graph without nodes that no output depends on, in loops too. Inputs stay, used or not.

    What replaced a dead node takes over its name, and a converted weight is called after its parameter.
    """
    return _remove_dead(map_bodies(graph, _remove_dead))


def _remove_dead(graph: Graph) -> Graph:
    makes_sizes = any(isinstance(node.op, g.Custom) and node.op.sizes for node in graph.nodes)
    needed, dims = set(graph.output_values()), set[str]()
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        made = node.op.sizes.values() if isinstance(node.op, g.Custom) else ()
        if needed.intersection(node.outputs) or dims.intersection(made):
            kept.append(node)
            needed.update(node.inputs)
            if makes_sizes:
                dims |= dims_of(node)
    return _renamed(attrs.evolve(graph, nodes=tuple(reversed(kept))), {value.name for value in graph.producers()})


def _renamed(graph: Graph, once: set[str]) -> Graph:
    """The graph with better names where they are free; ``once`` are the names of all nodes before the dead ones
    went."""
    taken = {value.name for value in (*graph.inputs, *graph.producers())}
    moved: dict[Value, Value] = {}
    nodes = []
    for node in graph.nodes:
        for value in node.outputs:
            name = next((name for name in _better_names(node, value, once) if name not in taken), value.name)
            taken.add(name)
            moved[value] = value if name == value.name else Value(name, value.type)
        inputs, outputs = (tuple(moved.get(value, value) for value in values) for values in (node.inputs, node.outputs))
        nodes.append(attrs.evolve(node, inputs=inputs, outputs=outputs))
    results = tuple((name, moved.get(value, value)) for name, value in graph.outputs)
    return attrs.evolve(graph, nodes=tuple(nodes), outputs=results)


def _better_names(node: Node, value: Value, once: set[str]) -> Iterable[str]:
    if isinstance(node.op, g.Constant) and node.op.parameter:
        yield node.op.parameter
    numbered = _NUMBERED.fullmatch(value.name)
    if numbered and numbered[1] in once:
        yield numbered[1]
