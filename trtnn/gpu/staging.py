"""Copies between NumPy arrays and the GPU through page-locked memory.

A large array is copied in chunks by several threads, each chunk on its way over the bus while others are still being
copied: one thread alone moves about a fifth of what the bus does.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from trtnn.gpu.device import Device, Pinned
from trtnn.gpu.pinned import GRANULE, PinnedPool, is_page_locked
from trtnn.parallel import in_chunks

CHUNK = 4 << 20
"""Bytes that a thread copies at a time."""
LARGE = 2 * CHUNK
"""Arrays of more bytes than this are copied by several threads."""
HANDED_OUT = 1 << 20
"""Results of at least this many bytes are handed out in the page-locked memory that the GPU wrote them to."""


class Staging:
    """The page-locked memory of one call at a time: it grows to the largest arrays seen and is used again.

    ``results`` is the pool that large results are taken from.
    """

    def __init__(self, device: Device, results: PinnedPool) -> None:
        self._device, self._results = device, results
        self._blocks: dict[tuple[str, str], Pinned] = {}
        self._views: dict[tuple[str, str], np.ndarray] = {}

    def upload(self, name: str, array: np.ndarray, target: int, stream: Any) -> None:
        """Copies a contiguous array to the device address, in the order of the stream.

        Page-locked memory (`empty_pinned`, and results of engines) is read by the GPU itself: it must not change until
        the stream has been synchronized."""
        nbytes = array.nbytes
        if nbytes >= HANDED_OUT and is_page_locked(array):
            self._device.copy(target, array.ctypes.data, nbytes, stream)
            return
        if nbytes <= LARGE:
            staged = self._view(("in", name), array.shape, array.dtype)
            np.copyto(staged, array)
            self._device.copy(target, self._blocks["in", name].handle, nbytes, stream)
            return
        pinned, source = self._block(("in", name), nbytes).handle, array.ctypes.data

        def send(start: int, stop: int) -> None:
            ctypes.memmove(pinned + start, source + start, stop - start)
            self._device.make_current()
            self._device.copy(target + start, pinned + start, stop - start, stream)

        in_chunks(send, nbytes, CHUNK)

    def download(
        self, name: str, source: int, shape: tuple[int, ...], dtype: np.dtype, stream: Any, out: np.ndarray | None
    ) -> Callable[[], np.ndarray]:
        """Begins to copy an array from the device address; the function returned gives it, to be called once the
        stream has been synchronized. It is ``out`` where that is given, else an array of the caller's own."""
        nbytes = dtype.itemsize * math.prod(shape)
        if out is not None and nbytes >= HANDED_OUT and is_page_locked(out):
            self._device.copy(out.ctypes.data, source, nbytes, stream)
            return lambda: out
        lease = self._results.array(nbytes) if out is None and nbytes >= HANDED_OUT else None
        if lease is not None:
            array, block = lease
            self._device.copy(block.handle, source, nbytes, stream)
            return lambda: array.view(dtype).reshape(shape)
        if nbytes > LARGE:
            result = np.empty(shape, dtype) if out is None else out
            self._receive(self._block(("out", name), nbytes), source, result, stream)
            return lambda: result
        staged = self._view(("out", name), shape, dtype)
        if nbytes:
            self._device.copy(self._blocks["out", name].handle, source, nbytes, stream)
        if out is None:
            return staged.copy
        return lambda: _copied(out, staged)

    def close(self) -> None:
        """Frees the memory."""
        self._views.clear()
        while self._blocks:
            self._blocks.popitem()[1].close()

    def _receive(self, block: Pinned, source: int, result: np.ndarray, stream: Any) -> None:
        """Copies in chunks: while one is on the bus, those that have come are copied on. Waits for all of them."""
        pinned, target, nbytes = block.handle, result.ctypes.data, result.nbytes
        arrived = []
        for start in range(0, nbytes, CHUNK):
            self._device.copy(pinned + start, source + start, min(CHUNK, nbytes - start), stream)
            arrived.append(stream.record())

        def take(start: int, stop: int) -> None:
            self._device.make_current()
            arrived[start // CHUNK].sync()
            ctypes.memmove(target + start, pinned + start, stop - start)

        in_chunks(take, nbytes, CHUNK)

    def _view(self, use: tuple[str, str], shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """The use's memory as an array; the last one made is kept."""
        view = self._views.get(use)
        if view is None or view.shape != shape or view.dtype != dtype:
            nbytes = dtype.itemsize * math.prod(shape)
            view = self._block(use, nbytes).array[:nbytes].view(dtype).reshape(shape)
            self._views[use] = view
        return view

    def _block(self, use: tuple[str, str], nbytes: int) -> Pinned:
        block = self._blocks.get(use)
        if block is None or block.size < nbytes:
            self._views.pop(use, None)
            if block is not None:
                del self._blocks[use]
                block.close()
            size = -(-max(nbytes, 1) // GRANULE) * GRANULE
            block = self._blocks[use] = self._device.allocate_pinned(size)
        return block


def _copied(out: np.ndarray, staged: np.ndarray) -> np.ndarray:
    np.copyto(out, staged)
    return out
