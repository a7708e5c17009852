"""Device memory that is used again by the next call: one buffer per use, grown when a call needs more."""

from __future__ import annotations

from typing import Any

from trtnn.gpu.device import Device

GRANULE = 1 << 16


class Buffers:
    """Buffers by what they are used for, allocated on ``stream``. For one call at a time."""

    def __init__(self, device: Device, stream: Any) -> None:
        self._device, self._stream = device, stream
        self._buffers: dict[str, Any] = {}
        self.version = 0
        """Grows whenever an address changes."""

    def address(self, use: str, nbytes: int, stream: Any) -> int:
        """The address of at least that many bytes for a use, ready in the order of ``stream``; what was there before
        is lost when the buffer had to grow. All earlier work with the buffer must be ordered before ``stream``."""
        buffer = self._buffers.get(use)
        if buffer is None or buffer.size < nbytes:
            if buffer is not None:
                del self._buffers[use]
                buffer.close(stream)
            buffer = self._device.allocate(-(-max(nbytes, 1) // GRANULE) * GRANULE, self._stream)
            self._buffers[use] = buffer
            self.version += 1
            if stream is not self._stream:
                stream.wait(self._stream)
        return int(buffer.handle)

    def close(self) -> None:
        """Frees the memory, in the order of the stream that it was allocated on."""
        while self._buffers:
            self._buffers.popitem()[1].close()
