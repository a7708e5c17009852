"""A kernel for the deformable convolution of deformable_conv.py, in CUDA C++; everything NHWC and float32.

A block computes one place of the result: its threads first gather the patch, between pixels and weighted, into shared
memory, and then each multiplies it with the kernel's columns of its own.
"""

from trtnn.custom.kernels import CudaKernel, int32

SOURCE = r"""
__device__ float pixel(const float* image, int height, int width, int channel, float row, float column) {
    const bool inside = row >= 0.0f && row < height && column >= 0.0f && column < width;  // as floats: may be huge
    return inside ? image[(static_cast<int>(row) * width + static_cast<int>(column)) * CHANNELS + channel] : 0.0f;
}

__device__ float between(const float* image, int height, int width, int channel, float y, float x) {
    const float top = floorf(y), left = floorf(x);
    const float down = y - top, right = x - left;
    return (1.0f - down) * ((1.0f - right) * pixel(image, height, width, channel, top, left) +
                            right * pixel(image, height, width, channel, top, left + 1.0f)) +
           down * ((1.0f - right) * pixel(image, height, width, channel, top + 1.0f, left) +
                   right * pixel(image, height, width, channel, top + 1.0f, left + 1.0f));
}

extern "C" __global__ void deformable_conv(const float* __restrict__ x, const float* __restrict__ offsets,
                                           const float* __restrict__ weights, const float* __restrict__ kernel,
                                           int height, int width, int rows, int columns, float* __restrict__ y) {
    extern __shared__ float patch[];  // taps by channels
    const int place = blockIdx.x;
    const int column = place % columns, row = place / columns % rows;
    const float* image = x + static_cast<long long>(place / columns / rows) * height * width * CHANNELS;
    for (int at = threadIdx.x; at < TAPS * CHANNELS; at += blockDim.x) {
        const int tap = at / CHANNELS;
        const long long of = static_cast<long long>(place) * TAPS + tap;
        const float from = row * STRIDE - PADDING + tap / KERNEL_WIDTH + offsets[2 * of];
        const float left = column * STRIDE - PADDING + tap % KERNEL_WIDTH + offsets[2 * of + 1];
        patch[at] = weights[of] * between(image, height, width, at % CHANNELS, from, left);
    }
    __syncthreads();
    for (int out = threadIdx.x; out < OUT; out += blockDim.x) {
        float sum = 0.0f;
        for (int at = 0; at < TAPS * CHANNELS; ++at) {
            sum += patch[at] * kernel[at * OUT + out];
        }
        y[static_cast<long long>(place) * OUT + out] = sum;
    }
}
"""


def _arguments(op, x, offsets, weights, kernel):
    _, height, width, channels = x.shape
    int32(height * width * channels)  # the kernel counts the elements of one image in 32 bits: raises past that
    return int32(height), int32(width), int32(weights.shape[1]), int32(weights.shape[2])


def _constants(op, x, offsets, weights, kernel):
    kh, kw, channels, out = kernel.shape
    return {
        "TAPS": kh * kw,
        "KERNEL_WIDTH": kw,
        "CHANNELS": channels,
        "OUT": out,
        "STRIDE": op.stride,
        "PADDING": op.padding,
    }


def _patch_bytes(op, x, offsets, weights, kernel):
    kh, kw, channels, _ = kernel.shape
    return kh * kw * channels * 4


KERNELS = (
    CudaKernel(
        source=SOURCE,
        entry="deformable_conv",
        dtypes=("float32",),
        block=128,
        grid=lambda op, x, offsets, weights, kernel: weights.shape[0] * weights.shape[1] * weights.shape[2],
        shared=_patch_bytes,
        arguments=_arguments,
        constants=_constants,
    ),
)
