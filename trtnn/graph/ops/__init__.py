"""All operations of the graph."""

from trtnn.graph.ops.base import Op
from trtnn.graph.ops.control import Scan, While
from trtnn.graph.ops.custom import Custom, UserOp
from trtnn.graph.ops.image import Resize
from trtnn.graph.ops.math import ArgMax, Binary, Cast, MatMul, Reduce, Select, Unary
from trtnn.graph.ops.nn import ACTIVATIONS, Activation, BatchNorm, Conv, Pool, Softmax
from trtnn.graph.ops.normalization import GroupNorm, LayerNorm, LocalResponseNorm
from trtnn.graph.ops.plugin import TensorRTPlugin
from trtnn.graph.ops.quantization import Dequantize, Quantize
from trtnn.graph.ops.recurrent import CELL_ACTIVATIONS, GRU, LSTM, RECURRENT, SimpleRNN
from trtnn.graph.ops.sequence import CumSum, PRelu, Range, TopK
from trtnn.graph.ops.shape import (
    Broadcast,
    Concat,
    Constant,
    DimValues,
    Gather,
    Pad,
    Reshape,
    Slice,
    Transpose,
    constant,
)
from trtnn.graph.ops.transposed import ConvTranspose

__all__ = [
    "ACTIVATIONS",
    "CELL_ACTIVATIONS",
    "GRU",
    "LSTM",
    "RECURRENT",
    "Activation",
    "ArgMax",
    "BatchNorm",
    "Binary",
    "Broadcast",
    "Cast",
    "Concat",
    "Constant",
    "Conv",
    "ConvTranspose",
    "CumSum",
    "Custom",
    "Dequantize",
    "DimValues",
    "Gather",
    "GroupNorm",
    "LayerNorm",
    "LocalResponseNorm",
    "MatMul",
    "Op",
    "PRelu",
    "Pad",
    "Pool",
    "Quantize",
    "Range",
    "Reduce",
    "Reshape",
    "Resize",
    "Scan",
    "Select",
    "SimpleRNN",
    "Slice",
    "Softmax",
    "TensorRTPlugin",
    "TopK",
    "Transpose",
    "Unary",
    "UserOp",
    "While",
    "constant",
]
