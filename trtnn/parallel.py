"""Threads for work on large arrays that holds no lock of Python's: copying them, looking through them."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

THREADS = min(12, os.cpu_count() or 1)
"""More do not copy faster: memory itself is the limit then."""


def in_chunks(work: Callable[[int, int], None], size: int, chunk: int) -> None:
    """Calls ``work(start, stop)`` for every chunk of ``range(size)``, in several threads, the chunks at the front
    first. Raises what one of them raised, or the KeyboardInterrupt that came meanwhile, once all have ended: the arrays
    that they work on may go away then."""
    starts = range(0, size, chunk)

    def share(first: int) -> None:
        for start in starts[first::THREADS]:
            work(start, min(start + chunk, size))

    threads = _threads(os.getpid())
    shares: list[Future[None]] = []
    errors: list[BaseException] = []
    try:
        for first in range(min(THREADS, len(starts))):
            shares.append(threads.submit(share, first))
    finally:
        for one in shares:
            errors += _ended(one)
    if errors:
        raise errors[0]


def _ended(share: Future[None]) -> list[BaseException]:
    """The errors of a share, and of the wait for its end, which nothing cuts short."""
    interrupts: list[BaseException] = []
    while True:
        try:
            error = share.exception()
        except KeyboardInterrupt as interrupt:
            interrupts.append(interrupt)
        else:
            return interrupts if error is None else [*interrupts, error]


@functools.cache
def _threads(process: int) -> ThreadPoolExecutor:
    """The threads of a process: one that was forked has none of its parent's."""
    return ThreadPoolExecutor(THREADS, thread_name_prefix="trtnn")
