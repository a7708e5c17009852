"""Emitters of the operations that move elements without computing with them."""

from __future__ import annotations

from trtnn.backends.tensorrt.emit.emitter import Emitter, Tensor, emit_op
from trtnn.backends.tensorrt.emit.slicing import pad, slice_layer, stretch
from trtnn.graph import Node
from trtnn.graph.ops import Broadcast, Concat, DimValues, Gather, Pad, Reshape, Slice, Transpose

_PAD_MODES = {"constant": "FILL", "reflect": "REFLECT", "edge": "CLAMP"}


@emit_op.register(DimValues)
def dim_values(op: DimValues, node: Node, net: Emitter) -> Tensor:
    """The sizes, as shape arithmetic."""
    return net.sizes.vector(op.sizes)


@emit_op.register(Reshape)
def reshape(op: Reshape, node: Node, net: Emitter) -> Tensor:
    """A shuffle layer."""
    return net.reshape(net.tensor(node.inputs[0]), node.inputs[0].type.shape, op.shape)


@emit_op.register(Transpose)
def transpose(op: Transpose, node: Node, net: Emitter) -> Tensor:
    """A shuffle layer."""
    return net.add("shuffle", net.tensor(node.inputs[0]), first_transpose=op.permutation)


@emit_op.register(Broadcast)
def broadcast(op: Broadcast, node: Node, net: Emitter) -> Tensor:
    """A slice layer with steps of 0."""
    return stretch(net, net.tensor(node.inputs[0]), node.inputs[0].type.shape, op.shape)


@emit_op.register(Concat)
def concat(op: Concat, node: Node, net: Emitter) -> Tensor:
    """A concatenation layer."""
    return net.add("concatenation", net.tensors(node), axis=op.axis % node.output.type.rank)


@emit_op.register(Slice)
def slice_(op: Slice, node: Node, net: Emitter) -> Tensor:
    """A slice layer."""
    return slice_layer(net, net.tensor(node.inputs[0]), op.starts, op.sizes, op.steps)


@emit_op.register(Pad)
def pad_(op: Pad, node: Node, net: Emitter) -> Tensor:
    """A slice layer that starts before the first element and ends behind the last one."""
    x = node.inputs[0]
    fill = net.number(op.value, x.type.dtype, 0) if op.mode == "constant" else None
    return pad(net, net.tensor(x), x.type.shape, op.pairs, _PAD_MODES[op.mode], fill)


@emit_op.register(Gather)
def gather(op: Gather, node: Node, net: Emitter) -> Tensor:
    """A gather layer."""
    x, indices = net.tensors(node)
    return net.add("gather", x, indices, op.axis % node.inputs[0].type.rank)
