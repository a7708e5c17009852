"""Where quantization goes: which values are written as small integers, and which of them with the same scale."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from trtnn.graph import Graph, Node, Value
from trtnn.graph import ops as g
from trtnn.passes.islands import Islands
from trtnn.passes.scales import Scheme

Keep = Callable[[Node], bool]
MOVEMENTS = (g.Reshape, g.Transpose, g.Slice, g.Broadcast, g.Concat)


class QuantizePlan:
    """The decisions for one graph.

    ``points`` are the values to quantize, ``weighted`` the convolutions and products with the axis of their weights'
    output channels, ``groups`` the values that share a scale, ``kept`` the nodes to leave alone.
    """

    def __init__(self, graph: Graph, scheme: Scheme, keep: Keep) -> None:
        self.scheme, self.groups = scheme, Islands()
        self.constants = {node.output: node.op for node in graph.nodes if isinstance(node.op, g.Constant)}
        self.kept = {node for node in graph.nodes if keep(node)}
        self._producers, self._consumers = graph.producers(), graph.consumers()
        self._returned = graph.output_values()
        self._order = {value: i for i, node in enumerate(graph.nodes) for value in node.outputs}
        self.weighted = self._find_weighted(graph)
        self.points: dict[Value, None] = {}
        for node in self.weighted:
            self._add(node.inputs[0])
            if scheme.closed and isinstance(node.op, g.Conv):
                self._add(self._activated(node.output))
        for node in graph.nodes:
            if isinstance(node.op, g.Binary) and node.op.kind == "add" and node not in self.kept:
                self._place_addition(node)

    def passed(self, value: Value) -> Node | None:
        """The node that passes its operands on as the value, if there is one."""
        node = self._producers.get(value)
        if node is None or node in self.kept or self.constants.keys() & set(node.inputs):
            return None
        return node if _is_passing(node) else None

    def _find_weighted(self, graph: Graph) -> Mapping[Node, int]:
        axes = {
            node: _weight_axis(node, self.constants) for node in graph.nodes if isinstance(node.op, self.scheme.kinds)
        }
        return {node: axis for node, axis in axes.items() if axis is not None and node not in self.kept}

    def _add(self, value: Value) -> None:
        """Quantizes the value, and what it was passed on from."""
        if value in self.points or value in self.constants:
            return
        self.points[value] = None
        node = self.passed(value)
        if node is not None:
            self.groups.join([value, *node.inputs])
            for operand in node.inputs:
                self._add(operand)

    def _activated(self, value: Value) -> Value:
        """What becomes of the value by a relu or clip that a target fuses with its quantization."""
        while len(self._consumers[value]) == 1 and value not in self._returned:
            (node,) = self._consumers[value]
            fused = isinstance(node.op, g.Activation) and node.op.kind in ("relu", "clip") and node not in self.kept
            if not fused:
                break
            value = node.output
        return value

    def _place_addition(self, node: Node) -> None:
        """One of the convolutions in front of an addition is fused with it; what it is added to is quantized."""
        branches = [value for value in node.inputs if value not in self.constants]
        fusable = [value for value in branches if self._is_convolved(value)]
        if len(branches) < 2 or branches[0].type != branches[1].type or not fusable:
            return
        if self.scheme.closed:
            chosen = [*branches, self._activated(node.output)]
        else:
            last = max(fusable, key=self._order.__getitem__)
            chosen = [value for value in branches if value is not last]
        for value in chosen:
            self._add(value)

    def _is_convolved(self, value: Value) -> bool:
        """True for the result of a quantized convolution that nothing else uses."""
        node = self._producers.get(value)
        convolved = node is not None and node in self.weighted and isinstance(node.op, g.Conv)
        return convolved and len(self._consumers[value]) == 1


def _weight_axis(node: Node, constants: Mapping[Value, g.Constant]) -> int | None:
    """The axis of the output channels of constant weights (out, ...), or (in, out) for a product, transposed where it
    is; None where there are none."""
    op = node.op
    if node.inputs[1] not in constants or node.inputs[0] in constants:
        return None
    if isinstance(op, g.Conv):
        return 0
    if isinstance(op, g.MatMul) and node.inputs[1].type.rank == 2:
        return 1
    return None


def _is_passing(node: Node) -> bool:
    """True when every element of the result is an element of an operand, or zero."""
    op = node.op
    if isinstance(op, g.Pad):
        return op.mode != "constant" or op.value == 0
    return isinstance(op, MOVEMENTS) or (isinstance(op, g.Pool) and op.kind == "max")
