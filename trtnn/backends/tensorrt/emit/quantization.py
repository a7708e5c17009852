"""Emitters of quantization. Activations have a scale of shape (): with one of shape (1,) TensorRT builds, and silently
computes in float."""

from __future__ import annotations

from typing import Any

from trtnn.backends.tensorrt.emit.emitter import Emitter, Tensor, emit_op
from trtnn.graph import Node
from trtnn.graph.ops import Dequantize, Quantize


@emit_op.register(Quantize)
def quantize(op: Quantize, node: Node, net: Emitter) -> Tensor:
    """A quantize layer; TensorRT has no zero points but zero."""
    x, scale = net.tensors(node)
    return net.add("quantize", x, scale, net.element_type(op.dtype), **_axis(op))


@emit_op.register(Dequantize)
def dequantize(op: Dequantize, node: Node, net: Emitter) -> Tensor:
    """A dequantize layer, on a constant as it is where weights are quantized already."""
    data = net.array(node.inputs[0])
    x = net.tensor(node.inputs[0]) if data is None else net.add("constant", data.shape, data)
    return net.add("dequantize", x, net.tensor(node.inputs[1]), net.element_type(op.dtype), **_axis(op))


def _axis(op: Quantize | Dequantize) -> dict[str, Any]:
    return {} if op.axis is None else {"axis": op.axis}
