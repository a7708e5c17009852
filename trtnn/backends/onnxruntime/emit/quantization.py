"""Quantization, to ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np

from trtnn.backends.onnxruntime.emit.emitter import emit_op
from trtnn.backends.onnxruntime.model import ModelBuilder
from trtnn.graph import DType, Node
from trtnn.graph import ops as g


@emit_op.register
def _(op: g.Quantize, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    """The zero point's type says what to quantize to."""
    if op.dtype is DType.float8:
        model.disable("ReluQuantRewrite")  # which drops a relu in front, as if all that is negative became zero
    else:
        model.disable("MatMulAddFusion")  # which makes a Gemm in float of a product that could run on integers
    zero_point = _zero_point(op, node, op.dtype, model)
    model.node("QuantizeLinear", [*inputs, zero_point], node.output.name, **_axis(op, node))


@emit_op.register
def _(op: g.Dequantize, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    zero_point = _zero_point(op, node, node.inputs[0].type.dtype, model)
    model.node("DequantizeLinear", [*inputs, zero_point], node.output.name, **_axis(op, node))


def _axis(op: g.Quantize | g.Dequantize, node: Node) -> dict[str, Any]:
    """Along which axis scales lie; one per block of a matrix's rows lies along axis 0."""
    if op.axis is not None:
        return {"axis": op.axis}
    x, scale = (value.type.shape for value in node.inputs)
    if not scale:
        return {}
    (axis,) = [axis for axis, (size, blocks) in enumerate(zip(x, scale, strict=True)) if size != blocks]
    return {"axis": axis, "block_size": x[axis] // scale[axis]}


def _zero_point(op: g.Quantize | g.Dequantize, node: Node, dtype: DType, model: ModelBuilder) -> str:
    """One of the scale's shape, as ONNX wants it."""
    return model.constant(np.full(node.inputs[1].type.shape, op.zero_point, dtype.numpy))
