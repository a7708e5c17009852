"""From the names of ONNX Runtime's nodes, which are partly fused and renamed, back to modules."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

import onnx

from trtnn.graph import Graph
from trtnn.graph.graph import bodies, prefixed
from trtnn.measure.layer import Layer

_FUSED_AT_MOST = 4  # a convolution, its bias, a residual and an activation
_CUTS = re.compile(r"_(?=nchwc|token|transpose|Q|DQ)|[/:]|_(?=[A-Z])")


class LayerFinder:
    """Knows the nodes of an ONNX model that was emitted for a graph.

    Without the graph, for a model from a file, modules are read off the names: "encoder.conv" of "encoder.conv.conv".
    ``modules`` are those that there are, where that is known: passes name what they add after a value.
    """

    def __init__(self, proto: onnx.ModelProto, graph: Graph | None = None, modules: Collection[str] = ()) -> None:
        self._modules = modules
        self._paths = None if graph is None else dict(_paths(graph))
        self._nodes: dict[str, onnx.NodeProto] = {}
        self._producers: dict[str, onnx.NodeProto] = {}
        self._owners: dict[str, str] = {}
        self._inputs = {value.name for value in proto.graph.input}
        self._add(proto.graph, "")
        self._found: dict[tuple[str, str], Layer] = {}

    def find(self, name: str, kind: str) -> Layer:
        """The layer of a node that ONNX Runtime calls ``name`` and runs as an operation of that kind."""
        if (name, kind) not in self._found:
            known = self._known(name)
            modules = () if known is None else tuple(dict.fromkeys(map(self._module, self._fused(known, kind))))
            self._found[name, kind] = Layer(name, kind, modules)
        return self._found[name, kind]

    def _add(self, graph: onnx.GraphProto, around: str) -> None:
        """Notes the nodes of a graph and of the loops in it. A node without a name in our graph is there for the next
        one that has one, or for the loop around it."""
        waiting: list[str] = []
        for node in graph.node:
            self._nodes[node.name] = node
            self._producers.update((output, node) for output in node.output)
            waiting.append(node.name)
            if ":" not in node.name:
                self._owners.update((name, node.name) for name in waiting)
                waiting.clear()
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.GRAPH:
                    self._add(attribute.g, node.name)
        self._owners.update((name, around) for name in waiting)

    def _known(self, name: str) -> str | None:
        """The longest beginning of the name that a node of the model has."""
        ends = [len(name), *sorted((match.start() for match in _CUTS.finditer(name)), reverse=True)]
        return next((name[:end] for end in ends if name[:end] in self._nodes), None)

    def _fused(self, name: str, kind: str) -> list[str]:
        """The nodes that were fused into one of that kind under the name of the last one: from the one of that kind."""
        chain = [name]
        while self._nodes[chain[-1]].op_type != kind and len(chain) < _FUSED_AT_MOST:
            before = self._before(chain[-1], kind)
            if before is None:
                return [name]
            chain.append(before)
        return chain[::-1] if self._nodes[chain[-1]].op_type == kind else [name]

    def _before(self, name: str, kind: str) -> str | None:
        """The producer of one of a node's operands: one of that kind, else the first."""
        producers = [self._producers[one] for one in self._nodes[name].input if one in self._producers]
        wanted = [one.name for one in producers if one.op_type == kind]
        return next(iter([*wanted, *(one.name for one in producers)]), None)

    def _module(self, name: str) -> str:
        owner = self._owners.get(name, name)
        if self._paths is None:
            path = owner.rpartition("/")[2].rpartition(".")[0]
            while self._modules and path and path not in self._modules:
                path = path.rpartition(".")[0]
            return "" if path in self._inputs else path  # "image.transpose" is what a pass does to the input
        return self._paths.get(owner, "")


def _paths(graph: Graph) -> Iterator[tuple[str, str]]:
    """The module path of every value, those in loops under the names that the emitter gives them."""
    for node in graph.nodes:
        yield from ((value.name, node.origin.path) for value in node.outputs)
        for body in bodies(node.op):
            yield from _paths(prefixed(body, f"{node.outputs[0].name}/"))
