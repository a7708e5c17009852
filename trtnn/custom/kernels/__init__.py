"""Kernels of custom ops: CUDA C++ compiled by NVRTC and Triton functions, launched alone or inside TensorRT.

`kernel.py` says what every kernel is; `cuda.py` and `triton.py` are the two languages; `expressions.py` has what a
launch is described with; `launching.py` runs one kernel on a GPU and `checking.py` compares it with the decomposition.
"""

from trtnn.custom.kernels.cuda import CudaKernel
from trtnn.custom.kernels.expressions import Scalar, float32, int32, int64, size
from trtnn.custom.kernels.kernel import Compiled, Kernel, Launch, choose
from trtnn.custom.kernels.triton import TritonKernel
from trtnn.graph.dims import ceil_div

__all__ = [
    "Compiled",
    "CudaKernel",
    "Kernel",
    "Launch",
    "Scalar",
    "TritonKernel",
    "ceil_div",
    "choose",
    "float32",
    "int32",
    "int64",
    "size",
]
