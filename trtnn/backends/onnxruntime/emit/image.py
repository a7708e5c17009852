"""Transposed convolution and resizing, to ONNX."""

from __future__ import annotations

from typing import Any

from trtnn.backends.onnxruntime.emit.emitter import emit_op
from trtnn.backends.onnxruntime.model import ModelBuilder
from trtnn.graph import Node
from trtnn.graph import ops as g

_NEAREST = {"half_pixel": "round_prefer_ceil", "asymmetric": "floor", "align_corners": "round_prefer_ceil"}


@emit_op.register
def _(op: g.ConvTranspose, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    """Zeros behind are ONNX's output padding."""
    before, after = zip(*op.crops, strict=True)
    model.node(
        "ConvTranspose",
        inputs,
        node.output.name,
        kernel_shape=node.inputs[1].type.shape[2:],
        strides=op.strides,
        dilations=op.dilations,
        pads=(*before, *(max(amount, 0) for amount in after)),
        output_padding=[max(-amount, 0) for amount in after],
    )


@emit_op.register
def _(op: g.Resize, node: Node, inputs: list[str], model: ModelBuilder) -> None:
    """To sizes, not by scales: a rounded scale would move the coordinates."""
    options: dict[str, Any] = {"mode": op.method, "coordinate_transformation_mode": op.coordinates}
    if op.method == "nearest":
        options["nearest_mode"] = _NEAREST[op.coordinates]
    model.node("Resize", [*inputs, "", "", model.sizes(node.output.type.shape)], node.output.name, **options)
