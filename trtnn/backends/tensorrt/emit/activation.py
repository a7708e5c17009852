"""Emitter of the activations: TensorRT's own where it has one, else a few layers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from trtnn.backends.tensorrt.emit.emitter import Emitter, Tensor, emit_op
from trtnn.errors import UnsupportedError
from trtnn.graph import Node
from trtnn.graph.ops import Activation

_NATIVE = {
    "relu": "RELU",
    "leaky_relu": "LEAKY_RELU",
    "elu": "ELU",
    "selu": "SELU",
    "sigmoid": "SIGMOID",
    "hard_sigmoid": "HARD_SIGMOID",
    "tanh": "TANH",
    "softplus": "SOFTPLUS",
    "softsign": "SOFTSIGN",
    "gelu": "GELU_ERF",
    "gelu_tanh": "GELU_TANH",
    "threshold": "THRESHOLDED_RELU",
}
_PARAMETERS = {
    "leaky_relu": ("alpha",),
    "elu": ("alpha",),
    "selu": ("alpha", "beta"),
    "hard_sigmoid": ("alpha", "beta"),
    "threshold": ("alpha",),
}


@emit_op.register(Activation)
def activation(op: Activation, node: Node, net: Emitter) -> Tensor:
    """One layer, or a product with one."""
    x = net.tensor(node.inputs[0])
    if op.kind in _NATIVE:
        settings: dict[str, Any] = {name: getattr(op, name) for name in _PARAMETERS.get(op.kind, ())}
        if op.kind == "softplus":
            settings = {"alpha": 1.0, "beta": 1.0}  # alpha * log(1 + exp(beta * x))
        return _native(net, x, _NATIVE[op.kind], **settings)
    if op.kind == "swish":
        return net.elementwise("PROD", x, _native(net, x, "SIGMOID"))
    if op.kind == "hard_swish":
        return net.elementwise("PROD", x, _native(net, x, "HARD_SIGMOID", alpha=1 / 6, beta=0.5))
    if op.kind == "mish":
        return net.elementwise("PROD", x, _native(net, _native(net, x, "SOFTPLUS", alpha=1.0, beta=1.0), "TANH"))
    if op.kind == "clip":
        return _clip(op, node, net, x)
    raise UnsupportedError(node.origin.path or None, problem=f"unknown activation {op.kind!r}", line=node.origin.line)


def _native(net: Emitter, x: Tensor, kind: str, **settings: Any) -> Tensor:
    return net.add("activation", x, getattr(net.trt.ActivationType, kind), **settings)


def _clip(op: Activation, node: Node, net: Emitter, x: Tensor) -> Tensor:
    """TensorRT's clip takes finite bounds; an infinite one is no bound at all."""
    if math.isfinite(op.alpha) and math.isfinite(op.beta):
        return _native(net, x, "CLIP", alpha=op.alpha, beta=op.beta)
    type = node.output.type
    for bound, operation in ((op.alpha, "MAX"), (op.beta, "MIN")):
        if bound != (-np.inf if operation == "MAX" else np.inf):
            x = net.elementwise(operation, x, net.number(bound, type.dtype, type.rank))
    return x
