"""Normalization by statistics of the activations, to ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np

from trtnn.backends.onnxruntime.emit.emitter import emit_op
from trtnn.backends.onnxruntime.model import ModelBuilder
from trtnn.graph import DType, Node
from trtnn.graph import ops as g


@emit_op.register
def _(op: g.LayerNorm, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    """ONNX normalizes over the last axes only; other axes go there and come back."""
    rank = node.output.type.rank
    axes = [axis % rank for axis in op.axes]
    kept = [axis for axis in range(rank) if axis not in axes]
    x, gamma, beta = inputs
    options: dict[str, Any] = {"axis": len(kept), "epsilon": op.epsilon}
    if axes == list(range(len(kept), rank)):
        model.node("LayerNormalization", [x, gamma, beta], node.output.name, **options)
        return
    order = kept + axes
    moved = model.node("LayerNormalization", [model.node("Transpose", [x], perm=order), gamma, beta], **options)
    model.node("Transpose", [moved], node.output.name, perm=[order.index(axis) for axis in range(rank)])


@emit_op.register
def _(op: g.GroupNorm, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    """An instance normalization whose channels are the groups, then gamma and beta per channel."""
    x, gamma, beta = inputs
    type = node.output.type
    channels = type.shape[1]
    if op.groups == channels:
        model.node("InstanceNormalization", [x, gamma, beta], node.output.name, epsilon=op.epsilon)
        return
    ones, zeros = (model.constant(np.full(op.groups, value, type.dtype.numpy)) for value in (1, 0))
    grouped = model.node("Reshape", [x, model.ints([0, op.groups, -1])])
    normal = model.node("InstanceNormalization", [grouped, ones, zeros], epsilon=op.epsilon)
    back = model.node("Reshape", [normal, model.sizes(type.shape)])
    column = model.ints([-1, *(1,) * (type.rank - 2)])
    scaled = model.node("Mul", [back, model.node("Reshape", [gamma, column])])
    model.node("Add", [scaled, model.node("Reshape", [beta, column])], node.output.name)


@emit_op.register
def _(op: g.LocalResponseNorm, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    """ONNX Runtime's LRN is slow on a CPU: a 1x1 convolution of the squares adds them up five times as fast."""
    (x,), type = inputs, node.output.type
    channels = type.shape[1]
    if type.dtype is not DType.float32 or not isinstance(channels, int):
        size = 2 * op.radius + 1
        alpha = op.alpha * size  # ONNX divides its alpha by the window
        model.node("LRN", inputs, node.output.name, size=size, alpha=alpha, beta=op.beta, bias=op.bias)
        return
    places = np.arange(channels)
    near = np.abs(places[:, None] - places) <= op.radius
    kernel = model.constant((near * op.alpha).astype(np.float32)[:, :, None, None])
    bias = model.constant(np.full(channels, op.bias, np.float32))
    total = model.node("Conv", [model.node("Mul", [x, x]), kernel, bias], kernel_shape=[1, 1])
    model.node("Div", [x, _power(total, op.beta, model)], node.output.name)


def _power(x: str, exponent: float, model: ModelBuilder) -> str:
    """``x ** exponent``, by square roots for the usual exponents."""
    if exponent == 1:
        return x
    if exponent not in (0.5, 0.75):
        return model.node("Pow", [x, model.constant(np.array(exponent, np.float32))])
    root = model.node("Sqrt", [x])
    return root if exponent == 0.5 else model.node("Mul", [root, model.node("Sqrt", [root])])
