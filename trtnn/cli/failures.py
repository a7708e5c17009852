"""Errors in a user's terms: which of them are the user's to mend, and what to print instead of a traceback."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path

import attrs

from trtnn.cli.wording import on_the_command_line
from trtnn.errors import SourceLine, TrtnnError

FAILED, USAGE = 1, 2
_NOT_THE_USERS = (
    *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    str(Path(__file__).resolve().parents[1]),
    "<",  # code without a file
)


class UsageError(Exception):
    """A command line that makes no sense, found after its options were read one by one."""


@attrs.frozen
class Failure:
    """An error to print: its kind, what it says, and the exit code."""

    kind: str
    message: str
    code: int = FAILED


def explain(error: Exception) -> Failure | None:
    """What to print for an error, or None for one that is a bug of trtnn's own and needs its traceback.

    An error of another library or of Python that came through the user's code shows the user's own line.
    """
    if isinstance(error, UsageError):
        return Failure("UsageError", str(error), USAGE)
    if isinstance(error, TrtnnError):
        return Failure(type(error).__name__, on_the_command_line(str(error)))
    line = _users_line(error)
    if line is not None:
        return Failure(type(error).__name__, f"{type(error).__name__}: {_text(error)}\n  at {line}")
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("trtnn"):
        package = error.name.partition(".")[0]
        return Failure("LibraryError", f"{package} is not installed: pip install {package}")
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename is not None else ""
        return Failure(type(error).__name__, f"{where}{error.strerror or error}")
    return None


def _users_line(error: Exception) -> SourceLine | None:
    """The innermost line of the user's that the error came through; of a syntax error, the line that has it."""
    if isinstance(error, SyntaxError) and error.filename is not None and error.lineno is not None:
        return SourceLine(error.filename, error.lineno, "<module>")
    for frame, number in reversed(list(traceback.walk_tb(error.__traceback__))):
        if not frame.f_code.co_filename.startswith(_NOT_THE_USERS):
            return SourceLine(frame.f_code.co_filename, number, frame.f_code.co_name)
    return None


def _text(error: Exception) -> str:
    return error.msg if isinstance(error, SyntaxError) else str(error) or "no message"
