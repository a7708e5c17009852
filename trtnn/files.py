"""Writing a file that others may read or write at the same time."""

from __future__ import annotations

import secrets
from pathlib import Path


def write_whole(path: Path, contents: bytes | memoryview) -> None:
    """Writes a file in a folder that exists; a reader sees the old one or the new one, never a part. Raises OSError,
    and leaves nothing behind then."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with temporary.open("xb") as file:  # with the rights that any new file has, so that others may read it
        try:
            file.write(contents)
            file.close()
            temporary.replace(path)
        except BaseException:
            temporary.unlink()
            raise
