"""A GPU that lives in NumPy and is as lazy as it may be: work on a stream is done when somebody waits for it.

So what forgets to wait, or to order one stream after another, reads what was there before; and memory is overwritten
when its stream comes to where it was allocated, and to where it was given back. A thread has to make the device current
before it uses it, and a closed stream takes no more work.
"""

from __future__ import annotations

import ctypes
import itertools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from trtnn.gpu.device import PER_THREAD_DEFAULT_STREAM
from trtnn.gpu.device_array import DeviceArray
from trtnn.gpu.makers import Maker

LOCK = threading.RLock()
_HANDLES = itertools.count(0x1000, 0x10)


class FakeError(RuntimeError):
    """What the driver raises."""


class FakeStream:
    def __init__(self, device: FakeDevice, handle: int | None = None) -> None:
        self.device, self.handle = device, next(_HANDLES) if handle is None else handle
        self.queue: list[Callable[[], None]] = []
        self.capturing: list[Callable[[], None]] | None = None
        self.broken = self.closed = False
        device.streams[self.handle] = self

    def put(self, work: Callable[[], None]) -> None:
        self._require_use()
        with LOCK:
            (self.queue if self.capturing is None else self.capturing).append(work)

    def run_until(self, length: int) -> None:
        with LOCK:
            while self.done < length:
                self.done += 1
                work, self.queue[self.done - 1] = self.queue[self.done - 1], _nothing
                work()

    done = 0

    def sync(self) -> None:
        self._require_use()
        if self.broken:
            raise FakeError("CUDA_ERROR_ILLEGAL_ADDRESS")
        self.run_until(len(self.queue))

    def record(self, event: FakeEvent | None = None) -> FakeEvent:
        self._require_use()
        event = FakeEvent() if event is None else event
        event.stream, event.place = self, len(self.queue)
        return event

    def wait(self, other: FakeEvent | FakeStream) -> None:
        event = other.record() if isinstance(other, FakeStream) else other
        stream, place = event.stream, event.place
        if stream is not None:
            self.put(lambda: stream.run_until(place))

    def close(self) -> None:
        self.device.streams.pop(self.handle, None)
        self.closed = True

    def _require_use(self) -> None:
        self.device.require_current()
        if self.closed:
            raise FakeError("CUDA_ERROR_INVALID_HANDLE")


class FakeEvent:
    stream: FakeStream | None = None
    place = 0

    @property
    def is_done(self) -> bool:
        return self.stream is None or self.stream.done >= self.place

    def sync(self) -> None:
        if self.stream is not None:
            self.stream.device.require_current()
            self.stream.run_until(self.place)


