"""One stream's worth of order for calls that come on any stream."""

from __future__ import annotations

from typing import Any

from trtnn.gpu.device import PER_THREAD_DEFAULT_STREAM, Device
from trtnn.gpu.held import Held


class Lane:
    """Lets one call at a time work on the GPU, whatever streams they run on: each waits there for the one before.

    ``stream`` is the lane's own, for callers who bring none. For one thread at a time.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self.stream = device.new_stream()
        self.handle = int(self.stream.handle)
        self._done = device.new_event()
        self._last: int | None = None
        self.held = Held()

    def stream_of(self, handle: int) -> Any:
        """The stream with that handle, which may be the lane's own."""
        return self.stream if handle == self.handle else self._device.stream_of(handle)

    def begin(self, stream: Any) -> None:
        """Makes the stream wait for the last call."""
        self.held.let_go()
        handle = int(stream.handle)
        if self._last is not None and (self._last != handle or handle == PER_THREAD_DEFAULT_STREAM):
            stream.wait(self._done)

    def end(self, stream: Any) -> None:
        """Notes that a call's work ends here on the stream."""
        stream.record(self._done)
        self._last = int(stream.handle)

    def finish(self, stream: Any = None) -> None:
        """Waits until the GPU has done all calls, with what one that failed has put on ``stream``."""
        if self._last is not None:
            self._done.sync()
        self.stream.sync()
        if stream is not None:
            stream.sync()
        self.held.clear()
        self._last = None
