"""Graph to ONNX: one function per operation, and nothing clever.

Takes a lowered graph: convolutions and pooling channels first, weights loaded.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from trtnn.backends.onnxruntime.model import ELEMENT_TYPES, ModelBuilder, OnnxModel, require_types
from trtnn.errors import UnsupportedError
from trtnn.graph import DType, Graph, Node, Size
from trtnn.graph import ops as g
from trtnn.graph.windows import Padding, resolve

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
ACTIVATION_OPTIONS: dict[str, tuple[str, ...]] = {  # the ONNX attributes that hold alpha and beta
    "leaky_relu": ("alpha",),
    "elu": ("alpha",),
    "selu": ("alpha", "gamma"),
    "hard_sigmoid": ("alpha", "beta"),
    "threshold": ("alpha",),
}
ACTIVATIONS = {
    "leaky_relu": "LeakyRelu",
    "hard_sigmoid": "HardSigmoid",
    "threshold": "ThresholdedRelu",
    "hard_swish": "HardSwish",
}


def emit(graph: Graph) -> OnnxModel:
    """The graph as an ONNX model. Raises UnsupportedError for an operation or data type that ONNX Runtime lacks."""
    require_types(graph)
    builder = ModelBuilder(graph)
    emit_nodes(graph, builder)
    return builder.finish()


def emit_nodes(graph: Graph, model: ModelBuilder) -> None:
    """Adds the ONNX nodes of every operation of the graph."""
    for node in graph.nodes:
        emit_op(node.op, node, [value.name for value in node.inputs], model)


@functools.singledispatch
def emit_op(op: g.Op, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    """Adds the ONNX nodes of one operation; the last one makes the node's output, under its name."""
    raise UnsupportedError(
        node.origin.path or node.output.name,
        problem=f"the target onnxruntime has no {op.name}",
        remedy="register it with trtnn.backends.onnxruntime.emit.emit_op.register",
        line=node.origin.line,
    )


