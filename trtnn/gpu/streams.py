"""What callers give as a stream."""

from __future__ import annotations

from typing import Any

from trtnn.errors import ArgumentError
from trtnn.gpu.device import LEGACY_DEFAULT_STREAM


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
