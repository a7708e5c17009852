"""The graph: named inputs, nodes in an order that can be run, named outputs; and the builder that makes one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

import attrs

from trtnn.errors import SourceLine, TrtnnError
from trtnn.graph.dims import DimExpr, names
from trtnn.graph.named_dim import Dim
from trtnn.graph.ops import Constant, Custom, Op
from trtnn.graph.types import TensorType

Returns: TypeAlias = Literal["tensor", "tuple", "dict"]


@attrs.frozen
class Origin:
    """Where a node comes from: the path of the module that made it ("" for the root) and the user's line."""

    path: str = ""
    line: SourceLine | None = None


@attrs.frozen(eq=False)
class Value:
    """One tensor of the graph; its name is unique within the graph."""

    name: str
    type: TensorType

    def __str__(self) -> str:
        return f"%{self.name}"


@attrs.frozen(eq=False)
class Node:
    """One operation with its operands and results."""

    op: Op
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    origin: Origin

    @property
    def output(self) -> Value:
        """The result of an operation that has one."""
        (only,) = self.outputs
        return only


@attrs.frozen(eq=False)
class Graph:
    """A network: frozen, so every pass makes a new one.

    ``nodes`` are in an order in which every operand stands before its use. ``outputs`` are (name, value) pairs and
    ``returns`` says whether the user's ``forward`` returned one tensor, a tuple or a dict. ``dims`` are the named
    dims of the inputs.
    """

    name: str
    inputs: tuple[Value, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[tuple[str, Value], ...]
    returns: Returns
    dims: Mapping[str, Dim]

    def producers(self) -> dict[Value, Node]:
        """The node that makes each value; graph inputs have none."""
        return {value: node for node in self.nodes for value in node.outputs}

    def consumers(self) -> dict[Value, list[Node]]:
        """The nodes that use each value, once per use; graph outputs do not count."""
        found: dict[Value, list[Node]] = {value: [] for value in self.inputs}
        for node in self.nodes:
            for value in node.inputs:
                found[value].append(node)
            for value in node.outputs:
                found[value] = []
        return found

    def output_values(self) -> frozenset[Value]:
        """The values that the graph returns."""
        return frozenset(value for _, value in self.outputs)

    def __str__(self) -> str:
        from trtnn.graph.text import graph_text

        return graph_text(self)


class GraphBuilder:
    """Makes a graph node by node, typing every node as it is added."""

    def __init__(self, name: str, dims: Mapping[str, Dim]) -> None:
        self.name, self.dims = name, dict(dims)
        self._inputs: list[Value] = []
        self._nodes: list[Node] = []
        self._names: dict[str, int] = {}
        self._producers: dict[Value, Node] = {}

    def input(self, name: str, type: TensorType) -> Value:
        """Adds an input of the graph."""
        value = Value(self._unique(name), type)
        self._inputs.append(value)
        return value

    def add(self, op: Op, inputs: Sequence[Value] = (), origin: Origin | None = None, name: str | None = None) -> Value:
        """Adds a node with one result and returns the result. Raises ShapeError or DTypeError with the node's
        origin."""
        (only,) = self.add_all(op, inputs, origin, name)
        return only

    def add_all(
        self, op: Op, inputs: Sequence[Value] = (), origin: Origin | None = None, name: str | None = None
    ) -> tuple[Value, ...]:
        """Adds a node and returns all its results."""
        origin = origin or Origin()
        name = name or (f"{origin.path}.{op.name}" if origin.path else op.name)
        try:
            inferred = op.infer(*(value.type for value in inputs))
        except TrtnnError as error:
            error.path = error.path or op.name
            error.locate(origin.path, origin.line)
            raise
        types = inferred if isinstance(inferred, tuple) else (inferred,)
        node = Node(op, tuple(inputs), tuple(Value(self._unique(name), type) for type in types), origin)
        self._nodes.append(node)
        self._producers.update((value, node) for value in node.outputs)
        return node.outputs

    def taken_dims(self) -> frozenset[str]:
        """The named dims of the inputs, and those that custom operations made so far."""
        made = (name for node in self._nodes if isinstance(node.op, Custom) for name in node.op.sizes.values())
        return frozenset(self.dims).union(made)

    def producer(self, value: Value) -> Node | None:
        """The node that made the value; None for an input."""
        return self._producers.get(value)

    def constant_of(self, value: Value) -> Constant | None:
        """The constant behind the value, if it is one."""
        node = self._producers.get(value)
        return node.op if node is not None and isinstance(node.op, Constant) else None

    def finish(self, outputs: Sequence[tuple[str, Value]], returns: Returns) -> Graph:
        """The finished graph."""
        return Graph(self.name, tuple(self._inputs), tuple(self._nodes), tuple(outputs), returns, self.dims)

    def _unique(self, name: str) -> str:
        count = self._names.get(name)
        self._names[name] = 0 if count is None else count + 1
        return name if count is None else self._unique(f"{name}_{count + 1}")


Rule: TypeAlias = Callable[[Node, tuple[Value, ...], GraphBuilder], Sequence[Value] | None]


def bodies(op: Op) -> list[Graph]:
    """The graphs inside an operation: the bodies of loops."""
    fields = (getattr(op, field.name) for field in attrs.fields(type(op)))
    return [value for value in fields if isinstance(value, Graph)]


def dims_of(node: Node) -> frozenset[str]:
    """The named dims that an operation needs the sizes of, in its loops' bodies too."""
    fields = [getattr(node.op, field.name) for field in attrs.fields(type(node.op))]
    return _names_in([*fields, *(value.type.shape for value in node.outputs)])


def _names_in(thing: object) -> frozenset[str]:
    if isinstance(thing, DimExpr):
        return names(thing)
    if isinstance(thing, (tuple, list)):
        return frozenset[str]().union(*map(_names_in, thing))
    return frozenset[str]().union(*map(dims_of, thing.nodes)) if isinstance(thing, Graph) else frozenset()


def contains(graph: Graph, kinds: type[Op] | tuple[type[Op], ...]) -> bool:
    """True when the graph has an operation of these kinds, in loops too."""
    return any(
        isinstance(node.op, kinds) or any(contains(body, kinds) for body in bodies(node.op)) for node in graph.nodes
    )


def map_bodies(graph: Graph, change: Callable[[Graph], Graph]) -> Graph:
    """The graph with every body of its loops changed, innermost first; the change must keep a body's inputs and
    outputs."""

    def changed(node: Node) -> Node:
        fields = {field.name: getattr(node.op, field.name) for field in attrs.fields(type(node.op))}
        inner = {name: change(map_bodies(value, change)) for name, value in fields.items() if isinstance(value, Graph)}
        return attrs.evolve(node, op=attrs.evolve(node.op, **inner)) if inner else node

    return attrs.evolve(graph, nodes=tuple(changed(node) for node in graph.nodes))


def prefixed(graph: Graph, prefix: str) -> Graph:
    """The graph with the prefix before every name, so that a loop's body can stand in one namespace with its
    surroundings."""
    moved = {value: Value(prefix + value.name, value.type) for value in (*graph.inputs, *graph.producers())}

    def rename(values: Sequence[Value]) -> tuple[Value, ...]:
        return tuple(moved[value] for value in values)

    nodes = tuple(attrs.evolve(node, inputs=rename(node.inputs), outputs=rename(node.outputs)) for node in graph.nodes)
    outputs = tuple((name, moved[value]) for name, value in graph.outputs)
    return attrs.evolve(graph, inputs=rename(graph.inputs), nodes=nodes, outputs=outputs)


def rewrite(graph: Graph, rule: Rule) -> Graph:
    """A copy of the graph in which the rule may replace nodes.

    The rule gets each node, its operands in the new graph and the builder; it returns the values that stand for the
    node's results, or None to copy the node as it is.
    """
    builder = GraphBuilder(graph.name, graph.dims)
    moved = {value: builder.input(value.name, value.type) for value in graph.inputs}
    for node in graph.nodes:
        inputs = tuple(moved[value] for value in node.inputs)
        results = rule(node, inputs, builder)
        if results is None:
            results = copy_node(node, inputs, builder)
        moved.update(zip(node.outputs, results, strict=True))
    return builder.finish([(name, moved[value]) for name, value in graph.outputs], graph.returns)


def copy_node(node: Node, inputs: Sequence[Value], builder: GraphBuilder) -> tuple[Value, ...]:
    """The same operation on other operands, under its old name."""
    return builder.add_all(node.op, inputs, node.origin, node.outputs[0].name)
