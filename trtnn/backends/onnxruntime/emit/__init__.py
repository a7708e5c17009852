"""A graph as an ONNX model: one small function per operation, registered with `emit_op`, and nothing clever."""

from trtnn.backends.onnxruntime.emit import (  # noqa: F401  # each registers its operations
    control,
    image,
    math,
    nn,
    normalization,
    quantization,
    sequence,
    shape,
)
from trtnn.backends.onnxruntime.emit.emitter import emit, emit_op

__all__ = ["emit", "emit_op"]