class FakeBuffer:
    def __init__(self, device: FakeDevice, nbytes: int, stream: FakeStream) -> None:
        self.device, self.size, self.stream = device, nbytes, stream
        memory = self.memory = np.full(nbytes + 256, 0xEE, np.uint8)
        self.handle = -(-self.memory.ctypes.data // 256) * 256
        stream.put(lambda: memory.fill(0xEE))
        device.used += nbytes
        device.buffers[self.handle] = self.memory  # memory that is given back stays, poisoned

    def set_deallocation_stream(self, stream: FakeStream) -> None:
        self.stream = stream

    def close(self, stream: FakeStream | None = None) -> None:
        with LOCK:
            if self.size:
                self.device.used -= self.size
                memory, self.size = self.memory, 0
                (stream or self.stream).queue.append(lambda: memory.fill(0xDD))

    def __del__(self) -> None:
        self.close()


class FakePinned:
    def __init__(self, device: FakeDevice, nbytes: int) -> None:
        self.device, self.size = device, nbytes
        self.array = np.full(nbytes, 0xEE, np.uint8)
        self.handle = self.array.ctypes.data
        device.pinned += nbytes

    def close(self) -> None:
        self.device.pinned -= self.size
        self.array.fill(0xDD)


class FakeGraph:
    def __init__(self, work: list[Callable[[], None]]) -> None:
        self.work, self.launches, self.closed = work, 0, False

    def launch(self, stream: FakeStream) -> None:
        assert not self.closed
        self.launches += 1
        for one in self.work:
            stream.put(one)

    def close(self) -> None:
        self.closed = True


class FakeDevice:
    """Takes the place of `trtnn.gpu.device.Device`."""

    ordinal = 0

    def __init__(self) -> None:
        self.streams: dict[int, FakeStream] = {}
        self.buffers: dict[int, np.ndarray] = {}
        self.used = self.pinned = 0
        self.graphs: list[FakeGraph] = []
        self.refuses_capture = False
        self._thread = threading.local()
        self.make_current()

    def make_current(self) -> None:
        self._thread.current = True

    def require_current(self) -> None:
        if not hasattr(self._thread, "current"):
            raise FakeError("CUDA_ERROR_INVALID_CONTEXT")

    def race(self) -> None:
        """Does all work, one piece from each stream in turn: as unordered as it may be."""
        streams = list(self.streams.values())
        while any(stream.done < len(stream.queue) for stream in streams):
            for stream in reversed(streams):
                stream.run_until(min(stream.done + 1, len(stream.queue)))

    def new_stream(self) -> FakeStream:
        self.require_current()
        return FakeStream(self)

    def stream_of(self, handle: int) -> FakeStream:
        with LOCK:
            if handle == PER_THREAD_DEFAULT_STREAM:
                if not hasattr(self._thread, "stream"):
                    self._thread.stream = FakeStream(self)  # known by the number that it was made with, to `race`
                    self._thread.stream.handle = handle
                return self._thread.stream  # type: ignore[no-any-return]
            return self.streams.get(handle) or FakeStream(self, handle)

    def new_event(self) -> FakeEvent:
        return FakeEvent()

    def allocate(self, nbytes: int, stream: FakeStream) -> FakeBuffer:
        with LOCK:
            return FakeBuffer(self, nbytes, stream)

    def allocate_pinned(self, nbytes: int) -> FakePinned:
        self.require_current()
        with LOCK:
            return FakePinned(self, nbytes)

    def copy(self, target: int, source: int, nbytes: int, stream: FakeStream) -> None:
        stream.put(lambda: ctypes.memmove(target, source, nbytes))  # type: ignore[arg-type,return-value]

    def capture(self, stream: FakeStream, work: Callable[[], object], mode: str = "") -> FakeGraph:
        stream.capturing = []
        try:
            work()
            if self.refuses_capture:
                raise FakeError("CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED")
            self.graphs.append(FakeGraph(stream.capturing))
            return self.graphs[-1]
        finally:
            stream.capturing = None


class FakeLauncher:
    """Computes the stand-in's network on the fake device, by way of the context's scratch memory."""

    def __init__(self, device: FakeDevice) -> None:
        self.device, self.stream = device, device.new_stream()

    def allocate(self, nbytes: int) -> FakeBuffer:
        buffer = self.device.allocate(nbytes, self.stream)
        self.stream.sync()
        return buffer

    def switch(self, stream: int, switched: Callable[[], None]) -> None:
        self.device.stream_of(stream).put(switched)

    def run(
        self,
        stream: int,
        x: int,
        scratch: int,
        y: int,
        total: int,
        shape: tuple[int, ...],
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        count = int(np.prod(shape))

        def first() -> None:
            assert ready(), "the network runs before the profile has been switched"
            floats(scratch, count)[:] = floats(x, count)

        def second() -> None:
            held = floats(scratch, count).reshape(shape)
            floats(y, count)[:] = (3 * held + 1).ravel()
            floats(total, shape[0])[:] = held.sum(axis=1, dtype=np.float64)

        self.device.stream_of(stream).put(first)
        self.device.stream_of(stream).put(second)

    def compact(self, stream: int, x: int, target: Callable[[int], int], shape: tuple[int, ...]) -> int:
        count = int(np.prod(shape))
        self.device.stream_of(stream).sync()
        found = floats(x, count)[floats(x, count) > 0]
        address = target(4 * count)
        if not address:
            return -1
        self.device.stream_of(stream).sync()
        floats(address, found.size)[:] = found
        return int(found.size)


def floats(address: int, count: int) -> np.ndarray:
    """The float32 numbers at an address."""
    return np.ctypeslib.as_array((ctypes.c_float * max(count, 1)).from_address(address))[:count]


class FakeMaker(Maker):
    """A library whose arrays are `DeviceArray`s and that works on ``stream``."""

    adopts = True

    def __init__(self, stream: FakeStream) -> None:
        super().__init__(0)
        self.stream = stream

    def current_stream(self) -> int:
        return self.stream.handle


def read(array: DeviceArray | Any) -> np.ndarray:
    """Waits for an array of ours and copies it."""
    array.ready.sync()
    count = int(np.prod(array.shape))
    return floats(array.pointer, count).reshape(array.shape).copy()


def _nothing() -> None:
    pass
