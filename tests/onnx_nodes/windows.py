"""Nodes of neural networks: convolution, pooling, normalization, softmax."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onnx_nodes.reader import Node, NotApplicable, Reader, reads
from onnx_nodes.shaping import axis_of
from trtnn.graph import Value
from trtnn.graph import ops as g
from trtnn.graph.windows import Padding, resolve


def padding_of(
    node: Node, x: Value, window: tuple[int, ...], strides: tuple[int, ...], dilations: tuple[int, ...]
) -> Padding:
    """The node's padding in the graph's form."""
    spatial, automatic = len(window), node.get("auto_pad", "NOTSET")
    if automatic == "VALID":
        return ((0, 0),) * spatial
    if automatic == "NOTSET":
        pads = node.get("pads", [0] * 2 * spatial)
        return tuple(zip(pads[:spatial], pads[spatial:], strict=True))
    if automatic == "SAME_UPPER":
        return "same"
    pairs = resolve("same", x.type.shape[2:], window, strides, dilations) or ()
    return tuple((after, before) for before, after in pairs)  # SAME_LOWER: the odd element goes in front


def per_axis(node: Node, name: str, spatial: int) -> tuple[int, ...]:
    """A stride or dilation per spatial axis."""
    return tuple(node.get(name, [1] * spatial))


@reads("Conv")
def _(reader: Reader, node: Node) -> Value:
    x, kernel, *_ = operands = reader.operands(node)
    window = tuple(map(int, kernel.type.shape[2:]))
    strides, dilations = (per_axis(node, name, len(window)) for name in ("strides", "dilations"))
    padding = padding_of(node, x, window, strides, dilations)
    return reader.add(g.Conv(strides, padding, dilations, node.get("group", 1), channels_first=True), *operands)


@reads("ConvTranspose")
def _(reader: Reader, node: Node) -> Value:
    node.require(group=1, auto_pad="NOTSET")
    operands = reader.operands(node)
    spatial = operands[0].type.rank - 2
    strides, dilations = (per_axis(node, name, spatial) for name in ("strides", "dilations"))
    pads, extra = node.get("pads", [0] * 2 * spatial), node.get("output_padding", [0] * spatial)
    if "output_shape" in node.attributes:
        raise NotApplicable("ConvTranspose with output_shape")
    crops = tuple((pads[i], pads[spatial + i] - extra[i]) for i in range(spatial))
    return reader.add(g.ConvTranspose(strides, crops, dilations, channels_first=True), *operands)


@reads("MaxPool", "AveragePool")
def _(reader: Reader, node: Node) -> Value:
    node.require(ceil_mode=0, storage_order=0)
    node.require_outputs(1)
    x, window = reader.value(node.inputs[0]), tuple(node.get("kernel_shape"))
    strides, dilations = (per_axis(node, name, len(window)) for name in ("strides", "dilations"))
    if set(dilations) != {1}:
        raise NotApplicable(f"{node.kind} with dilations")
    padding = padding_of(node, x, window, strides, dilations)
    if node.get("count_include_pad", 0) and any(
        map(any, resolve(padding, x.type.shape[2:], window, strides, dilations) or ())
    ):
        raise NotApplicable("AveragePool that counts its padding")
    kind = "max" if node.kind == "MaxPool" else "average"
    return reader.add(g.Pool(kind, window, strides, padding, channels_first=True), x)


@reads("GlobalAveragePool", "GlobalMaxPool")
def _(reader: Reader, node: Node) -> Value:
    x = reader.value(node.inputs[0])
    kind = "mean" if node.kind == "GlobalAveragePool" else "max"
    return reader.add(g.Reduce(kind, tuple(range(2, x.type.rank)), keepdims=True), x)


@reads("BatchNormalization")
def _(reader: Reader, node: Node) -> Value:
    node.require(training_mode=0)
    statistics = [reader.constant(reader.static(node, place)) for place in range(1, 5)]
    return reader.add(g.BatchNorm(node.get("epsilon", 1e-5), 1), reader.value(node.inputs[0]), *statistics)


@reads("InstanceNormalization", "GroupNormalization")
def _(reader: Reader, node: Node) -> Value:
    operands = reader.operands(node)
    groups = node.get("num_groups", operands[0].type.shape[1])
    return reader.add(g.GroupNorm(groups, node.get("epsilon", 1e-5), channels_first=True), *operands)


@reads("LayerNormalization")
def _(reader: Reader, node: Node) -> Sequence[Value]:
    x, gamma = reader.value(node.inputs[0]), reader.value(node.inputs[1])
    beta = reader.value(node.inputs[2]) if node.has(2) else reader.constant(np.zeros(gamma.type.shape, np.float32))
    axes, epsilon = tuple(range(axis_of(node, x, -1), x.type.rank)), node.get("epsilon", 1e-5)
    result = reader.add(g.LayerNorm(axes, epsilon), x, gamma, beta)
    if len(node.outputs) == 1:
        return [result]
    mean = reader.add(g.Reduce("mean", axes, True), x)
    centered = reader.binary("subtract", x, mean)
    variance = reader.add(g.Reduce("mean", axes, True), reader.binary("multiply", centered, centered))
    deviation = reader.add(g.Unary("sqrt"), reader.binary("add", variance, reader.like(variance, epsilon)))
    return [result, mean, reader.add(g.Unary("reciprocal"), deviation)]


@reads("LRN")
def _(reader: Reader, node: Node) -> Value:
    size = node.get("size")
    if size % 2 == 0:
        raise NotApplicable("LRN over an even number of channels")
    alpha = node.get("alpha", 1e-4) / size
    op = g.LocalResponseNorm(size // 2, node.get("bias", 1.0), alpha, node.get("beta", 0.75), channels_first=True)
    return reader.add(op, reader.value(node.inputs[0]))


@reads("Softmax", "LogSoftmax")
def _(reader: Reader, node: Node) -> Value:
    x = reader.value(node.inputs[0])
    axis = axis_of(node, x, -1)
    if node.kind == "Softmax":
        return reader.add(g.Softmax(axis), x)
    shifted = reader.binary("subtract", x, reader.add(g.Reduce("max", (axis,), True), x))
    total = reader.add(g.Reduce("sum", (axis,), True), reader.add(g.Unary("exp"), shifted))
    return reader.binary("subtract", shifted, reader.add(g.Unary("log"), total))


@reads("Resize")
def _(reader: Reader, node: Node) -> Value:
    x, modes = (
        reader.value(node.inputs[0]),
        (node.get("mode", "nearest"), node.get("coordinate_transformation_mode", "half_pixel")),
    )
    found = {
        ("linear", "half_pixel"): "half_pixel",
        ("linear", "asymmetric"): "asymmetric",
        ("linear", "align_corners"): "align_corners",
    }.get(modes)
    if modes == ("nearest", "asymmetric") and node.get("nearest_mode", "round_prefer_floor") == "floor":
        found = "asymmetric"
    node.require(antialias=0, exclude_outside=0, keep_aspect_ratio_policy="stretch")
    if found is None or "axes" in node.attributes or x.type.rank < 3:
        raise NotApplicable(f"Resize {' '.join(modes)}")
    shape, scales = x.type.shape, reader.static(node, 2)
    sizes = reader.static(node, 3)
    if sizes is None:
        sizes = [int(np.floor(size * scale)) for size, scale in zip(shape, scales, strict=True)]
        if any(size * scale != new for size, scale, new in zip(shape, scales, sizes, strict=True)):
            raise NotApplicable("Resize by a scale that sizes do not determine")
    if tuple(sizes[:2]) != shape[:2]:
        raise NotApplicable("Resize of the batch or the channels")
    return reader.add(g.Resize(tuple(map(int, sizes[2:])), modes[0], found, channels_first=True), x)
