"""Makes arrays of the caller's kind on the GPU: torch tensors for torch, CuPy arrays for CuPy, JAX arrays for JAX."""

from __future__ import annotations

import abc
import contextlib
import functools
import importlib
import math
from typing import Any

import numpy as np

from trtnn.gpu.device import LEGACY_DEFAULT_STREAM, Device
from trtnn.gpu.device_array import DeviceArray
from trtnn.gpu.streams import thread_stream

_MOST_KEPT = 256
"""How many shapes of results are kept in mind."""


class Maker(abc.ABC):
    """Makes arrays of one library on one GPU."""

    adopts = False
    """Whether `empty` makes arrays of ours, which the library adopts once they are being filled."""

    def __init__(self, ordinal: int) -> None:
        self.ordinal = ordinal

    @classmethod
    @functools.cache  # one for each library and GPU
    def of(cls, ordinal: int) -> Any:
        """The maker for a GPU."""
        return cls(ordinal)

    @abc.abstractmethod
    def current_stream(self) -> int:
        """The handle of the stream that the calling thread works on now, as the library has it."""

    def empty(
        self, device: Device, shape: tuple[int, ...], dtype: np.dtype, handle: int, stream: Any
    ) -> tuple[Any, int]:
        """A new array to be filled in the order of the stream with that handle, and its address."""
        array = DeviceArray.empty(device, shape, dtype, stream)
        return array, array.pointer

    def hand_over(self, array: Any, stream: Any) -> Any:
        """What the caller gets, for an array of `empty` or a `DeviceArray` that the stream's work so far fills."""
        if isinstance(array, DeviceArray):
            array.filled(stream)
            return self.adopt(array)
        return array

    def adopt(self, array: DeviceArray) -> Any:
        """An array of the caller's library in the same memory."""
        return array


class OwnMaker(Maker):
    """For callers whose library is not known: our own `DeviceArray`, on a stream of the thread's own."""

    adopts = True

    def current_stream(self) -> int:
        """The handle of the thread's stream."""
        return thread_stream(self.ordinal)


class JaxMaker(OwnMaker):
    """JAX shows no streams to order by: it gets its arrays through DLPack, which sees to the order."""

    def adopt(self, array: DeviceArray) -> Any:
        """A JAX array in the same memory."""
        return importlib.import_module("jax.dlpack").from_dlpack(array)


class TorchMaker(Maker):
    """torch: memory from its allocator, on its current stream."""

    def __init__(self, ordinal: int) -> None:
        super().__init__(ordinal)
        torch = importlib.import_module("torch")
        self._torch, self._device = torch, torch.device("cuda", ordinal)
        # What torch's own compiler calls: 20 and 2 times as fast as the public ways, which serve where it is missing.
        self._raw_stream = _private(torch, "_cuda_getCurrentRawStream") or self._public_stream
        quick = _private(torch, "_dynamo.guards._empty_strided_cuda") if torch.cuda.device_count() == 1 else None
        self._empty = quick or self._empty_strided  # the quick one has no argument for the GPU
        self._forms: dict[tuple[tuple[int, ...], np.dtype], tuple[tuple[int, ...], tuple[int, ...], Any]] = {}
        names = ("float32", "float16", "int64", "int32", "int8", "uint8", "bool")
        self.dtypes: dict[Any, np.dtype] = {getattr(torch, name): np.dtype(name) for name in names}
        with contextlib.suppress(ImportError):
            import ml_dtypes

            self.dtypes[torch.bfloat16] = np.dtype(ml_dtypes.bfloat16)
        self._types = {numpy: own for own, numpy in self.dtypes.items()}

    def current_stream(self) -> int:
        """The handle of torch's current stream."""
        handle: int = self._raw_stream(self.ordinal)
        return handle or LEGACY_DEFAULT_STREAM

    def empty(
        self, device: Device, shape: tuple[int, ...], dtype: np.dtype, handle: int, stream: Any
    ) -> tuple[Any, int]:
        """A tensor; its memory belongs to the stream, so that torch gives it to nobody else before the stream is
        done with it."""
        form = self._forms.get((shape, dtype)) or self._form(shape, dtype)
        if handle == (self._raw_stream(self.ordinal) or LEGACY_DEFAULT_STREAM):
            tensor = self._empty(*form)
        else:
            cuda = self._torch.cuda
            with cuda.stream(cuda.ExternalStream(handle, device=self._device)):
                tensor = self._empty(*form)
        return tensor, tensor.data_ptr()

    def _form(self, shape: tuple[int, ...], dtype: np.dtype) -> tuple[tuple[int, ...], tuple[int, ...], Any]:
        """What `_empty` makes a tensor by: its shape, the strides of C order, torch's data type."""
        if len(self._forms) >= _MOST_KEPT:
            self._forms.clear()
        strides = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
        return self._forms.setdefault((shape, dtype), (shape, strides, self._types[dtype]))

    def _public_stream(self, ordinal: int) -> int:
        return int(self._torch.cuda.current_stream(ordinal).cuda_stream)

    def _empty_strided(self, shape: tuple[int, ...], strides: tuple[int, ...], dtype: Any) -> Any:
        return self._torch.empty_strided(shape, strides, dtype=dtype, device=self._device)

    def adopt(self, array: DeviceArray) -> Any:
        """A tensor in the same memory."""
        return self._torch.from_dlpack(array)


def _private(torch: Any, path: str) -> Any:
    """One of torch's own functions, None where this torch has none of that name."""
    return functools.reduce(lambda found, name: getattr(found, name, None), path.split("."), torch._C)


class CupyMaker(Maker):
    """CuPy: memory from its pool, on its current stream."""

    def __init__(self, ordinal: int) -> None:
        super().__init__(ordinal)
        self._cupy = importlib.import_module("cupy")

    def current_stream(self) -> int:
        """The handle of CuPy's current stream on this GPU, whichever device is current."""
        return self._cupy.cuda.get_current_stream(self.ordinal).ptr or LEGACY_DEFAULT_STREAM

    def empty(
        self, device: Device, shape: tuple[int, ...], dtype: np.dtype, handle: int, stream: Any
    ) -> tuple[Any, int]:
        """A CuPy array; its memory belongs to the stream."""
        if handle == self.current_stream():
            array = self._cupy.empty(shape, dtype)
        else:
            with self._cupy.cuda.ExternalStream(handle, self.ordinal):
                array = self._cupy.empty(shape, dtype)
        return array, array.data.ptr

    def adopt(self, array: DeviceArray) -> Any:
        """A CuPy array in the same memory."""
        return self._cupy.from_dlpack(array)
