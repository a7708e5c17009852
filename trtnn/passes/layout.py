"""NHWC to NCHW: the graph means channels last, as TensorFlow does; TensorRT and ONNX convolve channels first.

Convolutions, poolings, resizing and the like are the anchors: they need channels first. Elementwise operations and
their like work in either order; values that they connect form an island, and a whole island takes the order that needs
fewer transposes at its shores. Whatever else remains (inputs, outputs, reshapes, matrix products) keeps the order the
user wrote. Weights are transposed here as constants, which costs nothing at run time.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TypeAlias, TypeGuard

import attrs

from trtnn.graph import Graph, GraphBuilder, Node, Value
from trtnn.graph import ops as g
from trtnn.graph.graph import copy_node
from trtnn.graph.ops.base import Op
from trtnn.passes.islands import Islands


def to_channels_first(graph: Graph) -> Graph:
    """The same network with every anchor channels first and as few transposes as islands allow."""
    return _Rewriter(graph, _Islands(graph)).run()


def first(rank: int) -> tuple[int, ...]:
    """The permutation from (N, *spatial, C) to (N, C, *spatial)."""
    return (0, rank - 1, *range(1, rank - 1))


def last(rank: int) -> tuple[int, ...]:
    """The permutation from (N, C, *spatial) to (N, *spatial, C)."""
    return (0, *range(2, rank), 1)


GAIN_OF_DENSE_AS_CONVOLUTION = 0.5  # in transposes of its result; see `permuted`

Anchor: TypeAlias = g.Conv | g.ConvTranspose | g.Pool | g.Resize | g.GroupNorm | g.LocalResponseNorm
Convolution: TypeAlias = g.Conv | g.ConvTranspose


def is_anchor(op: Op) -> TypeGuard[Anchor]:
    """True for operations that must become channels first."""
    return isinstance(op, Anchor) and not op.channels_first


@functools.singledispatch
def permuted(op: Op, rank: int) -> Op | None:
    """The operation on channels-first operands with channels-first results; None when it cannot move."""
    return None


for _kind in (g.Unary, g.Binary, g.Select, g.Activation, g.PRelu, g.Cast):
    permuted.register(_kind, lambda op, rank: op)


@permuted.register
def _(op: g.Custom, rank: int) -> Op | None:
    """A user's op means channels last, unless it says that the layout is all the same to it."""
    return op if op.custom.elementwise else None


@permuted.register(g.BatchNorm)
@permuted.register(g.Softmax)
@permuted.register(g.Concat)
def _(op: g.BatchNorm | g.Softmax | g.Concat, rank: int) -> Op:
    return attrs.evolve(op, axis=first(rank).index(op.axis % rank))


@permuted.register
def _(op: g.Reduce, rank: int) -> Op | None:
    """Without keepdims the result has no channels-first order, but often the same order either way."""
    kept = [axis for axis in first(rank) if axis not in op.axes]
    if not op.keepdims and kept != sorted(kept):
        return None
    return attrs.evolve(op, axes=tuple(sorted(first(rank).index(axis) for axis in op.axes)))


@permuted.register
def _(op: g.Slice, rank: int) -> Op:
    moved = [tuple(values[i] for i in first(rank)) for values in (op.starts, op.sizes, op.steps)]
    return g.Slice(*moved)  # type: ignore[arg-type]


@permuted.register
def _(op: g.Pad, rank: int) -> Op:
    return attrs.evolve(op, pairs=tuple(op.pairs[i] for i in first(rank)))


@permuted.register
def _(op: g.Broadcast, rank: int) -> Op:
    return attrs.evolve(op, shape=tuple(op.shape[i] for i in first(rank)))


@permuted.register
def _(op: g.MatMul, rank: int) -> Op | None:
    """A dense layer on images is a convolution of window 1, which in ConvNeXt's blocks makes ONNX Runtime 5 to 20%
    faster at an equal number of transposes.
    """
    return g.Conv((1, 1), ((0, 0), (0, 0)), (1, 1), channels_first=True) if rank == 4 else None


