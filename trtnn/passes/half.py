"""Half precision: float32 operations to float16 or bfloat16, with casts, and float32 islands where half precision
hurts.

Convolutions and matrix products become half; normalization, softmax, exponentials, powers and sums stay float32, and
so do the logits of an attention in float16, whose products leave its range. Operations that do not care (activations,
additions, movements) follow their neighbours, so that few casts are needed. Inputs, outputs and the states of loops
stay float32.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Sequence

import attrs
import numpy as np

from trtnn.graph import DType, Graph, GraphBuilder, Node, Value
from trtnn.graph import ops as g
from trtnn.graph.graph import bodies, map_bodies
from trtnn.passes.islands import Islands

Keep = Callable[[Node], bool]


class Wish(enum.Enum):
    """The form in which an operation wants its floating-point operands and gives its results."""

    half = "half"
    float32 = "float32"
    either = "either"


WEIGHTED = (g.Conv, g.ConvTranspose, g.MatMul)
FOLLOWING = (
    g.Activation,
    g.PRelu,
    g.Pool,
    g.Select,
    g.Reshape,
    g.Transpose,
    g.Broadcast,
    g.Concat,
    g.Slice,
    g.Pad,
    g.Gather,
    g.Resize,
    g.Quantize,
    g.Dequantize,
)
FOLLOWING_UNARY = frozenset("negative abs sign floor ceil round".split())  # noqa: SIM905
FOLLOWING_BINARY = frozenset("add subtract multiply maximum minimum equal less greater".split())  # noqa: SIM905


@attrs.frozen
class HalfReport:
    """What the conversion did to weights: names with the number of values that left float16's range or became zero."""

    overflowed: dict[str, int]
    underflowed: dict[str, int]

    def __str__(self) -> str:
        lines = [
            f"{name}: {count} values overflow; its operations stay float32" for name, count in self.overflowed.items()
        ]
        lines += [f"{name}: {count} values become zero" for name, count in self.underflowed.items()]
        return "\n".join(lines) or "all weights fit"


def to_half(graph: Graph, dtype: DType, keep: Keep = lambda node: False) -> tuple[Graph, HalfReport]:
    """The graph in half precision, and what happened to its weights. ``keep`` holds for nodes that stay float32.

    Shapes, and the data types of inputs and outputs, do not change. Running it again on the result changes nothing.
    """
    report = HalfReport({}, {})
    changed = map_bodies(graph, lambda body: _Converter(body, dtype, keep, report).run())
    return _Converter(changed, dtype, keep, report).run(), report


def wish_of(node: Node, dtype: DType = DType.float16) -> Wish:
    """What an operation wants, whatever its neighbours are, where half precision is this type."""
    op = node.op
    if isinstance(op, g.Custom):
        return Wish.either if dtype in op.custom.dtypes else Wish.float32
    if isinstance(op, WEIGHTED):
        return Wish.half
    if isinstance(op, g.Binary) and op.kind in FOLLOWING_BINARY:
        squares = op.kind == "multiply" and node.inputs[0] is node.inputs[1]
        return Wish.float32 if squares else Wish.either
    if isinstance(op, g.Unary) and op.kind in FOLLOWING_UNARY:
        return Wish.either
    if isinstance(op, g.Reduce) and (op.kind in ("max", "min") or _is_global_pooling(op, node)):
        return Wish.either
    return Wish.either if isinstance(op, FOLLOWING) else Wish.float32


def _is_global_pooling(op: g.Reduce, node: Node) -> bool:
    """A mean over all spatial axes: its result stays in its operand's range, and targets add up in float32."""
    return op.kind == "mean" and len(op.axes) == node.inputs[0].type.rank - 2 >= 2


