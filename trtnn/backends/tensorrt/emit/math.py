"""Emitters of elementwise arithmetic, comparison, matrix products and reductions."""

from __future__ import annotations

from trtnn.backends.tensorrt.emit.emitter import Emitter, Tensor, emit_op
from trtnn.graph import DType, Node
from trtnn.graph.ops import ArgMax, Binary, Cast, MatMul, Reduce, Select, Unary

_UNARY = {"negative": "NEG", "reciprocal": "RECIP", "logical_not": "NOT"}  # the others have TensorRT's name
_BINARY = {
    "add": "SUM",
    "subtract": "SUB",
    "multiply": "PROD",
    "divide": "DIV",
    "floor_divide": "FLOOR_DIV",
    "power": "POW",
    "maximum": "MAX",
    "minimum": "MIN",
    "equal": "EQUAL",
    "less": "LESS",
    "greater": "GREATER",
    "logical_and": "AND",
    "logical_or": "OR",
    "logical_xor": "XOR",
}
_REDUCE = {"sum": "SUM", "mean": "AVG", "max": "MAX", "min": "MIN", "prod": "PROD"}


@emit_op.register(Unary)
def unary(op: Unary, node: Node, net: Emitter) -> Tensor:
    """A unary layer."""
    return net.unary(_UNARY.get(op.kind, op.kind.upper()), net.tensor(node.inputs[0]))


@emit_op.register(Binary)
def binary(op: Binary, node: Node, net: Emitter) -> Tensor:
    """An elementwise layer, or several."""
    x, y = net.tensors(node)
    if op.kind == "mod":
        return _mod(net, x, y)
    if op.kind == "floor_divide" and node.output.type.dtype.is_float:  # TensorFlow rounds the quotient first
        return net.unary("FLOOR", net.elementwise("DIV", x, y))
    if op.kind == "equal" and node.inputs[0].type.dtype is DType.bool:
        return net.unary("NOT", net.elementwise("XOR", x, y))
    if op.kind == "equal" and node.inputs[0].type.dtype is DType.int8:
        x, y = (net.add("cast", one, net.trt.DataType.INT32) for one in (x, y))
    return net.elementwise(_BINARY[op.kind], x, y)


def _mod(net: Emitter, x: Tensor, y: Tensor) -> Tensor:
    """``x - floor(x / y) * y``, which has the sign of y, as in Python."""
    return net.elementwise("SUB", x, net.elementwise("PROD", net.elementwise("FLOOR_DIV", x, y), y))


@emit_op.register(Select)
def select(op: Select, node: Node, net: Emitter) -> Tensor:
    """A select layer."""
    return net.add("select", *net.tensors(node))


@emit_op.register(Cast)
def cast(op: Cast, node: Node, net: Emitter) -> Tensor:
    """A cast layer; uint8 is a float inside the network, wrapped to 0..255 on the way there."""
    x, source = net.tensor(node.inputs[0]), node.inputs[0].type
    if op.dtype is DType.uint8 and source.dtype is not DType.uint8:
        if source.dtype not in (DType.int32, DType.int64):
            x, source = net.add("cast", x, net.trt.DataType.INT32), source.__class__(DType.int32, source.shape)
        x = _mod(net, x, net.number(256, source.dtype, source.rank))
    elif net.element_type(op.dtype) == net.element_type(source.dtype):
        return x
    return net.add("cast", x, net.element_type(op.dtype))


@emit_op.register(MatMul)
def matmul(op: MatMul, node: Node, net: Emitter) -> Tensor:
    """A matrix product; a second operand of rank 2 gets axes of size 1 in front, since ranks must agree."""
    left, right = node.inputs
    front = (1,) * (left.type.rank - right.type.rank)
    data = net.array(right)
    if data is not None:
        y = net.constant(data.reshape(front + data.shape)) if front else net.tensor(right)
    else:
        y = (
            net.reshape(net.tensor(right), right.type.shape, (*front, *right.type.shape))
            if front
            else net.tensor(right)
        )
    kinds = net.trt.MatrixOperation
    return net.add(
        "matrix_multiply", net.tensor(left), kinds.NONE, y, kinds.TRANSPOSE if op.transpose_y else kinds.NONE
    )


@emit_op.register(Reduce)
def reduce(op: Reduce, node: Node, net: Emitter) -> Tensor:
    """A reduce layer."""
    mask = sum(1 << axis % node.inputs[0].type.rank for axis in op.axes)
    kind = getattr(net.trt.ReduceOperation, _REDUCE[op.kind])
    return net.add("reduce", net.tensor(node.inputs[0]), kind, mask, op.keepdims)


@emit_op.register(ArgMax)
def argmax(op: ArgMax, node: Node, net: Emitter) -> Tensor:
    """The index that a top-1 layer gives; it takes no vectors, so a vector is a row."""
    x, shape, axis = net.tensor(node.inputs[0]), node.inputs[0].type.shape, op.axis % node.inputs[0].type.rank
    if len(shape) == 1:
        x, shape, axis = net.reshape(x, shape, (1, *shape)), (1, *shape), 1
    found = net.add("topk", x, net.trt.TopKOperation.MAX, 1, 1 << axis, output=1)
    kept = (*shape[:axis], 1, *shape[axis + 1 :])
    return net.reshape(net.add("cast", found, net.trt.DataType.INT64), kept, node.output.type.shape)
