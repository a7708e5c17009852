"""Writing several files that belong together, so that no reader and no crash ever sees half of one."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from trtnn.errors import SavedEngineError
from trtnn.saving.sidecar import SavedFile
from trtnn.weights.checksum import crc32c

_CHUNK = 1 << 20


class HashedFile:
    """A file under a temporary name whose checksums are computed while it is written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._digest, self._crc, self.position = file, hashlib.sha256(), 0, 0

    def write(self, data: Any) -> None:
        """Appends bytes, or any buffer of them."""
        contents = np.frombuffer(data, np.uint8)
        for start in range(0, contents.size, _CHUNK):
            chunk = contents[start : start + _CHUNK]
            self._digest.update(chunk.data)
            self._crc = crc32c(chunk, self._crc)
            self._file.write(chunk.data)
        self.position += contents.size

    def align(self, boundary: int) -> None:
        """Appends zeros up to the next multiple of ``boundary`` bytes."""
        self.write(bytes(-self.position % boundary))

    def described(self, name: str) -> SavedFile:
        """What was written, as a file of that name."""
        return SavedFile(name, self.position, f"{self._crc:08x}", self._digest.hexdigest())


class AtomicFiles:
    """Files of one folder that get their names together, at the end::

        with AtomicFiles(folder) as files:
            with files.create("model.plan") as file:
                file.write(plan)
            files.commit()

    Each is written under a temporary name and gets its own by a rename, in the order of creation. What was not
    committed is removed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._temporary: dict[str, Path] = {}
        self.written: list[SavedFile] = []

    @contextlib.contextmanager
    def create(self, name: str) -> Iterator[HashedFile]:
        """A new file, which gets its name by `commit`."""
        temporary = self._folder / f".{name}.{os.getpid()}.{secrets.token_hex(4)}.tmp"
        with temporary.open("xb") as raw:
            self._temporary[name] = temporary
            file = HashedFile(raw)
            yield file
            raw.flush()
            os.fsync(raw.fileno())
        self.written.append(file.described(name))

    def commit(self) -> None:
        """Gives the files their names."""
        for name, temporary in list(self._temporary.items()):
            temporary.replace(self._folder / name)
            del self._temporary[name]
        _sync_folder(self._folder)

    def __enter__(self) -> AtomicFiles:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        for temporary in self._temporary.values():
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise SavedEngineError(
                str(self._folder),
                problem=f"the engine cannot be written here: {error.strerror or error}",
                remedy="save it to a folder that has room and can be written to",
            ) from error


def _sync_folder(folder: Path) -> None:
    """Makes the renames last. Windows cannot open folders, and keeps renames in its journal."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
