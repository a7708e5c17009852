"""One GPU as the runtimes see it: streams, events, memory, copies and captured graphs.

The runtimes ask for no more than is here, so that their tests can give them a device that lives in NumPy.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from trtnn.errors import DeviceError
from trtnn.gpu import library

LEGACY_DEFAULT_STREAM = 1
"""The handle that CUDA gives the legacy default stream; 0 means the same stream."""
PER_THREAD_DEFAULT_STREAM = 2
"""The handle that stands for another stream in every thread."""


class _Thread(threading.local):
    ready = False


_THREAD = _Thread()


@functools.cache
def _watch_forks() -> None:
    """Lets the one thread of a forked process know that it has made no device current."""
    if hasattr(os, "register_at_fork"):  # not on Windows
        os.register_at_fork(after_in_child=lambda: setattr(_THREAD, "ready", False))


class Pinned:
    """Page-locked host memory, which the GPU copies from and to while the host goes on.

    ``array``: its bytes as a NumPy array; ``handle``: its address.
    """

    def __init__(self, buffer: Any) -> None:
        self._buffer = buffer
        self.handle, self.size = int(buffer.handle), int(buffer.size)
        self.array: np.ndarray = np.ctypeslib.as_array((ctypes.c_uint8 * self.size).from_address(self.handle))

    def close(self) -> None:
        """Frees it; the array must not be used any more."""
        self._buffer.close()


class Device:
    """The GPU with the number ``ordinal``. Raises LibraryError or DeviceError when it cannot be used."""

    def __init__(self, ordinal: int = 0) -> None:
        self.ordinal = ordinal
        self._process = os.getpid()
        _watch_forks()
        self._core = library.load().core
        device = library.device(ordinal)
        self.name = str(device.name)
        self._memory = device.memory_resource
        self._alone = len(self._core.Device.get_all_devices()) == 1
        self._pinned = self._core.LegacyPinnedMemoryResource()

    def make_current(self) -> None:
        """Makes it the calling thread's device, which CUDA wants before anything else in that thread.

        Raises DeviceError in a process that was forked since the device was made: CUDA does not work there.
        """
        if self._alone and _THREAD.ready:
            return  # there is no other device that the thread could have changed to
        if self._process != os.getpid():
            raise DeviceError(
                f"GPU {self.ordinal}",
                problem="this process was forked from one that uses the GPU, and CUDA does not work in it",
                remedy='start processes with multiprocessing.get_context("spawn"), or fork before the first call',
            )
        self._core.Device(self.ordinal).set_current()
        _THREAD.ready = True

    def new_stream(self) -> Any:
        """A stream that is not ordered with the legacy default stream."""
        return self._core.Device(self.ordinal).create_stream()

    @functools.lru_cache(maxsize=64)  # noqa: B019  # devices live as long as the process
    def stream_of(self, handle: int) -> Any:
        """The caller's stream with that handle; it is the caller who keeps it alive."""
        if handle == LEGACY_DEFAULT_STREAM:
            return self._core.LEGACY_DEFAULT_STREAM
        if handle == PER_THREAD_DEFAULT_STREAM:
            return self._core.PER_THREAD_DEFAULT_STREAM
        return self._core.Stream.from_handle(handle)

    def new_event(self) -> Any:
        """An event that takes no time stamps."""
        return self._core.Device(self.ordinal).create_event()

    def allocate(self, nbytes: int, stream: Any) -> Any:
        """Device memory, usable in the order of the stream and given back in that order when it is closed."""
        return self._memory.allocate(max(nbytes, 1), stream=stream)

    def allocate_pinned(self, nbytes: int) -> Pinned:
        """Page-locked host memory."""
        return Pinned(self._pinned.allocate(max(nbytes, 1)))

    def copy(self, target: int, source: int, nbytes: int, stream: Any) -> None:
        """Copies between two addresses, each on the device or pinned, in the order of the stream."""
        self._named(target, nbytes).copy_from(self._named(source, nbytes), stream=stream)

    @functools.lru_cache(maxsize=256)  # noqa: B019  # likewise
    def _named(self, address: int, nbytes: int) -> Any:
        """A buffer that stands for memory of others, and owns nothing."""
        return self._core.Buffer.from_handle(address, nbytes)

    def capture(self, stream: Any, work: Callable[[], object], mode: str = "thread_local") -> Any:
        """The work that ``work`` puts on the stream, as a graph with ``launch(stream)``; it does not run meanwhile.

        In the ``mode`` "relaxed" the work may allocate memory too, which CUDA does at once. What cannot be captured
        raises, and leaves the stream as it was.
        """
        builder = stream.create_graph_builder()
        builder.begin_building(mode=mode)
        try:
            work()
            builder.end_building()
            return builder.complete()
        except BaseException:
            builder.close()  # ends a capture that an error has made invalid, which end_building does not
            raise
