"""Kernels for the fused bias and swish, ``z = x + bias; y = z * sigmoid(beta * z)``, in CUDA C++ and in Triton.

x and y are (..., channels) and bias is (channels,), all float32 or all float16. A kernel reads x once and writes y
once, which is all that bounds its speed: every thread moves 16 bytes at a time. Both take any shape, odd sizes
included, and compute in float32.
"""

import importlib.util

from trtnn.custom.kernels import CudaKernel, TritonKernel, ceil_div, int32, size

SOURCE = r"""
constexpr int WIDTH = 16 / sizeof(in0_t);  // elements that a thread moves at a time
constexpr int THREADS = 256;

struct alignas(16) Pack {
    in0_t at[WIDTH];
};

__device__ in0_t bias_swish_of(in0_t x, in0_t bias) {
    const float z = static_cast<float>(x) + static_cast<float>(bias);
    if (sizeof(in0_t) < sizeof(float)) {  // the quick functions: the result is rounded to half anyway
        return static_cast<in0_t>(__fdividef(z, 1.0f + __expf(-BETA * z)));
    }
    return static_cast<in0_t>(z / (1.0f + expf(-BETA * z)));
}

extern "C" __global__ void __launch_bounds__(THREADS)
bias_swish(const in0_t* __restrict__ x, const in1_t* __restrict__ bias, int count, int channels,
           out0_t* __restrict__ y) {
    const long long start = (static_cast<long long>(blockIdx.x) * THREADS + threadIdx.x) * WIDTH;
    if (start >= count) {
        return;
    }
    int channel = static_cast<int>(start) % channels;
    if (start + WIDTH > count) {  // the last few elements
        for (int i = static_cast<int>(start); i < count; ++i) {
            y[i] = bias_swish_of(x[i], bias[channel]);
            channel = channel + 1 == channels ? 0 : channel + 1;
        }
        return;
    }
    Pack pack = *reinterpret_cast<const Pack*>(x + start);
    if (channels % WIDTH == 0) {  // the same for all threads: the biases lie together, and aligned
        const Pack biases = *reinterpret_cast<const Pack*>(bias + channel);
#pragma unroll
        for (int i = 0; i < WIDTH; ++i) {
            pack.at[i] = bias_swish_of(pack.at[i], biases.at[i]);
        }
    } else {
#pragma unroll
        for (int i = 0; i < WIDTH; ++i) {
            pack.at[i] = bias_swish_of(pack.at[i], bias[channel]);
            channel = channel + 1 == channels ? 0 : channel + 1;
        }
    }
    *reinterpret_cast<Pack*>(y + start) = pack;
}
"""

THREADS = 256
VECTOR_BYTES = 16
TRITON_BLOCK = (128, 8)  # threads, and elements for each


def _arguments(op, x, bias):
    return int32(size(x)), int32(x.shape[-1])


CUDA = CudaKernel(
    source=SOURCE,
    entry="bias_swish",
    dtypes=("float32", "float16"),
    block=THREADS,
    grid=lambda op, x, bias: ceil_div(size(x), THREADS * VECTOR_BYTES // x.dtype.numpy.itemsize),
    arguments=_arguments,
    constants=lambda op, x, bias: {"BETA": op.beta},
)

KERNELS = (CUDA,)

if importlib.util.find_spec("triton"):  # Triton is optional: without it there is one kernel less to choose from
    from custom_ops.bias_swish_triton import bias_swish

    TRITON = TritonKernel(
        function=bias_swish,
        dtypes=("float32", "float16"),
        grid=lambda op, x, bias: ceil_div(size(x), TRITON_BLOCK[0] * TRITON_BLOCK[1]),
        arguments=_arguments,
        constants=lambda op, x, bias: {"BETA": op.beta, "ROWS": TRITON_BLOCK[0], "WIDTH": TRITON_BLOCK[1]},
    )
    KERNELS = (CUDA, TRITON)