@permuted.register
def _(op: g.Transpose, rank: int) -> Op:
    """A transpose of the user's absorbs ours; its result is in the user's order."""
    return g.Transpose(tuple(first(rank).index(axis) for axis in op.permutation))


def leaves_island(op: Op) -> bool:
    """True when the result is in the user's order even though the operand may be channels first."""
    return isinstance(op, g.Transpose) or (isinstance(op, g.Reduce) and not op.keepdims)


class _Islands:
    """Which values are stored channels first."""

    def __init__(self, graph: Graph) -> None:
        self._islands = Islands()
        self.constants: set[Value] = set()  # and what is computed from them alone
        for node in graph.nodes:
            if isinstance(node.op, g.Constant) or (node.inputs and self.constants.issuperset(node.inputs)):
                self.constants.update(node.outputs)
        for node in graph.nodes:
            if self.can_move(node) and not leaves_island(node.op) and node.outputs[0] not in self.constants:
                following = [value for value in spatial_operands(node) if value not in self.constants]
                self._islands.join([node.output, *following])
        dense = [node.output for node in graph.nodes if isinstance(node.op, g.MatMul) and self.can_move(node)]
        # A tie goes to channels first: then a BatchNorm behind the input stands next to the convolution it folds into.
        self._islands.settle(*_shores(graph, self), ((value, GAIN_OF_DENSE_AS_CONVOLUTION) for value in dense))

    def can_move(self, node: Node) -> bool:
        """True when the node can work on channels-first operands."""
        rank = max((value.type.rank for value in node.inputs), default=0)
        if isinstance(node.op, g.MatMul) and not (node.inputs[1] in self.constants and node.inputs[1].type.rank == 2):
            return False
        return rank >= 3 and permuted(node.op, rank) is not None

    def is_first(self, value: Value) -> bool:
        """True when the value is stored channels first."""
        return self._islands.is_changed(value)


def spatial_operands(node: Node) -> tuple[Value, ...]:
    """The operands that follow the layout; statistics and weights of their own do not."""
    return node.inputs[:1] if isinstance(node.op, (g.BatchNorm, g.MatMul, Anchor)) else node.inputs


def _shores(graph: Graph, islands: _Islands) -> tuple[list[Value], list[Value]]:
    """The values wanted channels first, and those wanted in the user's order, by whatever lies outside their island."""
    wants_first: set[Value] = set()
    wants_user: set[Value] = set(graph.inputs) | set(graph.output_values())
    for node in graph.nodes:
        if node.outputs[0] in islands.constants:
            continue
        if is_anchor(node.op):
            wants_first.update((*spatial_operands(node), *node.outputs))
        elif isinstance(node.op, g.Transpose) and len(node.op.permutation) > 3:
            _weigh_transpose(node.op.permutation, node, wants_first, wants_user)
        elif not islands.can_move(node):
            wants_user.update((*node.inputs, *node.outputs))
        elif leaves_island(node.op):
            wants_user.update(node.outputs)
    first_ones, user_ones = (
        [value for value in wanted if value.type.rank >= 3] for wanted in (wants_first, wants_user)
    )
    return first_ones, user_ones


def _weigh_transpose(permutation: tuple[int, ...], node: Node, wants_first: set[Value], wants_user: set[Value]) -> None:
    """A transpose from one order to the other is spared by storing what it takes, or gives, channels first: as around a
    custom op between convolutions, which is decomposed after they moved."""
    rank = len(permutation)
    if permutation == first(rank):
        wants_first.update(node.inputs)
    (wants_first if permutation == last(rank) else wants_user).update(node.outputs)


