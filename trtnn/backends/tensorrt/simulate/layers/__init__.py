"""The layers that the simulator can evaluate, one family per module; importing them fills the registry of readers."""

from trtnn.backends.tensorrt.simulate.layers import (
    attention,
    convolution,
    elementwise,
    gathering,
    generation,
    normalization,
    pointwise,
    pooling,
    product,
    quantization,
    reduction,
    resizing,
    sampling,
    shaping,
    slicing,
)

__all__ = [
    "attention",
    "convolution",
    "elementwise",
    "gathering",
    "generation",
    "normalization",
    "pointwise",
    "pooling",
    "product",
    "quantization",
    "reduction",
    "resizing",
    "sampling",
    "shaping",
    "slicing",
]
