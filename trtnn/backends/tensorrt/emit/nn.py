"""Emitters of convolution, pooling, batch normalization and softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from trtnn.backends.tensorrt.emit.emitter import Emitter, Tensor, emit_op
from trtnn.backends.tensorrt.emit.slicing import pad, stretch
from trtnn.errors import UnsupportedError
from trtnn.graph import Node, Shape, Size, windows
from trtnn.graph.dims import ceil_div, floor_div, maximum
from trtnn.graph.ops import BatchNorm, Conv, Pool, Softmax


@emit_op.register(Conv)
def conv(op: Conv, node: Node, net: Emitter) -> Tensor:
    """x (N, in, *spatial), kernel (out, in / groups, *spatial); sequences are images of one row, which is all that
    TensorRT has.
    """
    x, shape = as_image(net, net.tensor(node.inputs[0]), node.inputs[0].type.shape)
    out, per_group, *kernel_size = node.inputs[1].type.shape
    window = two_axes(tuple(kernel_size), 1)
    strides, dilations = two_axes(op.strides, 1), two_axes(op.dilations, 1)
    padding = op.padding if op.padding == "same" else two_axes(op.padding, (0, 0))
    if padding == "same" and not _is_exact(shape[2:], window, strides, dilations):
        pairs = _same_pairs(shape[2:], window, strides, dilations)
        x, shape = _pad_spatial(net, x, shape, pairs, 0.0, node)
        padding = ((0, 0),) * len(window)
    kernel, bias, inputs = conv_weights(net, node, (out, per_group, *window))
    y = net.add(
        "convolution_nd",
        x,
        out,
        window,
        kernel,
        bias,
        inputs=inputs,
        stride_nd=strides,
        dilation_nd=dilations,
        num_groups=op.groups,
        **_padding(net, padding, shape[2:], window, strides, dilations),
    )
    return from_image(net, y, node.output.type.shape)


def conv_weights(net: Emitter, node: Node, kernel_shape: Shape) -> tuple[Any, Any, dict[int, Tensor]]:
    """Kernel and bias as weights, or as inputs of the layer where they are computed in the network."""
    absent = net.trt.Weights(net.element_type(node.output.type.dtype))
    found: list[Any] = [absent, absent]
    inputs: dict[int, Tensor] = {}
    for index, value in enumerate(node.inputs[1:]):
        data = net.array(value)
        if data is not None:
            found[index] = data
        else:
            shape = kernel_shape if index == 0 else value.type.shape
            inputs[index + 1] = net.reshape(net.tensor(value), value.type.shape, shape)
    return found[0], found[1], inputs


@emit_op.register(Pool)
def pool(op: Pool, node: Node, net: Emitter) -> Tensor:
    """x (N, C, *spatial)."""
    x, shape = as_image(net, net.tensor(node.inputs[0]), node.inputs[0].type.shape)
    window, strides = two_axes(op.window, 1), two_axes(op.strides, 1)
    ones = (1,) * len(window)
    padding = op.padding if op.padding == "same" else two_axes(op.padding, (0, 0))
    if padding == "same" and not _is_exact(shape[2:], window, strides, ones):
        y = _pool_padded(op, node, net, x, shape, window, strides)
    else:
        y = _pool(op, net, x, window, strides, _padding(net, padding, shape[2:], window, strides, ones))
    return from_image(net, y, node.output.type.shape)


def _pool(op: Pool, net: Emitter, x: Tensor, window: Any, strides: Any, padding: dict[str, Any]) -> Tensor:
    kind = net.trt.PoolingType.MAX if op.kind == "max" else net.trt.PoolingType.AVERAGE
    counted = {"average_count_excludes_padding": True} if op.kind == "average" else {}
    return net.add("pooling_nd", x, kind, window, stride_nd=strides, **counted, **padding)


def _pool_padded(op: Pool, node: Node, net: Emitter, x: Tensor, shape: Shape, window: Any, strides: Any) -> Tensor:
    """SAME pooling with the padding as a layer of its own: -inf for a maximum; for an average, zeros that a second
    pooling counts.
    """
    pairs = _same_pairs(shape[2:], window, strides, (1,) * len(window))
    dtype, none = node.output.type.dtype, {"pre_padding": (0,) * len(window), "post_padding": (0,) * len(window)}
    if op.kind == "max":
        x, _ = _pad_spatial(net, x, shape, pairs, -np.inf, node)
        return _pool(op, net, x, window, strides, none)
    plane: Shape = (1, 1, *shape[2:])
    ones = stretch(net, net.number(1, dtype, len(plane)), (1,) * len(plane), plane)
    total, counts = (
        _pool(op, net, _pad_spatial(net, one, of, pairs, 0.0, node)[0], window, strides, none)
        for one, of in ((x, shape), (ones, plane))
    )
    return net.elementwise("DIV", total, counts)


@emit_op.register(BatchNorm)
def batch_norm(op: BatchNorm, node: Node, net: Emitter) -> Tensor:
    """``x * scale + shift``, the two numbers per channel computed here in double precision."""
    arrays = [net.array(value) for value in node.inputs[1:]]
    if any(array is None for array in arrays):
        raise UnsupportedError(
            node.origin.path or op.name,
            problem="batch normalization with computed statistics",
            remedy="use layers with weights, or write it with functions: (x - mean) * rsqrt(variance + eps)",
            line=node.origin.line,
        )
    gamma, beta, mean, variance = (np.asarray(array, np.float64) for array in arrays)
    scale = gamma / np.sqrt(variance + op.epsilon)
    rank, dtype = node.output.type.rank, node.output.type.dtype.numpy
    shape = [-1 if axis == op.axis % rank else 1 for axis in range(rank)]
    per_channel = [net.constant(one.reshape(shape).astype(dtype)) for one in (scale, beta - mean * scale)]
    return net.elementwise("SUM", net.elementwise("PROD", net.tensor(node.inputs[0]), per_channel[0]), per_channel[1])


@emit_op.register(Softmax)
def softmax(op: Softmax, node: Node, net: Emitter) -> Tensor:
    """Along one axis; TensorRT's has no vectors, so a vector is a row."""
    x, shape = net.tensor(node.inputs[0]), node.output.type.shape
    if len(shape) > 1:
        return net.add("softmax", x, axes=1 << op.axis % len(shape))
    row = net.add("softmax", net.reshape(x, shape, (1, *shape)), axes=2)
    return net.reshape(row, (1, *shape), shape)


def _padding(net: Emitter, padding: Any, sizes: Shape, window: Any, strides: Any, dilations: Any) -> dict[str, Any]:
    """A layer's settings for its padding: asymmetric amounts where they are known, else TensorRT's own SAME mode."""
    pairs = windows.resolve(padding, sizes, window, strides, dilations)
    if pairs is None:
        return {"padding_mode": net.trt.PaddingMode.SAME_UPPER}
    before, after = zip(*pairs, strict=True)
    return {"pre_padding": before, "post_padding": after}


def _is_exact(sizes: Shape, window: Any, strides: Any, dilations: Any) -> bool:
    """Whether `_padding` gives TensorFlow's SAME.

    TensorRT's SAME_UPPER pads by ``(ceil(n / s) - 1) * s + span - n``. That is TensorFlow's amount unless it is
    negative, which TensorFlow takes as 0; it never is when the stride is no larger than what the window spans.
    """
    if windows.resolve("same", sizes, window, strides, dilations) is not None:
        return True
    spans = [windows.extent(k, d) for k, d in zip(window, dilations, strict=True)]
    return all(span >= stride for span, stride in zip(spans, strides, strict=True))


def _same_pairs(sizes: Shape, window: Any, strides: Any, dilations: Any) -> tuple[tuple[Size, Size], ...]:
    """SAME padding of symbolic sizes, as expressions."""
    pairs = []
    for n, k, s, d in zip(sizes, window, strides, dilations, strict=True):
        total = maximum((ceil_div(n, s) - 1) * s + windows.extent(k, d) - n, 0)
        before = floor_div(total, 2)
        pairs.append((before, total - before))
    return tuple(pairs)


def _pad_spatial(net: Emitter, x: Tensor, shape: Shape, pairs: Any, value: float, node: Node) -> tuple[Tensor, Shape]:
    everywhere = ((0, 0), (0, 0), *pairs)
    padded = pad(net, x, shape, everywhere, "FILL", net.number(value, node.output.type.dtype, 0))
    return padded, tuple(size + before + after for size, (before, after) in zip(shape, everywhere, strict=True))


def two_axes(values: Any, filler: Any) -> Any:
    """Values per spatial axis, at least two of them."""
    return values if len(values) > 1 else (filler, *values)


def as_image(net: Emitter, x: Tensor, shape: Shape) -> tuple[Tensor, Shape]:
    """(N, C, W) as (N, C, 1, W); other shapes as they are."""
    if len(shape) > 3:
        return x, shape
    image = (*shape[:2], 1, shape[2])
    return net.reshape(x, shape, image), image


def from_image(net: Emitter, y: Tensor, shape: Shape) -> Tensor:
    """(N, C, 1, W) as (N, C, W) where that is the result's shape."""
    return y if len(shape) > 3 else net.reshape(y, (*shape[:2], 1, shape[2]), shape)
