"""Emitters of layer, group and local response normalization."""

from __future__ import annotations

import numpy as np

from trtnn.backends.tensorrt.emit.emitter import Emitter, Tensor, emit_op
from trtnn.backends.tensorrt.emit.operands import in_shape, per_channel
from trtnn.graph import Node
from trtnn.graph.ops import GroupNorm, LayerNorm, LocalResponseNorm


@emit_op.register(LayerNorm)
def layer_norm(op: LayerNorm, node: Node, net: Emitter) -> Tensor:
    """A normalization layer, whose scale and bias have the input's rank."""
    shape = node.output.type.shape
    axes = [axis % len(shape) for axis in op.axes]
    spread = tuple(size if axis in axes else 1 for axis, size in enumerate(shape))
    scale, bias = (in_shape(net, value, spread) for value in node.inputs[1:])
    mask = sum(1 << axis for axis in axes)
    return net.add("normalization", net.tensor(node.inputs[0]), scale, bias, mask, epsilon=op.epsilon)


@emit_op.register(GroupNorm)
def group_norm(op: GroupNorm, node: Node, net: Emitter) -> Tensor:
    """A normalization layer over the spatial axes; to TensorRT one group is none, so then over the channels as well.

    A scale per group is what every version takes, so gamma and beta come behind, unless every channel is a group.
    """
    type, x = node.output.type, net.tensor(node.inputs[0])
    gamma, beta = (per_channel(net, value, type.rank) for value in node.inputs[1:])
    spatial = sum(1 << axis for axis in range(2, type.rank))
    if op.groups == type.shape[1]:
        return net.add("normalization", x, gamma, beta, spatial, epsilon=op.epsilon)
    shape = (1, op.groups, *(1,) * (type.rank - 2))
    ones, zeros = (net.constant(np.full(shape, value, type.dtype.numpy)) for value in (1, 0))
    mask = spatial | 2 if op.groups == 1 else spatial
    y = net.add("normalization", x, ones, zeros, mask, epsilon=op.epsilon, num_groups=op.groups)
    return net.elementwise("SUM", net.elementwise("PROD", y, gamma), beta)


@emit_op.register(LocalResponseNorm)
def local_response_norm(op: LocalResponseNorm, node: Node, net: Emitter) -> Tensor:
    """An LRN layer, which divides its alpha by the window."""
    window = 2 * op.radius + 1
    return net.add("lrn", net.tensor(node.inputs[0]), window, op.alpha * window, op.beta, op.bias)
