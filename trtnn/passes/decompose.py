"""Decomposition: operations that a target lacks, in terms of functions that every target has."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias

from trtnn.errors import TrtnnError
from trtnn.graph import Graph, GraphBuilder, Node, Origin, Value, rewrite
from trtnn.graph.graph import map_bodies
from trtnn.graph.ops import Op
from trtnn.tensor import Tensor
from trtnn.trace import Tracer

Decomposition: TypeAlias = Callable[..., Any]  # (op, *tensors) -> a tensor or a tuple of tensors

DECOMPOSITIONS: dict[type[Op], Decomposition] = {}


def decomposition(kind: type[Op]) -> Callable[[Decomposition], Decomposition]:
    """Registers a function of the op and its operands, as tensors, that computes the op's results."""

    def register(function: Decomposition) -> Decomposition:
        DECOMPOSITIONS[kind] = function
        return function

    return register


def decompose(graph: Graph, lacks: Callable[[Node], bool] | Collection[type[Op]]) -> Graph:
    """The graph with the operations that ``lacks`` names or accepts replaced by their decompositions, in loops too."""
    kinds = lacks if callable(lacks) else tuple(lacks)

    def wanted(node: Node) -> bool:
        return type(node.op) in DECOMPOSITIONS and (kinds(node) if callable(kinds) else isinstance(node.op, kinds))

    def rule(node: Node, inputs: tuple[Value, ...], builder: GraphBuilder) -> Sequence[Value] | None:
        if not wanted(node):
            return None
        tracer = Tracer(builder, origin=Origin(node.origin.path, node.origin.line))
        try:
            results = DECOMPOSITIONS[type(node.op)](node.op, *(Tensor(tracer, value) for value in inputs))
        except TrtnnError as error:  # a user's decomposition may fail
            error.locate(node.origin.path, node.origin.line)
            raise
        return [one.value for one in (results if isinstance(results, tuple) else (results,))]

    return rewrite(map_bodies(graph, lambda body: rewrite(body, rule)), rule)
