"""The command line ``trtnn``: build, inspect, verify and bench networks, and find out what works on this machine.

Only the parser is imported to begin with, so that ``trtnn --help`` answers at once.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module

INTERRUPTED = 130  # what a shell expects of a program that Ctrl-C ended


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line, ``sys.argv``'s by default, and returns the exit code.

    0: all is well. 1: a check failed, or a file, a network or this machine is not as it must be. 2: the command line
    itself makes no sense. 130: Ctrl-C. An error that is a bug of trtnn's own is raised.
    """
    with _noted_interrupt() as was_interrupted:
        try:
            return _run(argv, was_interrupted)
        except SystemExit as stop:  # argparse has printed its help or its message
            return int(stop.code or 0)
        except KeyboardInterrupt:
            return INTERRUPTED
        except BrokenPipeError:  # the reader, such as head, has seen enough; Python's own flush at exit must not fail
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1


def _run(argv: Sequence[str] | None, was_interrupted: Callable[[], bool]) -> int:
    from trtnn.cli.options import make_parser

    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # or ONNX Runtime keeps files of it and may send them
    arguments = make_parser().parse_args(argv)
    from trtnn.cli.console import Console

    console = Console(arguments.command, as_json=arguments.json)
    try:
        with console.warnings():
            code: int = import_module(f"trtnn.cli.commands.{arguments.command}").run(arguments, console)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except Exception as error:
        if was_interrupted():
            raise KeyboardInterrupt from error
        if arguments.debug:
            raise
        from trtnn.cli.failures import explain

        explained = explain(error)
        if explained is None:
            raise
        return console.fail(explained)
    return code


@contextmanager
def _noted_interrupt() -> Iterator[Callable[[], bool]]:
    """Says whether there was a Ctrl-C meanwhile: a library that is just being imported may make an ImportError of
    it."""
    seen: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return

    def interrupt(number: int, frame: object) -> None:
        seen.append(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield lambda: bool(seen)
    finally:
        signal.signal(signal.SIGINT, before)
