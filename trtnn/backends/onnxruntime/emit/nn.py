"""Convolutions, pooling, batch normalization and activations, channels first."""

from __future__ import annotations

from typing import Any

import numpy as np

from trtnn.backends.onnxruntime.emit.emitter import emit_op
from trtnn.backends.onnxruntime.model import ModelBuilder
from trtnn.errors import UnsupportedError
from trtnn.graph import Node, Size
from trtnn.graph import ops as g
from trtnn.graph.windows import Padding, resolve

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