class _Converter:
    def __init__(self, graph: Graph, dtype: DType, keep: Keep, report: HalfReport) -> None:
        self._graph, self._dtype, self._report = graph, dtype, report
        self._builder = GraphBuilder(graph.name, graph.dims)
        self._constants = {node.output: node.op for node in graph.nodes if isinstance(node.op, g.Constant)}
        self._overflowing = set() if dtype is not DType.float16 else self._find_overflow()
        logits = self._logits() if dtype is DType.float16 else set()
        self._wishes = {node: self._wish(node, keep, logits) for node in graph.nodes}
        self._islands = self._settle()
        self._forms: dict[tuple[Value, DType], Value] = {}  # (old value, data type) -> new value

    def run(self) -> Graph:
        builder = self._builder
        for value in self._graph.inputs:
            self._forms[value, value.type.dtype] = builder.input(value.name, value.type)
        for node in self._graph.nodes:
            self._place(node)
        outputs = [(name, self._as(value, value.type.dtype)) for name, value in self._graph.outputs]
        return builder.finish(outputs, self._graph.returns)

    def _place(self, node: Node) -> None:
        half = self._wishes[node] is Wish.half or (
            self._wishes[node] is Wish.either and any(map(self._islands.is_changed, self._joined(node)))
        )
        wanted = self._dtype if half else DType.float32
        follows = set(_following(node))
        inputs = [self._as(value, wanted if value in follows else value.type.dtype) for value in node.inputs]
        op = attrs.evolve(node.op, dtype=wanted) if half and isinstance(node.op, g.Dequantize) else node.op
        results = self._builder.add_all(op, inputs, node.origin, node.outputs[0].name)
        for old, new in zip(node.outputs, results, strict=True):
            self._forms[old, new.type.dtype] = new

    def _as(self, value: Value, dtype: DType) -> Value:
        """The value in a data type: as it was made, or cast once for all who want it so."""
        if (value, dtype) not in self._forms:
            if value in self._constants:
                self._forms[value, dtype] = self._cast_constant(value, dtype)
            else:
                made = self._forms.get((value, self._dtype)) or self._forms[value, value.type.dtype]
                self._forms[value, dtype] = self._cast(made, dtype)
        return self._forms[value, dtype]

    def _cast(self, value: Value, dtype: DType) -> Value:
        producer = self._builder.producer(value)
        origin = producer.origin if producer else None
        return self._builder.add(g.Cast(dtype), [value], origin, f"{value.name}.{dtype.short}")

    def _cast_constant(self, value: Value, dtype: DType) -> Value:
        held = self._constants[value]
        assert held.data is not None
        with np.errstate(over="ignore"):
            data = held.data.astype(dtype.numpy)
        lost = int(np.count_nonzero((data == 0) & (held.data != 0)))
        if lost > held.data.size // 100:
            self._report.underflowed[held.parameter or value.name] = lost
        return self._builder.add(g.constant(data, held.parameter), (), None, f"{value.name}.{dtype.short}")

    # Decisions.

    def _wish(self, node: Node, keep: Keep, logits: set[Node]) -> Wish:
        kept = keep(node) or node in logits or bool(bodies(node.op)) or self._overflowing.intersection(node.inputs)
        if kept or not any(map(_is_float32, (*node.inputs, *node.outputs))):
            return Wish.float32
        if isinstance(node.op, g.ConvTranspose) and self._dtype is DType.bfloat16:
            return Wish.float32  # TensorRT-RTX 1.7 builds none in bfloat16
        return wish_of(node, self._dtype)

    def _settle(self) -> Islands:
        islands = Islands()
        half: set[Value] = set()
        float32 = {value for value in (*self._graph.inputs, *self._graph.output_values()) if _is_float32(value)}
        for node, wish in self._wishes.items():
            joined = self._joined(node)
            if wish is Wish.either:
                islands.join(joined)
            elif not isinstance(node.op, g.Constant):
                (half if wish is Wish.half else float32).update(joined)
        islands.settle(half, float32)
        return islands

    def _joined(self, node: Node) -> list[Value]:
        """The float32 operands and results of a node that are not constants, which can be had in either form."""
        values = (*_following(node), *(value for value in node.outputs if _is_float32(value)))
        return [value for value in values if value not in self._constants]

    def _find_overflow(self) -> set[Value]:
        largest = float(np.finfo(np.float16).max)
        found = set()
        for value, held in self._constants.items():
            if held.data is None or held.data.dtype != np.float32:
                continue
            over = int(np.count_nonzero((np.abs(held.data) > largest) & np.isfinite(held.data)))
            if over:
                self._report.overflowed[held.parameter or value.name] = over
                found.add(value)
        return found

    def _logits(self) -> set[Node]:
        """Products of two activations that flow into a softmax: their sums leave float16's range first."""
        producers = self._graph.producers()
        starts = [node.inputs[0] for node in self._graph.nodes if isinstance(node.op, g.Softmax)]
        return set(self._products_behind(starts, producers))

    def _products_behind(self, starts: Sequence[Value], producers: dict[Value, Node]) -> Iterable[Node]:
        waiting, seen = list(starts), set(starts)
        while waiting:
            node = producers.get(waiting.pop())
            if node is None:
                continue
            if isinstance(node.op, g.MatMul):
                if not self._constants.keys() & set(node.inputs):
                    yield node
            elif wish_of(node, self._dtype) is Wish.either:
                new = [value for value in node.inputs if value not in seen]
                seen.update(new)
                waiting += new


def _following(node: Node) -> list[Value]:
    """The operands that take the form of the operation; scales of quantization do not, but for those of blocks."""
    quantization = isinstance(node.op, (g.Quantize, g.Dequantize))
    per_block = quantization and node.op.axis is None and node.inputs[1].type.rank > 0  # type: ignore[attr-defined]
    operands = node.inputs[:1] if quantization and not per_block else node.inputs
    return [value for value in operands if _is_float32(value)]


def _is_float32(value: Value) -> bool:
    return value.type.dtype is DType.float32
