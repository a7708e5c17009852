"""A graph as a TensorRT network: one emitter for TensorRT 10.9 and newer, TensorRT 11 and TensorRT-RTX, always strongly
typed.

`emitter.py` adds layers and checks each; `nn.py`, `activation.py`, `math.py`, `loops.py` and so on hold one small
function per operation, registered with `emit_op`; `sizes.py` computes symbolic sizes at run time. Everything clever
happened in passes before.
"""

from trtnn.backends.tensorrt.emit import (  # noqa: F401  (each registers its emitters)
    activation,
    deconvolution,
    loops,
    math,
    nn,
    normalization,
    quantization,
    resize,
    sequence,
    shape,
)
from trtnn.backends.tensorrt.emit.emitter import Emitter, emit_op
from trtnn.backends.tensorrt.emit.network import Network, emit
from trtnn.backends.tensorrt.plugins import named  # noqa: F401  (likewise)

__all__ = ["Emitter", "Network", "emit", "emit_op"]
