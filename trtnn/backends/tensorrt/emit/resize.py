"""Emitter of resizing."""

from __future__ import annotations

from typing import Any

from trtnn.backends.tensorrt.emit.emitter import Emitter, Tensor, emit_op
from trtnn.graph import Node
from trtnn.graph.ops import Resize

_ROUNDING = {"half_pixel": "HALF_UP", "asymmetric": "FLOOR", "align_corners": "HALF_UP"}


@emit_op.register(Resize)
def resize(op: Resize, node: Node, net: Emitter) -> Tensor:
    """A resize layer to a shape; its selector for a single element stays at the formula."""
    trt, shape = net.trt, node.output.type.shape
    settings: dict[str, Any] = {
        "resize_mode": getattr(trt.InterpolationMode, op.method.upper()),
        "coordinate_transformation": getattr(trt.ResizeCoordinateTransformation, op.coordinates.upper()),
        "selector_for_single_pixel": trt.ResizeSelector.FORMULA,
    }
    if op.method == "nearest":
        settings["nearest_rounding"] = getattr(trt.ResizeRoundMode, _ROUNDING[op.coordinates])
    if all(isinstance(size, int) for size in shape):
        return net.add("resize", net.tensor(node.inputs[0]), shape=shape, **settings)
    return net.add("resize", net.tensor(node.inputs[0]), inputs={1: net.sizes.vector(shape)}, **settings)