class _Rewriter:
    """Makes the new graph; keeps each value in one or both orders."""

    def __init__(self, graph: Graph, islands: _Islands) -> None:
        self._graph, self._islands = graph, islands
        self._builder = GraphBuilder(graph.name, graph.dims)
        self._user: dict[Value, Value] = {}  # old value -> new value in the user's order
        self._first: dict[Value, Value] = {}  # old value -> new value channels first
        self._weights: dict[tuple[Value, tuple[int, ...]], Value] = {}  # transposed once, however often used

    def run(self) -> Graph:
        for value in self._graph.inputs:
            self._user[value] = self._builder.input(value.name, value.type)
        for node in self._graph.nodes:
            self._place(node)
        outputs = [(name, self._in_user_order(value)) for name, value in self._graph.outputs]
        return self._builder.finish(outputs, self._graph.returns)

    def _place(self, node: Node) -> None:
        if is_anchor(node.op):
            self._place_anchor(node)
        elif self._moves(node):
            operands = [
                self._channels_first(value) if value in spatial_operands(node) else self._in_user_order(value)
                for value in node.inputs
            ]
            if isinstance(node.op, g.MatMul):
                operands[1] = self._as_kernel(operands[1], node.op)
            rank = max(value.type.rank for value in node.inputs)
            op = permuted(node.op, rank)
            assert op is not None
            results = self._builder.add_all(op, operands, node.origin, node.outputs[0].name)
            (self._user if leaves_island(node.op) else self._first).update(zip(node.outputs, results, strict=True))
        else:
            operands = [self._in_user_order(value) for value in node.inputs]
            self._user.update(zip(node.outputs, copy_node(node, operands, self._builder), strict=True))

    def _moves(self, node: Node) -> bool:
        if not self._islands.can_move(node):
            return False
        return self._islands.is_first(node.inputs[0] if leaves_island(node.op) else node.output)

    def _place_anchor(self, node: Node) -> None:
        op, weights = node.op, [self._in_user_order(value) for value in node.inputs[1:]]
        assert is_anchor(op)
        if isinstance(op, Convolution):  # (*window, a, b) to (b, a, *window)
            spatial = len(op.strides)
            weights[0] = self._transposed(node.inputs[1], (spatial + 1, spatial, *range(spatial)))
        operands = [self._channels_first(node.inputs[0]), *weights]
        moved = attrs.evolve(op, channels_first=True)
        self._first[node.output] = self._builder.add(moved, operands, node.origin, node.output.name)

    def _as_kernel(self, matrix: Value, op: g.MatMul) -> Value:
        """A dense layer's matrix as the kernel (out, in, 1, 1)."""
        rows = matrix if op.transpose_y else self._add_transpose(matrix, (1, 0))
        return self._builder.add(g.Reshape((*rows.type.shape, 1, 1)), [rows], None, f"{matrix.name}.kernel")

    def _channels_first(self, value: Value) -> Value:
        if value not in self._first:
            self._first[value] = self._transposed(value, first(value.type.rank))
        return self._first[value]

    def _in_user_order(self, value: Value) -> Value:
        if value not in self._user:
            stored = self._first[value]
            self._user[value] = self._add_transpose(stored, last(stored.type.rank))
        return self._user[value]

    def _transposed(self, value: Value, permutation: tuple[int, ...]) -> Value:
        source = self._in_user_order(value)
        known = (value, permutation)
        if known not in self._weights:
            self._weights[known] = self._add_transpose(source, permutation)
        return self._weights[known]

    def _add_transpose(self, source: Value, permutation: Sequence[int]) -> Value:
        """A transpose, or a reshape where only axes of size 1 move past others."""
        shape = tuple(source.type.shape[i] for i in permutation)
        order = [i for i in permutation if source.type.shape[i] != 1]
        op: Op = g.Reshape(shape) if order == sorted(order) else g.Transpose(tuple(permutation))
        producer = self._builder.producer(source)
        origin = producer.origin if producer else None
        return self._builder.add(op, [source], origin, f"{source.name}.{op.name}")
