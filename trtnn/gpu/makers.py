"""Makes arrays of the caller's kind on the GPU: torch tensors for torch, CuPy arrays for CuPy, JAX arrays for JAX."""

from __future__ import annotations

import abc
import contextlib
import functools
import importlib
from typing import Any

import numpy as np

from trtnn.gpu.device import LEGACY_DEFAULT_STREAM, Device
from trtnn.gpu.device_array import DeviceArray

_MOST_TEMPLATES = 256


class Maker(abc.ABC):
    """Makes arrays of one library on one GPU."""

    has_streams = True
    """Whether the library has a current stream, in whose order its arrays are ready."""
    adopts = False
    """Whether `empty` makes arrays of ours, which the library adopts once they are being filled."""

    def __init__(self, ordinal: int) -> None:
        self.ordinal = ordinal

    @classmethod
    @functools.cache  # one for each library and GPU
    def of(cls, ordinal: int) -> Any:
        """The maker for a GPU."""
        return cls(ordinal)

    @functools.cached_property
    def import_stream(self) -> Any:
        """The stream that is made to wait for arrays given by protocol, before it is known where they will be used."""
        return Device(self.ordinal).new_stream()

    @abc.abstractmethod
    def current_stream(self) -> int | None:
        """The handle of the stream that the caller's library works on now, None when it has no such thing."""

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
    """For callers whose library is not known: our own `DeviceArray`."""

    has_streams, adopts = False, True

    def current_stream(self) -> int | None:
        """None: there is no such thing."""
        return None


class JaxMaker(OwnMaker):
    """JAX has no streams to order by: it gets its arrays through DLPack, which sees to the order."""

    def adopt(self, array: DeviceArray) -> Any:
        """A JAX array in the same memory."""
        return importlib.import_module("jax.dlpack").from_dlpack(array)


class TorchMaker(Maker):
    """torch: memory from its allocator, on its current stream."""

    def __init__(self, ordinal: int) -> None:
        super().__init__(ordinal)
        torch = importlib.import_module("torch")
        self._torch, self._device = torch, torch.device("cuda", ordinal)
        # what torch's own compiler calls, 20 times as fast as the public way
        self._raw_stream = getattr(
            torch._C, "_cuda_getCurrentRawStream", lambda ordinal: torch.cuda.current_stream(ordinal).cuda_stream
        )
        self._empty_like = functools.partial(torch.empty_like, memory_format=torch.contiguous_format)
        self._templates: dict[tuple[tuple[int, ...], np.dtype], Any] = {}
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
        template = self._templates.get((shape, dtype))
        if template is None:
            template = self._template(shape, dtype)
        if handle == (self._raw_stream(self.ordinal) or LEGACY_DEFAULT_STREAM):
            tensor = self._empty_like(template)
        else:
            cuda = self._torch.cuda
            with cuda.stream(cuda.ExternalStream(handle, device=self._device)):
                tensor = self._empty_like(template)
        return tensor, tensor.data_ptr()

    def _template(self, shape: tuple[int, ...], dtype: np.dtype) -> Any:
        """A tensor of that shape with one element; to make another like it takes half the time of ``torch.empty``."""
        if len(self._templates) >= _MOST_TEMPLATES:
            self._templates.clear()
        one = self._torch.empty((1,) * len(shape), dtype=self._types[dtype], device=self._device)
        return self._templates.setdefault((shape, dtype), one.expand(shape))

    def adopt(self, array: DeviceArray) -> Any:
        """A tensor in the same memory."""
        return self._torch.from_dlpack(array)


class CupyMaker(Maker):
    """CuPy: memory from its pool, on its current stream."""

    def __init__(self, ordinal: int) -> None:
        super().__init__(ordinal)
        self._cupy = importlib.import_module("cupy")

    def current_stream(self) -> int:
        """The handle of CuPy's current stream."""
        return self._cupy.cuda.get_current_stream().ptr or LEGACY_DEFAULT_STREAM

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
