"""A graph with operations that only NumPy can compute, cut into the largest pieces without one.

Every operation has a level: how many NumPy operations lie on the longest way to it from the inputs. What has one level
is a segment and becomes one session; the NumPy operations of a level run behind it. Constants stand in every segment
that uses them; those that NumPy operations use belong to no piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from trtnn.custom.definition import custom_of
from trtnn.custom.lowering import WRITE, custom_nodes
from trtnn.errors import UnsupportedError
from trtnn.graph import Graph, Node, Value
from trtnn.graph.graph import dims_of
from trtnn.graph.ops import Constant, Custom

Piece: TypeAlias = Graph | Node
"""A segment, whose outputs have the names of its values, or a NumPy operation."""


def runs_reference(node: Node) -> bool:
    """True for a custom op that NumPy has to compute: it has a reference, and no decomposition."""
    op = custom_of(node.op)
    return op.has_reference and not op.has_decomposition


def split(graph: Graph) -> list[Piece]:
    """The pieces of a lowered graph, whose custom ops are all references, in an order in which they can run.

    Raises UnsupportedError for such an op in a loop.
    """
    _require_outside_loops(graph)
    return _Splitter(graph).pieces()


class _Splitter:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._constants = {node.output: node for node in graph.nodes if isinstance(node.op, Constant)}
        self._returned = graph.output_values()
        self._levels: dict[Node, int] = {}
        self._find_levels()

    def pieces(self) -> list[Piece]:
        wanted = self._wanted()
        found: list[Piece] = []
        for level in range(max(self._levels.values(), default=0) + 1):
            nodes = [node for node in self._graph.nodes if self._levels.get(node) == level]
            plain = [node for node in nodes if not isinstance(node.op, Custom)]
            outputs = [value for node in plain for value in node.outputs if value in wanted]
            if level == 0:  # what is returned without having been computed is returned as a copy, as by one session
                outputs += [value for value in (*self._graph.inputs, *self._constants) if value in wanted]
            if outputs:
                found.append(self._segment(plain, outputs))
            found += [node for node in nodes if isinstance(node.op, Custom)]
        return found

    def _find_levels(self) -> None:
        """A node comes behind the operations that make its operands, and those that make the sizes it uses."""
        behind: dict[Value | str, int] = {}
        for node in self._graph.nodes:
            if isinstance(node.op, Constant):
                continue
            needed = [behind.get(value, 0) for value in node.inputs]
            if not isinstance(node.op, Custom):
                needed += [behind.get(name, 0) for name in dims_of(node)]
            level = self._levels[node] = max(needed, default=0)
            after = level + isinstance(node.op, Custom)
            behind.update(dict.fromkeys(node.outputs, after))
            if isinstance(node.op, Custom):
                behind.update(dict.fromkeys(node.op.sizes.values(), after))

    def _wanted(self) -> set[Value]:
        """The values that leave the piece that makes them, and all that the network returns."""
        made = {value: node for node in self._levels for value in node.outputs}
        wanted = set(self._returned)
        for node, level in self._levels.items():
            for value in made.keys() & set(node.inputs):
                maker = made[value]
                if self._levels[maker] != level or any(isinstance(one.op, Custom) for one in (node, maker)):
                    wanted.add(value)
        return wanted

    def _segment(self, nodes: Sequence[Node], outputs: Sequence[Value]) -> Graph:
        made = {value for node in nodes for value in node.outputs}
        read = dict.fromkeys((*(value for node in nodes for value in node.inputs), *outputs))
        held = [self._constants[value] for value in read if value in self._constants]
        inputs = tuple(value for value in read if value not in made and value not in self._constants)
        named = tuple((value.name, value) for value in outputs)
        return Graph(self._graph.name, inputs, (*held, *nodes), named, "tuple", self._graph.dims)


def _require_outside_loops(graph: Graph) -> None:
    outside = {node for node in graph.nodes if isinstance(node.op, Custom)}
    for node in custom_nodes(graph):
        if node not in outside:
            definition = custom_of(node.op).definition
            written = WRITE["decompose"].format(operands=", ".join(definition.operands))
            raise UnsupportedError(
                node.origin.path or node.outputs[0].name,
                problem=f"{definition.name} has only a reference, which cannot run inside a loop",
                remedy=f"write {written}, or call the op outside the loop",
                line=node.origin.line,
            )
