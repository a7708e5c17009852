"""Elementwise nodes: arithmetic, comparisons, activations, casts."""

from __future__ import annotations

import functools

import numpy as np
import onnx
from onnx import helper

from onnx_nodes.reader import Node, NotApplicable, Reader, as_dtype, reads
from trtnn.graph import DType, Value
from trtnn.graph import ops as g
from trtnn.graph.ops.math import UNARY_FLOAT, UNARY_NUMBER

UNARY = {kind.capitalize(): kind for kind in (UNARY_FLOAT | UNARY_NUMBER) - {"negative"}}
UNARY |= {"Neg": "negative", "Not": "logical_not"}
ACTIVATIONS = {  # kind of node -> the graph's kind, and the attributes that hold alpha and beta with their defaults
    "Relu": ("relu", {}),
    "LeakyRelu": ("leaky_relu", {"alpha": 0.01}),
    "Elu": ("elu", {"alpha": 1.0}),
    "Selu": ("selu", {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}),
    "Sigmoid": ("sigmoid", {}),
    "HardSigmoid": ("hard_sigmoid", {"alpha": 0.2, "beta": 0.5}),
    "Tanh": ("tanh", {}),
    "Softplus": ("softplus", {}),
    "Softsign": ("softsign", {}),
    "HardSwish": ("hard_swish", {}),
    "Mish": ("mish", {}),
    "ThresholdedRelu": ("threshold", {"alpha": 1.0}),
}
BINARY = {
    "Add": "add",
    "Sub": "subtract",
    "Mul": "multiply",
    "And": "logical_and",
    "Or": "logical_or",
    "Xor": "logical_xor",
    "Equal": "equal",
    "Less": "less",
    "Greater": "greater",
}
VARIADIC = {"Max": "maximum", "Min": "minimum", "Sum": "add"}


@reads(*UNARY)
def _(reader: Reader, node: Node) -> Value:
    return reader.add(g.Unary(UNARY[node.kind]), *reader.operands(node))


@reads(*ACTIVATIONS)
def _(reader: Reader, node: Node) -> Value:
    kind, options = ACTIVATIONS[node.kind]
    return reader.add(
        g.Activation(kind, *(node.get(name, value) for name, value in options.items())), *reader.operands(node)
    )


@reads("Gelu")
def _(reader: Reader, node: Node) -> Value:
    kind = "gelu_tanh" if node.get("approximate", "none") == "tanh" else "gelu"
    return reader.add(g.Activation(kind), *reader.operands(node))


@reads("Swish")
def _(reader: Reader, node: Node) -> Value:
    node.require(alpha=1.0)
    return reader.add(g.Activation("swish"), *reader.operands(node))


@reads("Clip")
def _(reader: Reader, node: Node) -> Value:
    low, high = (float(reader.static(node, place, bound)) for place, bound in ((1, -np.inf), (2, np.inf)))
    if low > high:
        raise NotApplicable("Clip with a minimum above the maximum")
    return reader.add(g.Activation("clip", low, high), reader.value(node.inputs[0]))


@reads("PRelu")
def _(reader: Reader, node: Node) -> Value:
    return reader.add(g.PRelu(), *reader.aligned(reader.operands(node)))


@reads(*BINARY)
def _(reader: Reader, node: Node) -> Value:
    return reader.binary(BINARY[node.kind], *reader.operands(node))


@reads("Div")
def _(reader: Reader, node: Node) -> Value:
    x, y = reader.operands(node)
    if not x.type.dtype.is_float:
        raise NotApplicable("Div of integers, which rounds toward zero")
    return reader.binary("divide", x, y)


@reads("Mod")
def _(reader: Reader, node: Node) -> Value:
    node.require(fmod=0)
    return reader.binary("mod", *reader.operands(node))


@reads("Pow")
def _(reader: Reader, node: Node) -> Value:
    x, y = reader.operands(node)
    return reader.binary("power", x, y if y.type.dtype is x.type.dtype else reader.add(g.Cast(x.type.dtype), y))


@reads("LessOrEqual", "GreaterOrEqual")
def _(reader: Reader, node: Node) -> Value:
    x, y = reader.operands(node)
    strict = reader.binary("less" if node.kind.startswith("Less") else "greater", x, y)
    return reader.binary("logical_or", strict, reader.binary("equal", x, y))


@reads(*VARIADIC)
def _(reader: Reader, node: Node) -> Value:
    return functools.reduce(functools.partial(reader.binary, VARIADIC[node.kind]), reader.operands(node))


@reads("Mean")
def _(reader: Reader, node: Node) -> Value:
    operands = reader.operands(node)
    total = functools.reduce(functools.partial(reader.binary, "add"), operands)
    return reader.binary("divide", total, reader.like(total, len(operands)))


@reads("Where")
def _(reader: Reader, node: Node) -> Value:
    return reader.add(g.Select(), *reader.aligned(reader.operands(node)))


@reads("Cast", "CastLike")
def _(reader: Reader, node: Node) -> Value:
    x = reader.value(node.inputs[0])
    wanted = reader.type_of(node.inputs[1]).dtype if node.kind == "CastLike" else _as_dtype(node.get("to"))
    return x if wanted is x.type.dtype else reader.add(g.Cast(wanted), x)


def _as_dtype(element: int) -> DType:
    return as_dtype("string" if element == onnx.TensorProto.STRING else helper.tensor_dtype_to_np_dtype(element).name)


@reads("Identity")
def _(reader: Reader, node: Node) -> Value:
    return reader.value(node.inputs[0])


@reads("Dropout")
def _(reader: Reader, node: Node) -> Value:
    node.require_outputs(1)
    if reader.static(node, 2, False):
        raise NotApplicable("Dropout in training")
    return reader.value(node.inputs[0])
