"""Writing a file that others may read or write at the same time."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, contents: bytes | memoryview) -> None:
    """Writes a file in a folder that exists; a reader sees the old one or the new one, never a part. Raises OSError,
    and leaves nothing behind then."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(contents)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise
