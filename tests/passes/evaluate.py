"""A graph evaluated by TensorFlow, node by node, before and after any pass: what a pass must not change.

It takes each operation at its word (its class's docstring) and knows nothing of the backends. Convolution and pooling
channels first are computed channels last, between two transposes.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from ops.references import exactly
from oracle import tensorflow

from trtnn.graph import Graph
from trtnn.graph import ops as g
from trtnn.graph.dims import Size
from trtnn.graph.dims import evaluate as size_of

tf = tensorflow()
Sizes = dict[str, int]


def evaluate(graph: Graph, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The graph's outputs for its inputs, in order."""
    sizes: Sizes = {}
    for value, array in zip(graph.inputs, arrays, strict=True):
        sizes.update(
            (str(size), n) for size, n in zip(value.type.shape, array.shape, strict=True) if not isinstance(size, int)
        )
    known: dict[Any, Any] = {value: tf.constant(array) for value, array in zip(graph.inputs, arrays, strict=True)}
    for node in graph.nodes:
        result = compute(node.op, [known[value] for value in node.inputs], sizes)
        wanted = node.output.type.concrete(sizes)
        assert tuple(result.shape) == wanted, f"{node.output}: {result.shape} where the graph says {wanted}"
        known[node.output] = result
    return [np.asarray(known[value]) for _, value in graph.outputs]


@functools.singledispatch
def compute(op: g.Op, x: list[Any], sizes: Sizes) -> Any:
    """The result of one operation for its operands."""
    raise NotImplementedError(op.name)


def concrete(shape: Sequence[Size], sizes: Sizes) -> list[int]:
    """A shape with every named dim replaced by its size."""
    return [size_of(size, sizes) for size in shape]


@compute.register
def _(op: g.Constant, x: list[Any], sizes: Sizes) -> Any:
    return tf.constant(op.data)


@compute.register
def _(op: g.Conv, x: list[Any], sizes: Sizes) -> Any:
    image, kernel = x[0], x[1]
    if op.channels_first:
        image, kernel = tf.transpose(image, (0, 2, 3, 1)), tf.transpose(kernel, (2, 3, 1, 0))
    padding = "SAME" if op.padding == "same" else [(0, 0), *op.padding, (0, 0)]
    y = exactly(tf.nn.conv2d, image, kernel, op.strides, padding, "NHWC", op.dilations)
    y = y if len(x) < 3 else tf.nn.bias_add(y, x[2])
    return tf.transpose(y, (0, 3, 1, 2)) if op.channels_first else y


@compute.register
def _(op: g.Pool, x: list[Any], sizes: Sizes) -> Any:
    image = tf.transpose(x[0], (0, 2, 3, 1)) if op.channels_first else x[0]
    pool = tf.nn.max_pool2d if op.kind == "max" else tf.nn.avg_pool2d
    if op.padding == "same":
        y = pool(image, op.window, op.strides, "SAME")
    else:
        pairs, edge = [(0, 0), *op.padding, (0, 0)], -np.inf if op.kind == "max" else 0
        y = pool(tf.pad(image, pairs, constant_values=edge), op.window, op.strides, "VALID")
        if op.kind == "average":
            y /= pool(tf.pad(tf.ones_like(image), pairs), op.window, op.strides, "VALID")
    return tf.transpose(y, (0, 3, 1, 2)) if op.channels_first else y


@compute.register
def _(op: g.BatchNorm, x: list[Any], sizes: Sizes) -> Any:
    row = [1] * len(x[0].shape)
    row[op.axis] = -1
    gamma, beta, mean, variance = (tf.reshape(one, row) for one in x[1:])
    return tf.nn.batch_normalization(x[0], mean, variance, beta, gamma, op.epsilon)


@compute.register
def _(op: g.Activation, x: list[Any], sizes: Sizes) -> Any:
    if op.kind == "clip":
        return tf.clip_by_value(x[0], op.alpha, op.beta)
    if op.kind == "leaky_relu":
        return tf.nn.leaky_relu(x[0], op.alpha)
    return {"relu": tf.nn.relu, "sigmoid": tf.nn.sigmoid, "tanh": tf.nn.tanh, "swish": tf.nn.silu}[op.kind](x[0])


@compute.register
def _(op: g.Softmax, x: list[Any], sizes: Sizes) -> Any:
    return tf.nn.softmax(x[0], op.axis)


@compute.register
def _(op: g.Unary, x: list[Any], sizes: Sizes) -> Any:
    return getattr(tf.math, op.kind)(x[0])


@compute.register
def _(op: g.Binary, x: list[Any], sizes: Sizes) -> Any:
    return getattr(tf.math, op.kind)(*x)


@compute.register
def _(op: g.MatMul, x: list[Any], sizes: Sizes) -> Any:
    return tf.matmul(x[0], x[1], transpose_b=op.transpose_y)


@compute.register
def _(op: g.Reduce, x: list[Any], sizes: Sizes) -> Any:
    return getattr(tf, f"reduce_{op.kind}")(x[0], op.axes, op.keepdims)


@compute.register
def _(op: g.Reshape, x: list[Any], sizes: Sizes) -> Any:
    return tf.reshape(x[0], concrete(op.shape, sizes))


@compute.register
def _(op: g.Transpose, x: list[Any], sizes: Sizes) -> Any:
    return tf.transpose(x[0], op.permutation)


@compute.register
def _(op: g.Broadcast, x: list[Any], sizes: Sizes) -> Any:
    return tf.broadcast_to(x[0], concrete(op.shape, sizes))


@compute.register
def _(op: g.Concat, x: list[Any], sizes: Sizes) -> Any:
    return tf.concat(x, op.axis)


@compute.register
def _(op: g.Pad, x: list[Any], sizes: Sizes) -> Any:
    assert op.mode != "edge"  # which tf.pad does not have
    return tf.pad(x[0], [concrete(pair, sizes) for pair in op.pairs], op.mode, constant_values=op.value)


@compute.register
def _(op: g.Slice, x: list[Any], sizes: Sizes) -> Any:
    ranges = zip(concrete(op.starts, sizes), concrete(op.sizes, sizes), op.steps, strict=True)
    for axis, (start, count, step) in enumerate(ranges):
        x = [tf.gather(x[0], np.arange(count) * step + start, axis=axis)]
    return x[0]
