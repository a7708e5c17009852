"""Arrays on the GPU, whoever made them: views of a caller's array, and arrays of our own."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeAlias

import attrs
import numpy as np

from trtnn.errors import InputError
from trtnn.gpu import library
from trtnn.gpu.device import PER_THREAD_DEFAULT_STREAM, Device
from trtnn.gpu.device_array import DeviceArray
from trtnn.gpu.makers import CupyMaker, JaxMaker, Maker, OwnMaker, TorchMaker
from trtnn.gpu.streams import thread_stream

DLPACK_CPU, DLPACK_CUDA, DLPACK_PINNED, DLPACK_MANAGED = 1, 2, 3, 13
_ON_GPU = (DLPACK_CUDA, DLPACK_MANAGED)
_PROTOCOLS = ("__dlpack__", "__cuda_array_interface__")
_NO_STREAM = 0

Layout: TypeAlias = Hashable
"""What says whether an array fits: shape, data type, GPU, whether its elements lie in C order; and of ours, the stream
in whose order it is ready and its memory given back."""


@attrs.define(eq=False)
class DeviceView:
    """An array of the caller's on the GPU, not copied.

    ``pointer`` is its address; its elements lie in C order. ``stream`` is the handle of the stream in whose order its
    contents are ready and its memory is given back; work on another has to wait for it, or for the event ``ready``.
    ``maker`` makes arrays of the same kind, and ``owner`` keeps the memory alive: where it is ``lent``, the memory may
    be given back in any order and the owner has to stay until the work is done.
    """

    pointer: int
    shape: tuple[int, ...]
    dtype: np.dtype
    stream: int
    maker: Maker
    owner: Any
    writeable: bool = True
    ready: Any = None
    lent: bool = False

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return self.dtype.itemsize * _product(self.shape)


def order_after(device: Device, views: Sequence[DeviceView], handle: int, stream: Any) -> list[DeviceView]:
    """Makes the stream with that handle wait until the views are ready; gives those whose owners have to stay until its
    work with them is done."""
    kept = [view for view in views if view.stream != handle or view.lent]
    waited = {handle}
    for view in kept:
        if view.stream not in waited:
            if view.ready is not None:
                stream.wait(view.ready)
            else:
                stream.wait(device.stream_of(view.stream))
                waited.add(view.stream)
    return kept


def view(name: str, array: Any, ordinal: int = 0) -> DeviceView | np.ndarray | None:
    """Looks into an array of another library without copying it.

    Gives a `DeviceView` of an array on the GPU with that number, a NumPy array of one in host memory, and None for what
    speaks neither ``__dlpack__`` nor ``__cuda_array_interface__``. torch tensors and CuPy arrays are ready in the order
    of their library's current stream, arrays of ours in that of the stream that fills them; for others the calling
    thread's own stream is made to wait. Raises InputError, which names the input ``name``, for an array that is
    elsewhere, whose elements do not lie in C order or are the negative of what does, or whose protocol cannot be read.
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
    if kind is DeviceArray:
        return _own_view
    maker = JaxMaker if root in ("jax", "jaxlib") else OwnMaker
    return lambda name, array, ordinal: _any_view(name, array, ordinal, maker)


@functools.lru_cache(maxsize=256)
def layout_reader(kind: Any) -> Callable[[Any], tuple[Layout, int]] | None:
    """For torch, CuPy and `DeviceArray`, whose arrays need no protocol: a function that reads an array's layout and its
    address, more quickly than it can be viewed."""
    found = {_torch_view: _torch_layout, _cupy_view: _cupy_layout, _own_view: _own_layout}
    return found.get(reader(kind))  # type: ignore[arg-type]  # other readers are not found


def _torch_layout(tensor: Any) -> tuple[Layout, int]:
    layout = tensor.shape, tensor.dtype, tensor.get_device(), tensor.is_contiguous(), tensor.is_neg()
    return layout, tensor.data_ptr()


def _cupy_layout(array: Any) -> tuple[Layout, int]:
    return (array.shape, array.dtype, array.device.id, array.flags.c_contiguous), array.data.ptr


def _own_layout(array: DeviceArray) -> tuple[Layout, int]:
    return (array.shape, array.dtype, array.ordinal, array.stream, array.exported), array.pointer


def _torch_view(name: str, tensor: Any, ordinal: int) -> DeviceView | np.ndarray:
    if tensor.get_device() != ordinal:
        if not tensor.is_cuda:
            return _host_array(name, tensor)
        raise _elsewhere(name, ordinal, f"a tensor on {tensor.device}", f'x.to("cuda:{ordinal}")')
    if not tensor.is_contiguous():
        raise _strided(name, tuple(tensor.shape), "x.contiguous()")
    if tensor.is_neg():
        raise InputError(
            name,
            expected="a tensor whose memory holds its values",
            got="the negative view of one",
            remedy="use x.clone()",
        )
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


def _own_view(name: str, array: DeviceArray, ordinal: int) -> DeviceView:
    if array.ordinal != ordinal:
        raise _elsewhere(name, ordinal, f"an array on GPU {array.ordinal}", "copy it to that GPU")
    handle = _NO_STREAM if array.stream == PER_THREAD_DEFAULT_STREAM else array.stream  # of whichever thread that was
    maker, lent = OwnMaker.of(ordinal), array.exported
    return DeviceView(array.pointer, array.shape, array.dtype, handle, maker, array, ready=array.ready, lent=lent)


def _any_view(name: str, array: Any, ordinal: int, library_maker: type[Maker]) -> DeviceView | np.ndarray | None:
    """By the protocols alone. The thread's stream is made to wait for the array."""
    if not any(hasattr(array, protocol) for protocol in _PROTOCOLS):
        return None
    if hasattr(array, "__dlpack_device__"):
        kind, number = array.__dlpack_device__()
        if kind in (DLPACK_CPU, DLPACK_PINNED):
            return _host_array(name, array)
        if kind not in _ON_GPU or number != ordinal:
            raise _elsewhere(name, ordinal, f"an array on device {(int(kind), int(number))} of DLPack", "copy it there")
    handle = thread_stream(ordinal)
    try:
        found = library.load().core.utils.StridedMemoryView.from_any_interface(array, handle)
    except BufferError as error:
        raise InputError(
            name,
            expected="an array on the GPU by DLPack or version 3 of the CUDA array interface",
            got=f"{type(array).__name__}: {error}",
            remedy="give it as a torch tensor or a CuPy array",
        ) from error
    shape = tuple(found.shape)
    if found.strides is not None and not _in_c_order(shape, found.strides):
        raise _strided(name, shape, "copy it into a contiguous array")
    maker, owner, writeable = library_maker.of(ordinal), (found, array), not found.readonly
    return DeviceView(found.ptr, shape, found.dtype, handle, maker, owner, writeable, lent=True)


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
