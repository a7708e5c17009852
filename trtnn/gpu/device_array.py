"""An array of ours on the GPU, for callers whose own library has no way to make one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from trtnn.gpu import library
from trtnn.gpu.device import LEGACY_DEFAULT_STREAM, PER_THREAD_DEFAULT_STREAM, Device
from trtnn.gpu.streams import stream_handle

_DLPACK_CUDA = 2
_NO_WAITING = -1  # what DLPack's consumers say who see to the order themselves


class DeviceArray:
    """An array in device memory that speaks ``__dlpack__`` and ``__cuda_array_interface__``; both order the consumer's
    stream after the work that fills the array. ``numpy()`` copies it to the host.

    ``shape`` is in elements, ``dtype`` NumPy's; the elements lie in C order. The memory is given back, in stream
    order, when the array and all that was made from it are gone.

    ``stream`` is the handle of the stream that fills it, and ``ready`` the event after which it is filled. An array
    that has been ``exported`` by DLPack gives its memory back in the order of its last consumer's stream. Both streams
    have to live as long as the array.
    """

    def __init__(self, device: Device, buffer: Any, shape: tuple[int, ...], dtype: np.dtype, stream: Any) -> None:
        self.shape, self.dtype, self.ordinal = shape, dtype, device.ordinal
        self.nbytes = dtype.itemsize * math.prod(shape)
        self._device, self._buffer, self._stream = device, buffer, stream
        self.stream = int(stream.handle)
        self.ready: Any = None
        self.exported = False

    @classmethod
    def empty(cls, device: Device, shape: tuple[int, ...], dtype: np.dtype, stream: Any) -> DeviceArray:
        """An array with undefined contents, to be filled in the order of the stream."""
        return cls(device, device.allocate(dtype.itemsize * math.prod(shape), stream), shape, dtype, stream)

    @property
    def pointer(self) -> int:
        """The address of the first element."""
        return int(self._buffer.handle)

    def filled(self, stream: Any) -> None:
        """Notes that all the work put on the stream so far fills the array: consumers wait for it."""
        self.ready = stream.record()
        if stream is not self._stream:
            self._stream.wait(self.ready)  # whose followers wait for nothing

    def __dlpack_device__(self) -> tuple[int, int]:
        return (_DLPACK_CUDA, self.ordinal)

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """A DLPack capsule; ``stream`` is the consumer's, the legacy default stream when None, as DLPack has it."""
        self._device.make_current()
        if stream != _NO_WAITING:
            self._order(self._device.stream_of(stream_handle(stream or LEGACY_DEFAULT_STREAM)))
        found = library.load().core.utils.StridedMemoryView.from_buffer(self._buffer, self.shape, dtype=self.dtype)
        return found.__dlpack__(stream=_NO_WAITING, max_version=max_version, dl_device=dl_device, copy=copy)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.pointer, False),
            "strides": None,
            "stream": self.stream,
            "version": 3,
        }

    def numpy(self) -> np.ndarray:
        """A copy in host memory; waits until the array is filled."""
        self._device.make_current()
        staged = self._device.allocate_pinned(self.nbytes)
        try:
            if self.ready is not None:
                self._stream.wait(self.ready)  # the per-thread default stream is another one in every thread
            self._device.copy(staged.handle, self.pointer, self.nbytes, self._stream)
            self._stream.sync()
            found: np.ndarray = staged.array[: self.nbytes].view(self.dtype).reshape(self.shape).copy()
        finally:
            staged.close()
        return found

    def _order(self, consumer: Any) -> None:
        """Makes the consumer's stream wait until the array is filled, and its memory wait for the consumer, who has to
        come behind those that read the array in the order of its own stream."""
        last = self.ready if self.stream == PER_THREAD_DEFAULT_STREAM else self._stream
        if last is not None:
            consumer.wait(last)
        self._buffer.set_deallocation_stream(consumer)
        self.exported = True

    def __repr__(self) -> str:
        return f"DeviceArray(shape={self.shape}, dtype={self.dtype}, GPU {self.ordinal})"


def note_written(arrays: Iterable[Any], stream: Any) -> None:
    """Notes that the stream's work so far fills the arrays, those of them that are ours."""
    for array in arrays:
        if isinstance(array, DeviceArray):
            array.filled(stream)
