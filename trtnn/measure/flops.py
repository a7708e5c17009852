"""Counting floating-point operations: one rule per operation of the graph.

A multiplication and an addition count as two, and so does one of each in a convolution or matrix product; a function of
an element (exp, tanh, relu, a comparison) counts as one. What only moves, picks or converts elements, and arithmetic on
integers, counts as none. A softmax is 5 per element (maximum, difference, exp, sum, quotient), a layer normalization 7.
A loop counts its steps; one that ends by a condition counts as if it took all the steps that it may.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import attrs

from trtnn.graph import Graph, Node, Size, Value, ops
from trtnn.graph.dims import evaluate, names

Sizes: TypeAlias = tuple[int, ...]
MOVES = (
    *(ops.Constant, ops.DimValues, ops.Reshape, ops.Transpose, ops.Broadcast, ops.Concat, ops.Slice, ops.Pad),
    *(ops.Gather, ops.Range, ops.Cast, ops.Select),
)


@attrs.frozen(eq=False)
class Shapes:
    """The shapes of a node's operands and results with a number in the place of every named dim."""

    inputs: tuple[Sizes, ...]
    outputs: tuple[Sizes, ...]
    is_float: bool

    @classmethod
    def of(cls, node: Node, sizes: Mapping[str, int]) -> Shapes | None:
        """The shapes where the named dims have these sizes; None where one that matters is not among them."""
        shapes = [shape_of(value, sizes) for value in (*node.inputs, *node.outputs)]
        known = tuple(shape for shape in shapes if shape is not None)
        if len(known) < len(shapes):
            return None
        count = len(node.inputs)
        return cls(known[:count], known[count:], any(value.type.dtype.is_float for value in node.inputs))

    @property
    def elements(self) -> int:
        """How many elements the first result has."""
        return math.prod(self.outputs[0])


Rule: TypeAlias = Callable[[ops.Op, Shapes], int]


@attrs.frozen
class Count:
    """The operations of one node, all its steps in a loop counted; None where there is no rule for it, or a size that
    it depends on is not known. ``depth`` is the number of loops around it."""

    node: Node
    flops: int | None
    depth: int


def count_flops(graph: Graph, sizes: Mapping[str, int], steps: int | None = 1, depth: int = 0) -> list[Count]:
    """The operations of every node, those inside of loops too, where the named dims have these sizes and the graph runs
    ``steps`` times."""
    counts: list[Count] = []
    for node in graph.nodes:
        shapes = Shapes.of(node, sizes)
        flops = None if shapes is None or steps is None else flops_of(node.op, shapes)
        counts.append(Count(node, None if flops is None or steps is None else steps * flops, depth))
        for body, times in _bodies(node.op, sizes):
            all_steps = None if steps is None or times is None else steps * times
            counts += count_flops(body, sizes, all_steps, depth + 1)
    return counts


def shape_of(value: Value, sizes: Mapping[str, int]) -> Sizes | None:
    """The shape of a value where the named dims have these sizes; None where one is not among them."""
    found = [_size(size, sizes) for size in value.type.shape]
    return None if None in found else tuple(size for size in found if size is not None)


def _size(size: Size, sizes: Mapping[str, int]) -> int | None:
    return evaluate(size, sizes) if names(size) <= sizes.keys() else None


@functools.singledispatch
def flops_of(op: ops.Op, shapes: Shapes) -> int | None:
    """The operations of one node; None where there is no rule, as for a user's own operation."""
    return None


def _bodies(op: ops.Op, sizes: Mapping[str, int]) -> Sequence[tuple[Graph, int | None]]:
    """The graphs inside a loop with how often each runs."""
    if isinstance(op, ops.Scan):
        return [(op.body, _size(op.length, sizes))]
    if isinstance(op, ops.While):
        return [(op.condition, op.max_steps), (op.body, op.max_steps)]
    return []


def _nothing(op: ops.Op, shapes: Shapes) -> int:
    """No operations; those of a loop's body are counted there."""
    return 0


