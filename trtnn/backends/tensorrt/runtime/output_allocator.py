"""Memory for outputs whose size TensorRT knows only after it has seen the values."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


@functools.cache
def allocator_class(trt: Any) -> type:
    """The ``IOutputAllocator`` of a TensorRT library.

    ``begin(allocate)`` readies an instance for a call, with ``allocate(nbytes)`` giving a buffer with a ``handle``;
    after the call ``take()`` gives the output's buffer and its shape, and keeps neither. ``error`` is why there was no
    memory.
    """

    class OutputAllocator(trt.IOutputAllocator):  # type: ignore[misc]  # the library is a value here
        def __init__(self) -> None:
            super().__init__()
            self._allocate: Callable[[int], Any] | None = None
            self._buffer: Any = None
            self._shape: tuple[int, ...] | None = None
            self.error: Exception | None = None

        def begin(self, allocate: Callable[[int], Any]) -> None:
            self._allocate, self._buffer, self._shape, self.error = allocate, None, None, None

        def take(self) -> tuple[Any, tuple[int, ...]]:
            assert self._allocate is not None and self._shape is not None  # TensorRT has enqueued the network
            buffer = self._allocate(1) if self._buffer is None else self._buffer  # none is asked for no elements
            self._allocate = self._buffer = None
            return buffer, self._shape

        def reallocate_output(self, tensor_name: str, memory: int, size: int, alignment: int) -> int:
            try:
                assert self._allocate is not None
                self._buffer = self._allocate(max(size, 1))
            except Exception as error:  # TensorRT prints exceptions and goes on; 0 makes it stop
                self.error = error
                return 0
            return int(self._buffer.handle)

        def reallocate_output_async(self, tensor_name: str, memory: int, size: int, alignment: int, stream: int) -> int:
            return self.reallocate_output(tensor_name, memory, size, alignment)

        def notify_shape(self, tensor_name: str, shape: Any) -> None:
            self._shape = tuple(shape)

    return OutputAllocator
