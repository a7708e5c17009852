"""Weights as tensors of another shape."""

from __future__ import annotations

from trtnn.backends.tensorrt.emit.emitter import Emitter, Tensor
from trtnn.graph import Shape, Value


def in_shape(net: Emitter, value: Value, shape: Shape) -> Tensor:
    """The value's elements in a shape: a constant layer where they are known, else a reshape of the tensor."""
    data = net.array(value)
    sizes = [size for size in shape if isinstance(size, int)]
    if data is not None and len(sizes) == len(shape):
        return net.constant(data.reshape(sizes))
    return net.reshape(net.tensor(value), value.type.shape, shape)


def per_channel(net: Emitter, value: Value, rank: int) -> Tensor:
    """A vector (C,) in the shape (1, C, 1, ...) of the rank, to combine with channels-first activations."""
    return in_shape(net, value, (1, *value.type.shape, *(1,) * (rank - 2)))
