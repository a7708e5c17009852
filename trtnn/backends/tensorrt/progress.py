"""A build while it runs: a bar for each of the builder's phases, and an end to it on Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from trtnn.text import is_terminal

SHOWN_DEPTH = 2
"""How deep the phases nest that are shown: below come many short ones."""


class Display(Protocol):
    """Shows phases, each a number of steps long and perhaps inside another."""

    def start(self, phase: str, parent: str | None, steps: int) -> None:
        """A phase begins."""

    def step(self, phase: str) -> None:
        """One of its steps is done."""

    def finish(self, phase: str) -> None:
        """The phase is over, whether all of its steps were taken or not."""


@contextmanager
def watched_build(trt: Any, config: Any, title: str, show: bool | None) -> Iterator[None]:
    """Shows the phases of the build that runs meanwhile, and ends it when the user presses Ctrl-C.

    ``show`` None means: where standard error is a terminal. Raises KeyboardInterrupt once the build has ended, if it
    was interrupted. Only the main thread takes signals, so a build in another one goes on until it is done.
    """
    interrupted = threading.Event()
    with _display(title, show) as display:
        config.progress_monitor = monitor = _monitor_of(trt, display, interrupted)
        try:
            with _noted_interrupt(interrupted):
                yield
        finally:
            config.progress_monitor = None
            del monitor  # TensorRT holds its address until here
    if interrupted.is_set():
        signal.raise_signal(signal.SIGINT)  # to whoever handles it otherwise
        raise KeyboardInterrupt


@contextmanager
def _noted_interrupt(interrupted: threading.Event) -> Iterator[None]:
    """Sets the event on SIGINT, in the place of the handler that there is; a process that ignores the signal goes on
    ignoring it.

    An exception would be lost: what a callback of the builder raises is printed and forgotten.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    signal.signal(signal.SIGINT, lambda number, frame: interrupted.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _monitor_of(trt: Any, display: Display, interrupted: threading.Event) -> Any:
    """An ``IProgressMonitor`` that tells the display, and the builder to stop once the event is set."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]  # the library is a value here
        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            display.start(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            display.step(phase_name)
            return not interrupted.is_set()

        def phase_finish(self, phase_name: str) -> None:
            display.finish(phase_name)

    return Monitor()


@contextmanager
def _display(title: str, show: bool | None) -> Iterator[Display]:
    terminal = is_terminal(sys.stderr)
    if sys.stderr is None or not (terminal if show is None else show):
        yield Silence()
        return
    progress = _rich_progress() if terminal else None
    if progress is None:
        yield Lines(title)
        return
    with progress:
        yield Bars(progress, title)


def _rich_progress() -> Any:
    """A progress bar of rich on standard error that goes when it is done; None without rich."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    except ImportError:
        return None
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, console=Console(stderr=True), transient=True)


class Silence:
    """Shows nothing."""

    def start(self, phase: str, parent: str | None, steps: int) -> None:
        """Nothing."""

    def step(self, phase: str) -> None:
        """Nothing."""

    def finish(self, phase: str) -> None:
        """Nothing."""


class Lines(Silence):
    """A plain line on standard error for each phase, the first time that it comes."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._seen: set[str] = set()

    def start(self, phase: str, parent: str | None, steps: int) -> None:
        """Writes the line."""
        if phase not in self._seen:
            self._seen.add(phase)
            print(f"{self._title}: {phase}", file=sys.stderr, flush=True)  # noqa: T201  # for the user to see


class Bars(Silence):
    """Rich bars, nested as the phases are."""

    def __init__(self, progress: Any, title: str) -> None:
        self._progress, self._title = progress, title
        self._depths: dict[str, int] = {}
        self._tasks: dict[str, Any] = {}

    def start(self, phase: str, parent: str | None, steps: int) -> None:
        """Adds a bar."""
        depth = self._depths[phase] = self._depths.get(parent or "", -1) + 1
        if depth <= SHOWN_DEPTH:
            text = phase if depth else f"{self._title}: {phase}"
            self._tasks[phase] = self._progress.add_task("  " * depth + text, total=steps)

    def step(self, phase: str) -> None:
        """Moves its bar."""
        if phase in self._tasks:
            self._progress.advance(self._tasks[phase])

    def finish(self, phase: str) -> None:
        """Takes its bar away."""
        if phase in self._tasks:
            self._progress.remove_task(self._tasks.pop(phase))
