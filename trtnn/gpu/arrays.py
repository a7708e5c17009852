"""Arrays on the GPU, whoever made them: views of a caller's array, and arrays of our own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np

from trtnn.errors import InputError
from trtnn.gpu import library
from trtnn.gpu.makers import CupyMaker, JaxMaker, Maker, OwnMaker, TorchMaker

DLPACK_CPU, DLPACK_CUDA, DLPACK_PINNED, DLPACK_MANAGED = 1, 2, 3, 13
_ON_GPU = (DLPACK_CUDA, DLPACK_MANAGED)
_PROTOCOLS = ("__dlpack__", "__cuda_array_interface__")


@attrs.define(eq=False)
class DeviceView:
    """An array of the caller's on the GPU, not copied.

    ``pointer`` is its address; its elements lie in C order. ``stream`` is the handle of the stream in whose order its
    contents are ready. ``maker`` makes arrays of the same kind, and ``owner`` keeps the memory alive.
    """

    pointer: int
    shape: tuple[int, ...]
    dtype: np.dtype
    stream: int
    maker: Maker
    owner: Any
    writeable: bool = True

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return self.dtype.itemsize * _product(self.shape)


def view(name: str, array: Any, ordinal: int = 0) -> DeviceView | np.ndarray | None:
    """Looks into an array of another library without copying it.

    Gives a `DeviceView` of an array on the GPU with that number, a NumPy array of one in host memory, and None for what
    speaks neither ``__dlpack__`` nor ``__cuda_array_interface__``. torch tensors and CuPy arrays are ready in the order
    of their library's current stream. Raises InputError, which names the input ``name``, for an array that is
    elsewhere or whose elements do not lie in C order.
    """
    return reader(type(array))(name, array, ordinal)  # type: ignore[arg-type]  # types are hashable


@functools.lru_cache(maxsize=256)
def reader(kind: Any) -> Callable[[str, Any, int], DeviceView | np.ndarray | None]:
    """What `view` does with arrays of a type."""
    root = kind.__module__.partition(".")[0]
    if root == "torch" and hasattr(kind, "data_ptr"):
        return _torch_view
    if root == "cupy" and hasattr(kind, "__cuda_array_interface__"):
        return _cupy_view
    if kind is np.ndarray:
        return lambda name, array, ordinal: array
    maker = JaxMaker if root in ("jax", "jaxlib") else OwnMaker
    return lambda name, array, ordinal: _any_view(name, array, ordinal, maker)


def _torch_view(name: str, tensor: Any, ordinal: int) -> DeviceView | np.ndarray:
    if tensor.get_device() != ordinal:
        if not tensor.is_cuda:
            return _host_array(name, tensor)
        raise _elsewhere(name, ordinal, f"a tensor on {tensor.device}", f'x.to("cuda:{ordinal}")')
    if not tensor.is_contiguous():
        raise _strided(name, tuple(tensor.shape), "x.contiguous()")
    maker = TorchMaker.of(ordinal)
    dtype = maker.dtypes.get(tensor.dtype)
    if dtype is None:
        raise InputError(name, expected="an array of numbers", got=str(tensor.dtype))
    return DeviceView(tensor.data_ptr(), tuple(tensor.shape), dtype, maker.current_stream(), maker, tensor)


def _cupy_view(name: str, array: Any, ordinal: int) -> DeviceView:
    maker = CupyMaker.of(ordinal)
    if array.device.id != ordinal:
        raise _elsewhere(name, ordinal, f"an array on GPU {array.device.id}", "copy it to that GPU")
    if not array.flags.c_contiguous:
        raise _strided(name, array.shape, "cupy.ascontiguousarray(x)")
    return DeviceView(array.data.ptr, array.shape, array.dtype, maker.current_stream(), maker, array)


def _any_view(name: str, array: Any, ordinal: int, library_maker: type[Maker]) -> DeviceView | np.ndarray | None:
    """By the protocols alone. The view's stream is one of ours that has been made to wait for the array."""
    if not any(hasattr(array, protocol) for protocol in _PROTOCOLS):
        return None
    if hasattr(array, "__dlpack_device__"):
        kind, number = array.__dlpack_device__()
        if kind in (DLPACK_CPU, DLPACK_PINNED):
            return _host_array(name, array)
        if kind not in _ON_GPU or number != ordinal:
            raise _elsewhere(name, ordinal, f"an array on device {(int(kind), int(number))} of DLPack", "copy it there")
    maker = library_maker.of(ordinal)
    stream = maker.import_stream
    found = library.load().core.utils.StridedMemoryView.from_any_interface(array, int(stream.handle))
    shape = tuple(found.shape)
    if found.strides is not None and not _in_c_order(shape, found.strides):
        raise _strided(name, shape, "copy it into a contiguous array")
    return DeviceView(
        found.ptr, shape, found.dtype, int(stream.handle), maker, (found, array), writeable=not found.readonly
    )


def _host_array(name: str, array: Any) -> np.ndarray:
    try:
        found: np.ndarray = np.from_dlpack(array)
    except (BufferError, RuntimeError, TypeError) as error:
        raise InputError(
            name,
            expected="an array in host memory that NumPy can look into",
            got=f"{type(array).__name__}: {error}",
            remedy="give it as a NumPy array, or on the GPU",
        ) from error
    return found


def _in_c_order(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    if 0 in shape:
        return True
    expected = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True


def _product(shape: tuple[int, ...]) -> int:
    found = 1
    for size in shape:
        found *= size
    return found


def _elsewhere(name: str, ordinal: int, got: str, remedy: str) -> InputError:
    return InputError(name, expected=f"an array on GPU {ordinal}, where the engine runs", got=got, remedy=remedy)


def _strided(name: str, shape: tuple[int, ...], remedy: str) -> InputError:
    return InputError(
        name,
        expected="an array whose elements lie in C order",
        got=f"a strided view, shape {shape}",
        remedy=f"use {remedy}",
    )
