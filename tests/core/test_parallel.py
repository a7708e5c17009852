"""Threads for large arrays: all of the work is done, once, and has ended when the call has."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest

from trtnn.calling import Arguments
from trtnn.graph import DType, TensorType
from trtnn.parallel import THREADS, in_chunks


def test_chunks_cover_everything_once_and_errors_come_out() -> None:
    seen = np.zeros(1000, np.int64)

    def count(start: int, stop: int) -> None:
        seen[start:stop] += 1

    in_chunks(count, 1000, 7)
    assert (seen == 1).all()

    def fail(start: int, stop: int) -> None:
        if start == 70:
            raise ValueError("chunk 10")

    with pytest.raises(ValueError, match="chunk 10"):
        in_chunks(fail, 1000, 7)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this system has no signals to threads")
def test_an_interrupt_waits_for_the_threads_that_work_on_the_arrays() -> None:
    main, begun, ended = threading.main_thread(), threading.Event(), []
    assert threading.current_thread() is main and main.ident is not None

    def work(start: int, stop: int) -> None:
        begun.set()
        time.sleep(0.2)
        ended.append(start)

    def interrupt() -> None:
        begun.wait()
        for _ in range(2):
            signal.pthread_kill(main.ident, signal.SIGINT)  # type: ignore[arg-type]
            time.sleep(0.02)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        in_chunks(work, THREADS, 1)
    assert len(ended) == THREADS


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own() -> None:
    arguments = Arguments({"x": TensorType(DType.float32, (1 << 22,))}, ({},), True)
    x = np.ones(1 << 22, np.float32)
    arguments.check([x], {})  # in several threads
    child = os.fork()
    if not child:
        try:
            arguments.check([x], {})
            os._exit(0)
        finally:
            os._exit(1)
    for _ in range(1000):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert status == 0
            return
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    pytest.fail("the forked process hangs")