def _each_element(count: int) -> Rule:
    def rule(op: ops.Op, shapes: Shapes) -> int:
        return count * shapes.elements if shapes.is_float else 0

    return rule


def _each_operand_element(op: ops.Op, shapes: Shapes) -> int:
    return math.prod(shapes.inputs[0]) if shapes.is_float else 0


RULES: Sequence[tuple[Rule, Sequence[type[ops.Op]]]] = (
    (_nothing, (*MOVES, ops.Scan, ops.While)),
    (_each_element(1), (ops.Unary, ops.Binary, ops.Activation, ops.CumSum, ops.Dequantize)),
    (_each_element(2), (ops.BatchNorm, ops.PRelu, ops.Quantize)),
    (_each_element(5), (ops.Softmax,)),
    (_each_element(7), (ops.LayerNorm, ops.GroupNorm)),
    (_each_operand_element, (ops.Reduce, ops.ArgMax, ops.TopK)),
)
for _rule, _kinds in RULES:
    for _kind in _kinds:
        flops_of.register(_kind, _rule)


@flops_of.register
def _(op: ops.Conv, shapes: Shapes) -> int:
    kernel = shapes.inputs[1]
    out = kernel[0] if op.channels_first else kernel[-1]
    products = math.prod(kernel) // out  # of each element of the result
    return shapes.elements * (2 * products + len(shapes.inputs) - 2)


@flops_of.register
def _(op: ops.ConvTranspose, shapes: Shapes) -> int:
    x, kernel = shapes.inputs[:2]
    channels = kernel[0] if op.channels_first else kernel[-1]
    bias = shapes.elements * (len(shapes.inputs) - 2)
    return 2 * math.prod(x) * (math.prod(kernel) // channels) + bias


@flops_of.register
def _(op: ops.MatMul, shapes: Shapes) -> int:
    return 2 * shapes.elements * shapes.inputs[0][-1]


@flops_of.register
def _(op: ops.Pool, shapes: Shapes) -> int:
    return shapes.elements * math.prod(op.window)


@flops_of.register
def _(op: ops.LocalResponseNorm, shapes: Shapes) -> int:
    """Squares, a window of sums, the multiplication, addition, power and quotient."""
    return shapes.elements * (2 * op.radius + 1 + 5)


@flops_of.register
def _(op: ops.Resize, shapes: Shapes) -> int:
    """Along each axis a difference, a product and a sum of two neighbours."""
    return 3 * len(op.sizes) * shapes.elements if op.method == "linear" else 0


@flops_of.register
def _(op: ops.SimpleRNN, shapes: Shapes) -> int:
    """Two sums and the activation, besides the products."""
    return _recurrent(op, shapes, 3)


@flops_of.register
def _(op: ops.GRU, shapes: Shapes) -> int:
    """Sums of x, h and a bias for 3 gates, 3 activations, the reset and the mixture of old and new (4)."""
    return _recurrent(op, shapes, 3 * 2 + 3 + 1 + 4)


@flops_of.register
def _(op: ops.LSTM, shapes: Shapes) -> int:
    """Sums of x, h and a bias for 4 gates, 5 activations, 3 products and a sum; peepholes are 3 of each; a projection
    is one more product of matrices."""
    named = op.named(shapes.inputs)
    peepholes = 6 if "peepholes" in named else 0
    batch, steps, _ = shapes.inputs[0]
    projection = 2 * math.prod(named["projection"]) if "projection" in named else 0
    return _recurrent(op, shapes, 4 * 2 + 5 + 4 + peepholes) + batch * steps * projection


def _recurrent(op: ops.LSTM | ops.GRU | ops.SimpleRNN, shapes: Shapes, each_unit: int) -> int:
    (batch, steps, _), kernel, recurrent_kernel = shapes.inputs[:3]
    units = kernel[1] // op.gates
    return batch * steps * (2 * math.prod(kernel) + 2 * math.prod(recurrent_kernel) + each_unit * units)
