"""Kernels as forms of an op that can be compared with its others: NumPy arrays in, NumPy arrays out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trtnn.custom.definition import CustomOp
from trtnn.custom.kernels.kernel import Kernel
from trtnn.custom.kernels.launching import device_of, launch
from trtnn.gpu import library
from trtnn.gpu.device import Device
from trtnn.gpu.device_array import DeviceArray
from trtnn.graph.types import TensorType, as_dtype


def runnable_kernels(op: CustomOp, arrays: Sequence[np.ndarray]) -> list[Kernel]:
    """The op's kernels that serve the arrays' data types, none where there is no GPU."""
    if not op.kernels or not library.available():
        return []
    inputs = [TensorType(as_dtype(array.dtype), array.shape) for array in arrays]
    outputs = op.infer(*inputs)
    return [kernel for kernel in op.kernels if kernel.serves(inputs, outputs)]


def run_kernel(kernel: Kernel, op: CustomOp, *arrays: np.ndarray, ordinal: int = 0) -> tuple[np.ndarray, ...]:
    """The results of a kernel: the arrays are copied to the GPU and the results back. Raises what `launch` raises."""
    device = device_of(ordinal)
    stream = device.new_stream()
    operands = [_upload(device, array, stream) for array in arrays]
    results = launch(op, *operands, kernel=kernel, stream=stream, ordinal=ordinal)
    return tuple(one.numpy() for one in (results if isinstance(results, tuple) else (results,)))


def _upload(device: Device, array: np.ndarray, stream: object) -> DeviceArray:
    held = DeviceArray.empty(device, array.shape, array.dtype, stream)
    if array.nbytes:
        staged = device.allocate_pinned(array.nbytes)
        staged.array[: array.nbytes] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        device.copy(held.pointer, staged.handle, array.nbytes, stream)
        stream.sync()  # type: ignore[attr-defined]  # the staging memory is read until then
        staged.close()
    held.filled(stream)
    return held
