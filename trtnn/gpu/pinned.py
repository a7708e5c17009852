"""Page-locked memory that is used again: blocks by size, and arrays that callers may keep."""

from __future__ import annotations

import functools
import math
import threading
from collections import deque
from typing import Any

import numpy as np

from trtnn.gpu.device import Device, Pinned

GRANULE = 1 << 16
"""Blocks are multiples of this many bytes, so that sizes that differ a little share blocks."""
MOST_HANDED_OUT = 1 << 30
"""Bytes of page-locked memory that results may keep from the system; beyond, they are copied to ordinary memory."""
MOST_OWN = 16 << 30
"""Bytes that `empty_pinned` gives out at the most."""


def empty_pinned(shape: tuple[int, ...], dtype: Any = np.float32) -> np.ndarray:
    """A NumPy array with undefined contents in page-locked memory, which the GPU reads and writes itself: an engine
    spares the copy of large inputs and ``out=`` arrays that live there. It counts against the system's memory, and is
    kept for the next such array once it is gone.

    Raises LibraryError or DeviceError where there is no GPU, and MemoryError beyond 16 GiB in all.
    """
    wanted = np.dtype(dtype)
    found = _own_pool().array(wanted.itemsize * math.prod(shape))
    if found is None:
        raise MemoryError(f"more than {MOST_OWN >> 30} GiB of page-locked memory")
    array: np.ndarray = found[0].view(wanted).reshape(shape)
    return array


def is_page_locked(array: np.ndarray) -> bool:
    """Whether the array lies in a block of a `PinnedPool`."""
    base = array.base
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(base, _Lease)


class PinnedPool:
    """Blocks of page-locked memory, which is slow to allocate. Safe to use from several threads.

    ``limit``: the most bytes that it allocates in all.
    """

    def __init__(self, device: Device, limit: int = MOST_HANDED_OUT) -> None:
        self._device, self._limit = device, limit
        self._lock = threading.Lock()
        self._free: dict[int, deque[Pinned]] = {}
        self._allocated = 0
        self._closed = False

    @property
    def allocated(self) -> int:
        """The bytes allocated, in use or not."""
        return self._allocated

    def take(self, nbytes: int) -> Pinned | None:
        """A block of at least that size, or None when the limit is reached."""
        size = -(-max(nbytes, 1) // GRANULE) * GRANULE
        try:
            return self._free.setdefault(size, deque()).pop()
        except IndexError:
            return self._allocate(size)

    def give_back(self, block: Pinned) -> None:
        """Makes a block free again. It takes no lock, since the garbage collector may call it at any point."""
        if self._closed:
            block.close()
        else:
            self._free[block.size].append(block)

    def array(self, nbytes: int) -> tuple[np.ndarray, Pinned] | None:
        """A byte array whose block is given back when the last view of it is gone; None when the limit is reached."""
        block = self.take(nbytes)
        return None if block is None else (np.asarray(_Lease(self, block, nbytes)), block)

    def close(self) -> None:
        """Frees all free blocks, and the others as soon as they are given back."""
        self._closed = True
        for blocks in list(self._free.values()):
            while blocks:
                blocks.pop().close()

    def _allocate(self, size: int) -> Pinned | None:
        with self._lock:
            if self._allocated + size > self._limit:
                self._drop_free()
            if self._allocated + size > self._limit:
                return None
            self._allocated += size
        try:
            self._device.make_current()
            return self._device.allocate_pinned(size)
        except BaseException:
            with self._lock:
                self._allocated -= size
            raise

    def _drop_free(self) -> None:
        """Frees the blocks that wait for an array of their size."""
        for size, blocks in list(self._free.items()):
            while blocks:
                blocks.pop().close()
                self._allocated -= size


@functools.cache
def _own_pool() -> PinnedPool:
    return PinnedPool(Device(), MOST_OWN)


class _Lease:
    """Owns a block on behalf of the array made from it: the array's base."""

    def __init__(self, pool: PinnedPool, block: Pinned, nbytes: int) -> None:
        self._pool, self._block = pool, block
        self.__array_interface__ = {
            "shape": (nbytes,),
            "typestr": "|u1",
            "data": (block.handle, False),
            "version": 3,
        }

    def __del__(self) -> None:
        self._pool.give_back(self._block)