@emit_op.register
def _(op: g.Constant, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    assert op.data is not None, "compile checks that weights are loaded"
    model.constant(op.data, node.output.name)


@emit_op.register
def _(op: g.DimValues, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    model.node("Identity", [model.sizes(op.sizes)], node.output.name)


@emit_op.register
def _(op: g.Conv, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    _require_channels_first(op, node)
    shape = node.inputs[1].type.shape
    window = tuple(size for size in shape[2:] if isinstance(size, int))
    x = inputs[0]
    padding = _padding(op.padding, node, window, op.strides, op.dilations)
    if "auto_pad" in padding and any(d > 1 for d in op.dilations):  # ONNX Runtime refuses the two together
        x, padding = _pad_same(op, node, window, x, model), {}
    model.node(
        "Conv",
        [x, *inputs[1:]],
        node.output.name,
        kernel_shape=window,
        strides=op.strides,
        dilations=op.dilations,
        group=op.groups,
        **padding,
    )


def _pad_same(op: g.Conv, node: Node, window: tuple[int, ...], x: str, model: ModelBuilder) -> str:
    """SAME padding as a node of its own, from run-time sizes: total = max((out - 1) * stride + span - n, 0)."""
    before, after = [model.ints([0, 0])], [model.ints([0, 0])]
    outs, sizes = node.output.type.shape[2:], node.inputs[0].type.shape[2:]
    for out, size, k, s, d in zip(outs, sizes, window, op.strides, op.dilations, strict=True):
        needed: Size = (out - 1) * s + (k - 1) * d + 1 - size
        total = model.node("Max", [model.size(needed), model.size(0)])
        half = model.node("Div", [total, model.size(2)])
        before.append(half)
        after.append(model.node("Sub", [total, half]))
    return model.node("Pad", [x, model.node("Concat", [*before, *after], axis=0)])


@emit_op.register
def _(op: g.Pool, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    _require_channels_first(op, node)
    ones = (1,) * len(op.window)
    padding = _padding(op.padding, node, op.window, op.strides, ones)
    x = _crop_to_windows(op, node, inputs[0], model) if "auto_pad" in padding else inputs[0]
    kind = "MaxPool" if op.kind == "max" else "AveragePool"
    model.node(kind, [x], node.output.name, kernel_shape=op.window, strides=op.strides, **padding)


def _crop_to_windows(op: g.Pool, node: Node, x: str, model: ModelBuilder) -> str:
    """x without what lies behind the last window.

    Where a stride exceeds its window, ONNX Runtime's auto_pad takes that for negative padding.
    """
    outs = node.output.type.shape[2:]
    windows = list(enumerate(zip(outs, op.window, op.strides, strict=True), start=2))
    ends = {axis: (out - 1) * s + k for axis, (out, k, s) in windows if s > k}
    if not ends:
        return x
    starts, axes = model.ints([0] * len(ends)), model.ints(list(ends))
    stops = model.sizes(list(ends.values()))  # a stop past the size means the size
    return model.node("Slice", [x, starts, stops, axes])


@emit_op.register
def _(op: g.BatchNorm, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    x, gamma, beta, mean, variance = inputs
    rank = node.output.type.rank
    if op.axis == 1:
        model.node("BatchNormalization", [x, gamma, beta, mean, variance], node.output.name, epsilon=op.epsilon)
        return
    if op.axis == rank - 1:
        rows = [gamma, beta, mean, variance]  # a vector stretches along the last axis as it is
    else:
        column = model.ints((-1, *(1,) * (rank - 1 - op.axis)))
        rows = [model.node("Reshape", [one, column]) for one in (gamma, beta, mean, variance)]
    epsilon = model.constant(np.asarray(op.epsilon, node.output.type.dtype.numpy))
    deviation = model.node("Sqrt", [model.node("Add", [rows[3], epsilon])])
    scale = model.node("Div", [rows[0], deviation])
    scaled = model.node("Mul", [model.node("Sub", [x, rows[2]]), scale])
    model.node("Add", [scaled, rows[1]], node.output.name)


@emit_op.register
def _(op: g.Activation, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    (x,), kind = inputs, op.kind
    if kind == "clip":
        dtype = node.output.type.dtype.numpy
        bounds = [model.constant(np.asarray(bound, dtype)) for bound in (op.alpha, op.beta)]
        model.node("Clip", [x, *bounds], node.output.name)
    elif kind in ("gelu", "gelu_tanh"):
        model.node("Gelu", [x], node.output.name, approximate="tanh" if kind == "gelu_tanh" else "none")
    elif kind == "swish":
        model.node("Mul", [x, model.node("Sigmoid", [x])], node.output.name)
    else:
        names = ACTIVATION_OPTIONS.get(kind, ())
        options = dict(zip(names, (op.alpha, op.beta), strict=False))
        model.node(ACTIVATIONS.get(kind, kind.capitalize()), [x], node.output.name, **options)


@emit_op.register
def _(op: g.Softmax, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    model.node("Softmax", inputs, node.output.name, axis=op.axis)


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


@emit_op.register
def _(op: g.Reshape, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    model.node("Reshape", [*inputs, _reshape_target(op, node, model)], node.output.name)


def _reshape_target(op: g.Reshape, node: Node, model: ModelBuilder) -> str:
    """The shape as constants where ONNX's placeholders allow: 0 copies the size at the same place, one -1 is worked
    out."""
    old = node.inputs[0].type.shape
    sizes = [
        0 if i < len(old) and size == old[i] and not isinstance(size, int) else size for i, size in enumerate(op.shape)
    ]
    unknown = [i for i, size in enumerate(sizes) if not isinstance(size, int)]
    if len(unknown) > 1:
        return model.sizes(op.shape)
    return model.ints([-1 if i in unknown else size for i, size in enumerate(sizes)])  # type: ignore[misc]


@emit_op.register
def _(op: g.Transpose, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    model.node("Transpose", inputs, node.output.name, perm=op.permutation)


@emit_op.register
def _(op: g.Broadcast, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    model.node("Expand", [*inputs, model.sizes(op.shape)], node.output.name)


@emit_op.register
def _(op: g.Concat, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    model.node("Concat", inputs, node.output.name, axis=op.axis)


@emit_op.register
def _(op: g.Slice, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    moved = [
        axis
        for axis, size in enumerate(node.inputs[0].type.shape)
        if (op.starts[axis], op.sizes[axis], op.steps[axis]) != (0, size, 1)
    ]
    stops: list[Size] = []
    for axis in moved:
        last = op.starts[axis] + (op.sizes[axis] - 1) * op.steps[axis]
        size = node.inputs[0].type.shape[axis]
        stops.append(
            last + 1 if op.steps[axis] > 0 else last - 1 - size
        )  # counted from the end: -1 would mean the last
    starts = model.sizes([op.starts[axis] for axis in moved])
    operands = [*inputs, starts, model.sizes(stops), model.ints(moved), model.ints([op.steps[axis] for axis in moved])]
    model.node("Slice", operands, node.output.name)


@emit_op.register
def _(op: g.Pad, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    amounts = model.sizes([pair[0] for pair in op.pairs] + [pair[1] for pair in op.pairs])
    value = model.constant(np.asarray(op.value, node.output.type.dtype.numpy))
    operands = [*inputs, amounts, value] if op.mode == "constant" else [*inputs, amounts]
    model.node("Pad", operands, node.output.name, mode=op.mode)


@emit_op.register
def _(op: g.Gather, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    model.node("Gather", inputs, node.output.name, axis=op.axis)


def _padding(
    padding: Padding, node: Node, window: tuple[int, ...], strides: tuple[int, ...], dilations: tuple[int, ...]
) -> dict[str, Any]:
    pairs = resolve(padding, node.inputs[0].type.shape[2:], window, strides, dilations)
    if pairs is None:
        return {"auto_pad": "SAME_UPPER"}
    return {"pads": [pair[0] for pair in pairs] + [pair[1] for pair in pairs]}


def _require_channels_first(op: g.Conv | g.Pool, node: Node) -> None:
    if not op.channels_first:
        raise UnsupportedError(
            node.origin.path or node.output.name,
            problem="a channels-last convolution or pooling reached the target",
            remedy="run trtnn.passes.lower on the graph first",
        )
