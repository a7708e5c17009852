"""Giving memory back that a mapped file takes up after its values were read."""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def release_pages(arrays: Iterable[NDArray[Any] | None]) -> int:
    """Lets the system drop the pages of the read-only mapped files that arrays view; returns how many files those are.

    The arrays stay valid: a page comes back, from the system's cache or the file, when it is read again. Mappings that
    can be written are left alone, since their changes would be lost. Does nothing on Windows.
    """
    if not hasattr(mmap.mmap, "madvise"):
        return 0
    mappings = {id(mapping): mapping for mapping in map(_mapping, arrays) if mapping is not None}
    for mapping in mappings.values():
        mapping.madvise(mmap.MADV_DONTNEED)
    return len(mappings)


def _mapping(array: NDArray[Any] | None) -> mmap.mmap | None:
    """The read-only mapping that an array views, or None."""
    owner: Any = array
    while isinstance(owner, (np.ndarray, memoryview)):
        owner = owner.base if isinstance(owner, np.ndarray) else owner.obj
    return owner if isinstance(owner, mmap.mmap) and memoryview(owner).readonly else None
