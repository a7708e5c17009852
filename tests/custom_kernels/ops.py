"""Custom ops with kernels for the tests of this folder."""

from __future__ import annotations

import numpy as np

import trtnn
import trtnn.functional as F
from trtnn.custom.kernels import CudaKernel, ceil_div, float32, int32, int64, size
from trtnn.graph import TensorType

SCALE = """
extern "C" __global__ void scale(const in0_t* x, int count, out0_t* y) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) {
        y[i] = static_cast<out0_t>(FACTOR * static_cast<float>(x[i]));
    }
}
"""
SCALE_KERNEL = CudaKernel(
    source=SCALE,
    entry="scale",
    dtypes=("float32", "float16"),
    grid=lambda op, x: ceil_div(size(x), 256),
    arguments=lambda op, x: (int32(size(x)),),
    constants=lambda op, x: {"FACTOR": op.factor},
)


@trtnn.custom_op("kernel_tests::scale", elementwise=True, dtypes=("float32", "float16"))
class Scale:
    """``factor * x``: one argument of int32, so that TensorRT can launch it by itself."""

    factor: float = 2.0
    kernels = (SCALE_KERNEL,)

    def infer(self, x):
        return x

    def decompose(self, x):
        return x * self.factor


ROW_SUMS = """
extern "C" __global__ void row_sums(const in0_t* x, long long rows, float factor, out0_t* y, float* scratch) {
    const long long row = blockIdx.x;
    const int thread = threadIdx.x;
    float* partial = scratch + row * blockDim.x;
    float sum = 0.0f;
    for (int i = thread; i < WIDTH; i += blockDim.x) {
        sum += static_cast<float>(x[row * WIDTH + i]);
    }
    partial[thread] = sum;
    __syncthreads();
    if (thread == 0) {
        float total = 0.0f;
        for (int i = 0; i < blockDim.x; ++i) {
            total += partial[i];
        }
        y[row] = static_cast<out0_t>(factor * total);
    }
}
"""
ROW_THREADS = 32
ROW_SUMS_KERNEL = CudaKernel(
    source=ROW_SUMS,
    entry="row_sums",
    dtypes=("float32", "float16"),
    block=ROW_THREADS,
    grid=lambda op, x: x.shape[0],
    arguments=lambda op, x: (int64(x.shape[0]), float32(op.factor)),
    constants=lambda op, x: {"WIDTH": x.shape[1]},
    workspace=lambda op, x: x.shape[0] * ROW_THREADS * 4,
)


@trtnn.custom_op("kernel_tests::row_sums", dtypes=("float32", "float16"))
class RowSums:
    """``factor * sum`` of every row of (rows, width): int64 and float32 arguments and a workspace."""

    factor: float = 1.0
    kernels = (ROW_SUMS_KERNEL,)

    def decompose(self, x):
        return F.reduce_sum(x, 1) * self.factor


REQUANTIZE = """
extern "C" __global__ void requantize(const in0_t* x, const in1_t* scale, int count, out0_t* y) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) {
        const float wanted = rintf(x[i] * scale[0]);
        y[i] = static_cast<out0_t>(fminf(fmaxf(wanted, -128.0f), 127.0f));
    }
}
"""


@trtnn.custom_op("kernel_tests::requantize")
class Requantize:
    """int8 times a float32, rounded to int8."""

    kernels = (
        CudaKernel(
            source=REQUANTIZE,
            entry="requantize",
            dtypes=(("int8", "float32", "int8"),),
            grid=lambda op, x, scale: ceil_div(size(x), 256),
            arguments=lambda op, x, scale: (int32(size(x)),),
        ),
    )

    def infer(self, x, scale):
        return x

    def reference(self, x, scale):
        return np.clip(np.rint(x * scale[0]), -128, 127).astype(np.int8)


@trtnn.custom_op("kernel_tests::pairs")
class Pairs:
    """Neighbours of a row (rows, width) added and halved in number, and the width doubled: sizes to calculate with."""

    kernels = (
        CudaKernel(
            source='extern "C" __global__ void pairs(const float* x, int rows, int halves, float* y, float* z) {}',
            entry="pairs",
            dtypes=("float32",),
            grid=lambda op, x: (ceil_div(x.shape[1], 64), x.shape[0]),
            arguments=lambda op, x: (int32(x.shape[0]), int32(x.shape[1] // 2)),
        ),
    )

    def infer(self, x):
        rows, width = x.shape
        return TensorType(x.dtype, (rows, width // 2)), TensorType(x.dtype, (rows, 2 * width - 1))
