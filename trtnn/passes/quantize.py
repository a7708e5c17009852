"""Post-training quantization: Q/DQ pairs where targets fuse them into integer convolutions and matrix products.

Convolutions and products with constant weights are quantized, the first and the last of a network included: their
weights per output channel around zero, their inputs per tensor. Of two activations that are added, the one that comes
out of the convolution to be fused with the addition stays as it is, and the other one is quantized. Maxima, movements
and concatenations are passed through: what goes in has the scale of what comes out. Every operation that half precision
would not hurt reads the quantized value, so that no value is needed in two forms.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np

from trtnn.graph import Graph, GraphBuilder, Node, Value
from trtnn.graph import ops as g
from trtnn.passes.half import Wish, wish_of
from trtnn.passes.quantize_plan import Keep, QuantizePlan
from trtnn.passes.scales import Encoding, Range, Scheme, least_scale, quantize_bias, quantize_weights


def quantize(
    graph: Graph, ranges: Mapping[str, Range], scheme: Scheme, keep: Keep = lambda node: False
) -> tuple[Graph, tuple[Node, ...]]:
    """The lowered float32 graph with Q/DQ pairs, and its nodes that are quantized.

    ``ranges`` are the (lowest, highest) numbers that count of `observed` values by name; values without one stay as
    they are. ``keep`` holds for nodes to leave alone.
    """
    rewriter = _Rewriter(graph, QuantizePlan(graph, scheme, keep), ranges)
    return rewriter.run(), tuple(rewriter.quantized)


def observed(graph: Graph) -> list[Value]:
    """The values whose ranges quantization may want, for any target."""
    plans = [QuantizePlan(graph, Scheme(closed=closed), lambda node: False) for closed in (False, True)]
    return list(dict.fromkeys(value for plan in plans for value in plan.points))


class _Rewriter:
    def __init__(self, graph: Graph, plan: QuantizePlan, ranges: Mapping[str, Range]) -> None:
        self._graph, self._plan = graph, plan
        self._builder = GraphBuilder(graph.name, graph.dims)
        self._encodings = self._encode(ranges)
        self._moved: dict[Value, Value] = {}
        self._dequantized: dict[Value, Value] = {}
        self._scales: dict[Value, Value] = {}
        self._weights: dict[tuple[Value, float], Value] = {}  # (old weights, scale of x) -> weights, dequantized
        self.quantized: list[Node] = []

    def run(self) -> Graph:
        builder, graph = self._builder, self._graph
        self._moved.update((value, builder.input(value.name, value.type)) for value in graph.inputs)
        for node in graph.nodes:
            if node in self._plan.weighted and node.inputs[0] in self._encodings:
                self.quantized.append(node)
                results: tuple[Value, ...] = (self._place_weighted(node),)
            else:
                operands = [self._operand(node, value) for value in node.inputs]
                results = builder.add_all(node.op, operands, node.origin, node.outputs[0].name)
            self._moved.update(zip(node.outputs, results, strict=True))
        return builder.finish([(name, self._moved[value]) for name, value in graph.outputs], graph.returns)

    def _encode(self, ranges: Mapping[str, Range]) -> dict[Value, Encoding]:
        """How each value is written: values that pass into each other alike, for all that any of them holds."""
        plan, found = self._plan, dict[Value, list[Range]]()
        for value in plan.points:
            if value.name in ranges:
                found.setdefault(plan.groups.root(value), []).append(ranges[value.name])
        known = {
            root: plan.scheme.encoding(min(low for low, _ in each), max(high for _, high in each))
            for root, each in found.items()
        }
        return {value: known[root] for value in plan.points if (root := plan.groups.root(value)) in known}

    # Activations.

    def _operand(self, node: Node, value: Value) -> Value:
        """The value as a node takes it that is not quantized itself."""
        reads = value in self._encodings and node not in self._plan.kept and wish_of(node) is not Wish.float32
        return self._dequantize(value) if reads else self._moved[value]

    def _dequantize(self, value: Value) -> Value:
        """The value after quantization and back, once for all who read it so."""
        if value not in self._dequantized:
            self._dequantized[value] = self._add_pair(value)
        return self._dequantized[value]

    def _add_pair(self, value: Value) -> Value:
        moved, scale, zero_point = self._moved[value], self._scale(value), self._encodings[value].zero_point
        producer = self._builder.producer(moved)
        origin = producer.origin if producer else None
        to, back = g.Quantize(self._plan.scheme.dtype, zero_point=zero_point), g.Dequantize(zero_point=zero_point)
        written = self._builder.add(to, [moved, scale], origin, f"{value.name}.q")
        return self._builder.add(back, [written, scale], origin, f"{value.name}.dq")

    def _scale(self, value: Value) -> Value:
        root = self._plan.groups.root(value)
        if root not in self._scales:
            scale = np.asarray(self._encodings[value].scale, np.float32)
            self._scales[root] = self._builder.add(g.constant(scale), (), None, f"{root.name}.scale")
        return self._scales[root]

    # Weights.

    def _place_weighted(self, node: Node) -> Value:
        x, *weights = node.inputs
        x_scale = self._encodings[x].scale
        bias = self._data(weights[1]) if len(weights) > 1 else None
        wide = self._weight(node, x_scale, bias)
        operands = [self._dequantize(x), wide]
        if bias is not None and self._plan.scheme.closed:
            operands.append(self._bias(weights[1], bias, wide, x_scale))
        else:
            operands += [self._moved[value] for value in weights[1:]]
        op = attrs.evolve(node.op, transpose_y=False) if isinstance(node.op, g.MatMul) else node.op
        return self._builder.add(op, operands, node.origin, node.output.name)

    def _weight(self, node: Node, x_scale: float, bias: np.ndarray | None) -> Value:
        """The dequantized weights of a convolution (out, ...) or a product (in, out)."""
        value, axis, scheme = node.inputs[1], self._plan.weighted[node], self._plan.scheme
        if (value, x_scale) not in self._weights:
            data = self._data(value)
            assert data is not None
            if isinstance(node.op, g.MatMul) and node.op.transpose_y:
                data = data.T
            least = least_scale(bias, x_scale) if bias is not None and scheme.closed else None
            written, scale = quantize_weights(data, axis, scheme.weights, least)
            raw = self._constant(written, f"{value.name}.q", value)
            scales = self._constant(scale, f"{value.name}.scale")
            wide = self._builder.add(g.Dequantize(axis=axis), [raw, scales], node.origin, f"{value.name}.dq")
            self._weights[value, x_scale] = wide
        return self._weights[value, x_scale]

    def _bias(self, value: Value, bias: np.ndarray, weights: Value, x_scale: float) -> Value:
        """The bias on integers of the products' own scale, dequantized."""
        producer = self._builder.producer(weights)
        assert producer is not None
        held = self._builder.constant_of(producer.inputs[1])
        assert held is not None and held.data is not None
        scale = held.data * np.float32(x_scale)
        raw = self._constant(quantize_bias(bias, scale), f"{value.name}.q", value)
        scales = self._constant(scale, f"{value.name}.scale")
        return self._builder.add(g.Dequantize(axis=0), [raw, scales], None, f"{value.name}.dq")

    def _data(self, value: Value) -> np.ndarray | None:
        held = self._plan.constants.get(value)
        return held.data if held else None

    def _constant(self, array: np.ndarray, name: str, instead_of: Value | None = None) -> Value:
        held = self._plan.constants[instead_of] if instead_of else None
        return self._builder.add(g.constant(array, held.parameter if held else None), (), None, name)
