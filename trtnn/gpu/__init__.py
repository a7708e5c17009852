"""NVIDIA GPUs through cuda-core: finding one, memory, streams, and arrays that other libraries keep there."""

from __future__ import annotations

from typing import Any

from trtnn.gpu.library import CudaLibrary, available, compute_capability, load, why_not

__all__ = ["CudaLibrary", "available", "compute_capability", "empty_pinned", "load", "why_not"]


def __getattr__(name: str) -> Any:
    if name == "empty_pinned":
        from trtnn.gpu.pinned import empty_pinned  # needs NumPy, which those who only ask for a GPU need not load

        return empty_pinned
    raise AttributeError(f"module 'trtnn.gpu' has no attribute {name!r}")
