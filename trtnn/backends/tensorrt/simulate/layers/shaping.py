"""Layers about shapes: shuffle, shape, concatenation, squeeze, unsqueeze and padding."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from trtnn.backends.tensorrt.simulate.element_types import Array
from trtnn.backends.tensorrt.simulate.layers.windows import padded
from trtnn.backends.tensorrt.simulate.reading import Evaluator, LayerView, reads


@reads("SHUFFLE", "IShuffleLayer")
def shuffle(layer: LayerView) -> Evaluator:
    """A transpose, a reshape (by the layer or by a second input) and another transpose."""
    raw = layer.raw
    first, second = tuple(raw.first_transpose), tuple(raw.second_transpose)
    own_dims = None if raw.reshape_dims is None else tuple(raw.reshape_dims)
    zero_copies = bool(raw.zero_is_placeholder)

    def evaluate(x: Array, dims: Array | None = None) -> Array:
        x = x.transpose(first[: x.ndim])
        wanted = own_dims if dims is None else tuple(int(extent) for extent in dims)
        if wanted is not None:
            x = x.reshape(_resolved(wanted, x.shape, zero_copies))
        return x.transpose(second[: x.ndim])

    return evaluate


def _resolved(wanted: Sequence[int], shape: Sequence[int], zero_copies: bool) -> tuple[int, ...]:
    """Replaces 0 by the input's extent at the same place, if that is what it means, and then -1 by what is left."""
    known = [shape[axis] if extent == 0 and zero_copies else extent for axis, extent in enumerate(wanted)]
    rest = math.prod(extent for extent in known if extent != -1)
    return tuple(math.prod(shape) // max(rest, 1) if extent == -1 else extent for extent in known)


@reads("SHAPE", "IShapeLayer")
def shape(layer: LayerView) -> Evaluator:
    """The input's extents, as int64."""
    return lambda x: np.array(x.shape, np.int64)


@reads("CONCATENATION", "IConcatenationLayer")
def concatenation(layer: LayerView) -> Evaluator:
    """The inputs one after the other along an axis."""
    axis = int(layer.raw.axis)
    return lambda *parts: np.concatenate(parts, axis)


@reads("SQUEEZE", "ISqueezeLayer")
def squeeze(layer: LayerView) -> Evaluator:
    """Removes the axes of the second input or, without it, those of extent 1 in the network's own static shape."""
    source = layer.inputs[0]
    static = tuple(axis for axis, extent in enumerate(source.shape if source else ()) if extent == 1)
    return lambda x, axes=None: np.squeeze(x, static if axes is None else _axes(axes))


@reads("UNSQUEEZE", "IUnsqueezeLayer")
def unsqueeze(layer: LayerView) -> Evaluator:
    """Inserts axes of extent 1 at the places in the result that the second input lists."""
    return lambda x, axes: np.expand_dims(x, _axes(axes))


def _axes(array: Array) -> tuple[int, ...]:
    return tuple(int(axis) for axis in array.reshape(-1))


@reads("PADDING", "IPaddingLayer")
def padding(layer: LayerView) -> Evaluator:
    """Zeros around the last two axes; negative padding cuts."""
    before, after = tuple(layer.raw.pre_padding_nd), tuple(layer.raw.post_padding_nd)

    def evaluate(x: Array) -> Array:
        for axis, (front, back) in enumerate(zip(before, after, strict=True), start=x.ndim - len(before)):
            x = x[(slice(None),) * axis + (slice(max(-front, 0), None),)]
            x = padded(x, axis, max(front, 0), x.shape[axis] + max(front, 0) + back, 0.0)
        return x

    return evaluate
