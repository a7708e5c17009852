"""What a user's own functions raise, as errors that name the op."""

from __future__ import annotations

import traceback
from pathlib import Path

from trtnn.errors import CustomOpError
from trtnn.trace import is_own_file


def failure_of(op: str, form: str, error: Exception) -> CustomOpError:
    """The error for an op whose ``form`` ("infer", "decompose", "reference") raised one that is not trtnn's."""
    return CustomOpError(op, problem=f"{form} {raised(error)}")


def raised(error: Exception) -> str:
    """What a user's function raised, and where: its line, not that of what it called in another file."""
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    users = [one for one in frames if not is_own_file(one[0])]
    text = f"raised {type(error).__name__}: {error}"
    if not users:
        return text
    file = users[0][0]
    return f"{text} ({Path(file).name}:{[line for name, line in users if name == file][-1]})"
