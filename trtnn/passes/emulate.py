"""Half precision on a target that computes in float32, such as a CPU: values are rounded where a half type ends an
operation.

What a GPU with half-precision tensors and float32 accumulation computes is float32 arithmetic, rounded once at the end
of every operation. So each operation of a half type becomes the same one in float32, followed by a cast to the half
type and back, unless its results are operands themselves (movements, relu, maxima), which rounding would not change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np

from trtnn.graph import DType, Graph, GraphBuilder, Node, TensorType, Value
from trtnn.graph import ops as g

HALVES = (DType.float16, DType.bfloat16)
MOVEMENTS = (g.Reshape, g.Transpose, g.Broadcast, g.Concat, g.Slice, g.Gather, g.Select, g.TopK, g.Scan, g.While)
EXACT_KINDS = frozenset("relu negative abs sign floor ceil round maximum minimum max min".split())  # noqa: SIM905


def emulate_half(graph: Graph) -> Graph:
    """The graph without arithmetic in float16 or bfloat16: their values are float32 numbers that the half type has.

    Inputs and outputs keep their types. A value keeps its name; the one before rounding is called ``<name>.exact``.
    """
    return _Emulator(graph, is_body=False).run()


class _Emulator:
    def __init__(self, graph: Graph, is_body: bool) -> None:
        self._graph, self._is_body = graph, is_body
        self._builder = GraphBuilder(graph.name, graph.dims)
        self._moved: dict[Value, Value] = {}

    def run(self) -> Graph:
        for value in self._graph.inputs:
            self._moved[value] = self._input(value)
        for node in self._graph.nodes:
            self._moved.update(zip(node.outputs, self._place(node), strict=True))
        return self._builder.finish(
            [(name, self._output(value)) for name, value in self._graph.outputs], self._graph.returns
        )

    def _input(self, value: Value) -> Value:
        if self._is_body:
            return self._builder.input(value.name, _single(value.type))
        outer = self._builder.input(value.name, value.type)
        return self._cast(outer, DType.float32, f"{value.name}.f32") if _is_half(value) else outer

    def _output(self, value: Value) -> Value:
        moved = self._moved[value]
        return moved if self._is_body or not _is_half(value) else self._cast(moved, value.type.dtype, value.name)

    def _place(self, node: Node) -> Sequence[Value]:
        inputs = [self._moved[value] for value in node.inputs]
        if isinstance(node.op, g.Cast):
            return [self._cast_to(node, inputs[0])]
        op, rounded = _in_single(node.op), any(map(_is_half, node.outputs)) and not is_exact(node)
        name = node.outputs[0].name
        results = self._builder.add_all(op, inputs, node.origin, f"{name}.exact" if rounded else name)
        if not rounded:
            return results
        return [self._rounded(result, old) for result, old in zip(results, node.outputs, strict=True)]

    def _cast_to(self, node: Node, source: Value) -> Value:
        """A cast of the graph: to a half type it rounds, from one to float32 it does nothing."""
        op, target = node.op, node.output
        assert isinstance(op, g.Cast)
        if op.dtype in HALVES:
            return self._rounded(source, target)
        if op.dtype is source.type.dtype:
            return source
        return self._cast(source, op.dtype, target.name)

    def _rounded(self, value: Value, old: Value) -> Value:
        """The value as the half type of the old one has it."""
        if not _is_half(old):
            return value
        half = self._cast(value, old.type.dtype, f"{old.name}.{old.type.dtype.short}")
        return self._cast(half, DType.float32, old.name)

    def _cast(self, value: Value, dtype: DType, name: str) -> Value:
        producer = self._builder.producer(value)
        return self._builder.add(g.Cast(dtype), [value], producer.origin if producer else None, name)


def is_exact(node: Node) -> bool:
    """True when a half type has every result of the operation, given operands that it has."""
    op = node.op
    if isinstance(op, g.Pad):
        return float(np.asarray(op.value, node.output.type.dtype.numpy)) == op.value
    if isinstance(op, g.Resize):
        return op.method == "nearest"
    return isinstance(op, (g.Constant, *MOVEMENTS)) or getattr(op, "kind", None) in EXACT_KINDS


def _in_single(op: g.Op) -> g.Op:
    """The operation on float32 values, with its loops' bodies."""
    if isinstance(op, g.Constant) and op.type.dtype in HALVES:
        assert op.data is not None
        return g.constant(op.data.astype(np.float32), op.parameter)
    fields: Mapping[str, object] = {field.name: getattr(op, field.name) for field in attrs.fields(type(op))}
    changed: dict[str, object] = {}
    for name, value in fields.items():
        if isinstance(value, Graph):
            changed[name] = _Emulator(value, is_body=True).run()
        elif isinstance(value, DType) and value in HALVES:
            changed[name] = DType.float32
    return attrs.evolve(op, **changed) if changed else op


def _single(type: TensorType) -> TensorType:
    return attrs.evolve(type, dtype=DType.float32) if type.dtype in HALVES else type


def _is_half(value: Value) -> bool:
    return value.type.dtype in HALVES
