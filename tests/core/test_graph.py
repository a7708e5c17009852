"""The graph: its builder, its text, and a verifier that sees every kind of broken graph."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np
import pytest

from trtnn.errors import GraphError, ShapeError
from trtnn.graph import Dim, DType, Graph, GraphBuilder, Node, Origin, TensorType, Value, as_dtype, rewrite, verify
from trtnn.graph import ops as g
from trtnn.graph.dims import symbol


def small_graph() -> Graph:
    """relu(x) + 1 over (batch, 3)."""
    builder = GraphBuilder("Small", {"batch": Dim("batch", 1, 2, 8)})
    x = builder.input("x", TensorType(DType.float32, (symbol("batch"), 3)))
    one = builder.add(g.constant(np.ones((1, 3), np.float32)))
    y = builder.add(g.Activation("relu"), [x], Origin("block"))
    return builder.finish([("y", builder.add(g.Binary("add"), [y, one], Origin("block")))], "tensor")


def test_text_of_a_graph() -> None:
    assert str(small_graph()) == (
        "graph Small(%x: f32[batch, 3])\n"
        "  where batch in 1..8\n"
        "  %constant = constant : f32[1, 3]\n"
        "  %block.relu = relu(%x) : f32[batch, 3]  # block\n"
        "  %block.add = add(%block.relu, %constant) : f32[batch, 3]  # block\n"
        "  return y=%block.add"
    )


def test_a_good_graph_is_verified_and_returned() -> None:
    graph = small_graph()
    assert verify(graph) is graph


def reordered(graph: Graph) -> Graph:
    return attrs.evolve(graph, nodes=graph.nodes[::-1])


def made_twice(graph: Graph) -> Graph:
    return attrs.evolve(graph, nodes=(*graph.nodes, graph.nodes[-1]))


def one_name_for_two(graph: Graph) -> Graph:
    node = graph.nodes[1]
    twin = Node(node.op, node.inputs, (Value(node.output.name, node.output.type),), node.origin)
    return attrs.evolve(graph, nodes=(*graph.nodes, twin))


def wrong_type(graph: Graph) -> Graph:
    node = graph.nodes[1]
    wrong = Value("wrong", TensorType(DType.float16, node.output.type.shape))
    return attrs.evolve(graph, nodes=(*graph.nodes, Node(node.op, node.inputs, (wrong,), node.origin)))


def illegal_operands(graph: Graph) -> Graph:
    node = graph.nodes[-1]
    made = Value("made", TensorType(DType.float32, (2, 3)))
    return attrs.evolve(graph, nodes=(*graph.nodes, Node(g.Conv((1,), "same", (1,)), node.inputs, (made,), Origin())))


def foreign_dim(graph: Graph) -> Graph:
    made = Value("made", TensorType(DType.float32, (symbol("width"), 3)))
    op = g.Broadcast(made.type.shape)
    return attrs.evolve(graph, nodes=(*graph.nodes, Node(op, (graph.nodes[0].output,), (made,), Origin())))


def foreign_output(graph: Graph) -> Graph:
    return attrs.evolve(graph, outputs=(("y", Value("nowhere", TensorType(DType.float32, ()))),))


def no_output(graph: Graph) -> Graph:
    return attrs.evolve(graph, outputs=())


def one_output_name_twice(graph: Graph) -> Graph:
    return attrs.evolve(graph, outputs=graph.outputs * 2)


def lying_constant(graph: Graph) -> Graph:
    made = Value("made", TensorType(DType.float32, (2,)))
    op = g.Constant(made.type, np.ones(3, np.float32), "fc.bias")
    return attrs.evolve(graph, nodes=(*graph.nodes, Node(op, (), (made,), Origin())))


@pytest.mark.parametrize(
    ("break_it", "text"),
    [
        (reordered, r"block\.add.*block\.relu"),
        (made_twice, "block.add: is made twice"),
        (one_name_for_two, "block.relu: two values have this name"),
        (wrong_type, r"expected f32\[batch, 3\], got f16\[batch, 3\]"),
        (illegal_operands, "is not legal: .*expected an input of rank 3, got rank 2"),
        (foreign_dim, "made: expected dims of the graph's inputs, got width"),
        (foreign_output, "y: the output %nowhere is not part of the graph"),
        (no_output, r"Small: expected at least one output, under distinct names, got \[\]"),
        (one_output_name_twice, r"Small: expected at least one output, under distinct names, got \['y', 'y'\]"),
        (lying_constant, r"fc\.bias: expected f32\[2\], got an array float32\(3,\)"),
    ],
)
def test_verify_sees_a_broken_graph(break_it: Callable[[Graph], Graph], text: str) -> None:
    with pytest.raises(GraphError, match=text):
        verify(break_it(small_graph()))


def test_the_builder_gives_every_value_its_own_name() -> None:
    builder = GraphBuilder("Names", {})
    x = builder.input("relu", TensorType(DType.float32, (2,)))
    names = [builder.add(g.Activation("relu"), [x]).name for _ in range(3)]
    assert names == ["relu_1", "relu_2", "relu_3"]
    assert builder.add(g.Activation("relu"), [x], name="relu_1").name == "relu_1_1"


def test_the_builder_says_where_an_operation_comes_from() -> None:
    builder = GraphBuilder("Where", {})
    x = builder.input("x", TensorType(DType.float32, (2, 3)))
    with pytest.raises(ShapeError, match=r"^encoder\.fc: transpose: expected a permutation of \(0, 1\), got \(0, 0\)"):
        builder.add(g.Transpose((0, 0)), [x], Origin("encoder.fc"))


@pytest.mark.parametrize(("start", "count", "step"), [(1, 3, 1), (3, 1, 1), (-1, 2, 1), (2, 4, -1), (0, 0, 1)])
def test_a_slice_stays_inside(start: int, count: int, step: int) -> None:
    builder = GraphBuilder("Where", {})
    x = builder.input("x", TensorType(DType.float32, (3,)))
    text = rf"at least one element inside 0\.\.2 on axis 0, got {count} from {start} in steps of {step}"
    with pytest.raises(ShapeError, match=text):
        builder.add(g.Slice((start,), (count,), (step,)), [x])


def test_rewrite_replaces_nodes_and_keeps_the_rest() -> None:
    graph = small_graph()
    text = str(graph)

    def rule(node: Node, inputs: tuple[Value, ...], builder: GraphBuilder) -> list[Value] | None:
        if not isinstance(node.op, g.Activation):
            return None
        return [builder.add(g.Activation("tanh"), inputs, node.origin, node.output.name)]

    rewritten = verify(rewrite(graph, rule))
    assert str(rewritten) == text.replace("relu(", "tanh(")
    assert str(graph) == text


def test_consumers_count_every_use() -> None:
    graph = small_graph()
    uses = {value.name: len(nodes) for value, nodes in graph.consumers().items()}
    assert uses == {"x": 1, "constant": 1, "block.relu": 1, "block.add": 0}
    assert [value.name for value in graph.output_values()] == ["block.add"]


@pytest.mark.parametrize("given", ["float32", np.float32, np.dtype("float32"), DType.float32])
def test_a_dtype_from_whatever_names_it(given: object) -> None:
    assert as_dtype(given) is DType.float32
    assert (DType.float32.short, DType.uint8.short, DType.int64.short, DType.bool.short) == ("f32", "u8", "i64", "bool")
