"""What makes a graph legal, in one place. Passes are checked against it in tests."""

from __future__ import annotations

from trtnn.errors import GraphError, TrtnnError
from trtnn.graph.dims import names
from trtnn.graph.graph import Graph, Node, Value, bodies
from trtnn.graph.ops import Custom


def verify(graph: Graph, surrounding: frozenset[str] = frozenset()) -> Graph:
    """Returns the graph if it is legal; raises GraphError with the first rule that it breaks.

    Rules: every operand is an input or the result of an earlier node; no value is made twice; names are unique; every
    recorded type is the one that the operation infers; every symbolic dim is a dim of an input, or one that an earlier
    custom operation made, once, or for a loop's body one of the ``surrounding`` graph; output names are unique and
    their values exist.
    """
    seen: set[Value] = set()
    taken: set[str] = set()
    for value in graph.inputs:
        _define(value, seen, taken)
    known = surrounding.union(*(names(size) for value in graph.inputs for size in value.type.shape))
    for node in graph.nodes:
        _check_node(node, seen)
        for body in bodies(node.op):
            verify(body, known)
        known = known.union(_made_sizes(node, known))
        for value in node.outputs:
            _define(value, seen, taken)
            unknown = frozenset[str]().union(*map(names, value.type.shape)) - known
            if unknown:
                raise GraphError(value.name, expected="dims of the graph's inputs", got=", ".join(sorted(unknown)))
    _check_outputs(graph, seen)
    return graph


def _made_sizes(node: Node, known: frozenset[str]) -> frozenset[str]:
    """The named dims that the operation makes itself."""
    made = frozenset(node.op.sizes.values() if isinstance(node.op, Custom) else ())
    if made & known:
        raise GraphError(node.outputs[0].name, problem=f"makes the dim {min(made & known)}, which there is already")
    return made


def _define(value: Value, seen: set[Value], taken: set[str]) -> None:
    if value in seen:
        raise GraphError(value.name, problem="is made twice")
    if value.name in taken:
        raise GraphError(value.name, problem="two values have this name")
    seen.add(value)
    taken.add(value.name)


def _check_node(node: Node, seen: set[Value]) -> None:
    where = node.outputs[0].name
    for value in node.inputs:
        if value not in seen:
            raise GraphError(where, problem=f"uses {value} before it is made")
    try:
        inferred = node.op.infer(*(value.type for value in node.inputs))
    except TrtnnError as error:
        raise GraphError(where, problem=f"is not legal: {error}") from error
    types = inferred if isinstance(inferred, tuple) else (inferred,)
    recorded = tuple(value.type for value in node.outputs)
    if types != recorded:
        raise GraphError(where, expected=", ".join(map(str, types)), got=", ".join(map(str, recorded)))


def _check_outputs(graph: Graph, seen: set[Value]) -> None:
    names_of = [name for name, _ in graph.outputs]
    if not names_of or len(set(names_of)) != len(names_of):
        raise GraphError(graph.name, expected="at least one output, under distinct names", got=str(names_of))
    for name, value in graph.outputs:
        if value not in seen:
            raise GraphError(name, problem=f"the output {value} is not part of the graph")
