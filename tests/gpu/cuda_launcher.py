"""The stand-in's network as kernels, compiled by NVRTC, that take their time: what does not wait reads old values."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from trtnn.gpu import library
from trtnn.gpu.device import Device

SLOW = 400_000
"""Cycles that a slow kernel spins before it reads: about a quarter of a millisecond."""
SOURCE = """
__device__ void spin(long long cycles) {
    long long start = clock64();
    while (clock64() - start < cycles) {}
}
extern "C" __global__ void first(const float* x, volatile float* scratch, long long count, long long cycles) {
    spin(cycles);
    long long step = gridDim.x * (long long)blockDim.x;
    for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < count; i += step)
        scratch[i] = x[i];
}
extern "C" __global__ void second(const volatile float* scratch, float* y, long long count, long long cycles) {
    spin(cycles);
    long long step = gridDim.x * (long long)blockDim.x;
    for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < count; i += step)
        y[i] = 3 * scratch[i] + 1;
}
extern "C" __global__ void sums(const volatile float* scratch, float* total, long long rows, long long width) {
    for (long long row = threadIdx.x; row < rows; row += blockDim.x) {
        double sum = 0;
        for (long long i = 0; i < width; i++) sum += scratch[row * width + i];
        total[row] = sum;
    }
}
extern "C" __global__ void compact(const float* x, float* target, long long* found, long long count, long long cycles) {
    if (threadIdx.x) return;
    spin(cycles);
    long long kept = 0;
    for (long long i = 0; i < count; i++) if (x[i] > 0) target[kept++] = x[i];
    *found = kept;
}
extern "C" __global__ void fill(float* target, const float* source, long long count, long long cycles) {
    spin(cycles);
    for (long long i = threadIdx.x; i < count; i += blockDim.x) target[i] = source[i];
}
extern "C" __global__ void trespass(long long address) {
    *(volatile float*)address = 1;
}
"""


@functools.cache
def kernel(name: str) -> Any:
    """A kernel for the GPU that is there."""
    core = library.load().core
    device = library.device()
    options = core.ProgramOptions(std="c++17", arch=f"sm_{device.arch}")
    return (
        core.Program(SOURCE, code_type="c++", options=options)
        .compile("cubin", name_expressions=("first", "second", "sums", "compact", "fill", "trespass"))
        .get_kernel(name)
    )


def launch(stream: Any, name: str, blocks: int, *arguments: Any) -> None:
    """Launches 256 threads in each of that many blocks; integers are 64 bits wide."""
    core = library.load().core
    config = core.LaunchConfig(grid=blocks, block=256)
    core.launch(stream, config, kernel(name), *(np.int64(argument) for argument in arguments))


class CudaLauncher:
    """Runs the network by kernels, slowly unless ``cycles`` is 0."""

    def __init__(self, device: Device, cycles: int = SLOW) -> None:
        self.device, self.cycles = device, cycles
        self.stream = device.new_stream()
        self.found = device.allocate_pinned(8)

    def allocate(self, nbytes: int) -> Any:
        buffer = self.device.allocate(nbytes, self.stream)
        self.stream.sync()
        return buffer

    def switch(self, stream: int, switched: Callable[[], None]) -> None:
        switched()  # on the host alone

    def run(
        self,
        stream: int,
        x: int,
        scratch: int,
        y: int,
        total: int,
        shape: tuple[int, ...],
        ready: Callable[[], bool] | None = None,
    ) -> None:
        where = self.device.stream_of(stream)
        count = int(np.prod(shape))
        blocks = min(-(-count // 256), 512)
        launch(where, "first", blocks, x, scratch, count, self.cycles)
        launch(where, "second", blocks, scratch, y, count, self.cycles)
        launch(where, "sums", 1, scratch, total, shape[0], count // shape[0])

    def compact(self, stream: int, x: int, target: Callable[[int], int], shape: tuple[int, ...]) -> int:
        where, count = self.device.stream_of(stream), int(np.prod(shape))
        address = target(4 * count)
        if not address:
            return -1
        launch(where, "compact", 1, x, address, self.found.handle, count, self.cycles)
        where.sync()
        return int(self.found.array.view(np.int64)[0])
