"""Streams: what callers give as one, and one for every thread whose arrays come without."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from typing import Any

from trtnn.errors import ArgumentError
from trtnn.gpu.device import LEGACY_DEFAULT_STREAM, Device

_FREE: defaultdict[int, deque[Any]] = defaultdict(deque)
"""The streams of threads that have ended, by the number of the GPU."""


def stream_handle(stream: Any) -> int:
    """The address of a CUDA stream.

    ``stream``: the address itself, a stream of torch or CuPy, or anything with ``__cuda_stream__``, such as cuda-core's
    and Numba's streams. 0, the null stream, is the legacy default stream. Raises ArgumentError for anything else.
    """
    if type(stream) is int and stream >= 0:
        return stream or LEGACY_DEFAULT_STREAM
    protocol = getattr(stream, "__cuda_stream__", None)
    if protocol is not None:
        _, handle = protocol() if callable(protocol) else protocol
    else:
        handle = getattr(stream, "cuda_stream", getattr(stream, "ptr", None))  # torch's and CuPy's own attributes
    if handle is None:
        raise ArgumentError(
            "stream",
            expected="a CUDA stream: its address, a torch or CuPy stream, or an object with __cuda_stream__",
            got=f"{stream!r} of type {type(stream).__name__}",
        )
    return int(handle) or LEGACY_DEFAULT_STREAM


def thread_stream(ordinal: int) -> int:
    """The handle of the calling thread's own stream on a GPU.

    It goes to another thread when this one has ended, and is never destroyed: what has been put on it and what follows
    stay in order, and its handle means no other stream.
    """
    lent = _LENT.streams.get(ordinal)
    if lent is None:
        lent = _LENT.streams[ordinal] = _Lent(ordinal)
    return lent.handle


class _Lent:
    """A stream, as long as its thread lives."""

    def __init__(self, ordinal: int) -> None:
        self._free = _FREE[ordinal]
        try:
            self.stream = self._free.pop()
        except IndexError:
            device = Device(ordinal)
            device.make_current()
            self.stream = device.new_stream()
        self.handle = int(self.stream.handle)

    def __del__(self) -> None:
        if hasattr(self, "stream"):
            self._free.append(self.stream)


class _Thread(threading.local):
    def __init__(self) -> None:
        self.streams: dict[int, _Lent] = {}


_LENT = _Thread()
