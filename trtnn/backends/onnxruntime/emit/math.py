"""Elementwise operations, matrix products and reductions."""

from __future__ import annotations

import numpy as np

from trtnn.backends.onnxruntime.emit.emitter import emit_op
from trtnn.backends.onnxruntime.model import ELEMENT_TYPES, ModelBuilder
from trtnn.graph import DType, Node
from trtnn.graph import ops as g

UNARY = {"negative": "Neg", "logical_not": "Not"}
BINARY = {
    "subtract": "Sub",
    "multiply": "Mul",
    "divide": "Div",
    "power": "Pow",
    "maximum": "Max",
    "minimum": "Min",
    "logical_and": "And",
    "logical_or": "Or",
    "logical_xor": "Xor",
}


@emit_op.register
def _(op: g.Unary, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    model.node(UNARY.get(op.kind, op.kind.capitalize()), inputs, node.output.name)


@emit_op.register
def _(op: g.Binary, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    x, y = inputs
    is_float = node.inputs[0].type.dtype.is_float
    if op.kind == "mod":
        _emit_mod(x, y, is_float, model, node.output.name)
    elif op.kind == "floor_divide" and is_float:
        model.node("Floor", [model.node("Div", [x, y])], node.output.name)
    elif op.kind == "floor_divide":
        _emit_integer_floor_divide(x, y, node, model)
    else:
        model.node(BINARY.get(op.kind, op.kind.capitalize()), inputs, node.output.name)


def _emit_integer_floor_divide(x: str, y: str, node: Node, model: ModelBuilder) -> None:
    """ONNX's integer division truncates: one less where the remainders of truncating and rounding down differ."""
    quotient = model.node("Div", [x, y])
    truncated = model.node("Sub", [x, model.node("Mul", [quotient, y])])
    exact = model.node("Equal", [truncated, model.node("Mod", [x, y])])
    one = model.constant(np.asarray(1, node.output.type.dtype.numpy))
    model.node("Where", [exact, quotient, model.node("Sub", [quotient, one])], node.output.name)


def _emit_mod(x: str, y: str, is_float: bool, model: ModelBuilder, output: str) -> str:
    """The remainder with the sign of y. ONNX's has it for integers; for floats it has the sign of x, so y is added
    where they differ."""
    if not is_float:
        return model.node("Mod", [x, y], output)
    rest = model.node("Mod", [x, y], fmod=1)
    differs = model.node("Less", [model.node("Mul", [rest, model.node("Sign", [y])]), model.node("Sub", [rest, rest])])
    return model.node("Where", [differs, model.node("Add", [rest, y]), rest], output)


@emit_op.register
def _(op: g.Select, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    condition, x, y = inputs
    if node.output.type.dtype is not DType.bool:
        model.node("Where", inputs, node.output.name)
        return
    yes = model.node("And", [condition, x])  # ONNX Runtime has no Where for bools
    no = model.node("And", [model.node("Not", [condition]), y])
    model.node("Or", [yes, no], node.output.name)


@emit_op.register
def _(op: g.Cast, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    model.node("Cast", inputs, node.output.name, to=ELEMENT_TYPES[op.dtype])


@emit_op.register
def _(op: g.MatMul, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    x, y = inputs
    if op.transpose_y:
        rank = node.inputs[1].type.rank
        y = model.node("Transpose", [y], perm=(*range(rank - 2), rank - 1, rank - 2))
    model.node("MatMul", [x, y], node.output.name)


@emit_op.register
def _(op: g.Reduce, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    kind = f"Reduce{op.kind.capitalize()}"
    model.node(kind, [*inputs, model.ints(op.axes)], node.output.name, keepdims=int(op.keepdims))


@emit_op.register
def _(op: g.ArgMax, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    model.node("ArgMax", inputs, node.output.name, axis=op.axis, keepdims=0)
