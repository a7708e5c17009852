"""Whether a saved engine fits: the library, the machine and its GPU, the files."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs
import numpy as np

from trtnn.errors import SavedEngineError
from trtnn.saving.sidecar import Library, Machine, SavedFile, Sidecar, sidecar_path
from trtnn.weights.checksum import crc32c

_CHUNK = 1 << 20
"""What is read at a time: it stays in the processor's cache."""
INTERRUPTED = "saving it was interrupted, or a file was changed or mixed up since: save the engine again"


def require_machine(path: Path, sidecar: Sidecar, library: Library, gpu: str | None) -> None:
    """Raises SavedEngineError unless the plan is for this machine: the same library in the same version, the operating
    system, the processor and the GPU, whose compute capability is ``gpu``, None when there is none to compare with."""
    here, there = Machine.this(), sidecar.machine
    again = "compile the model and save it again on this machine"
    facts = [
        ("library.name", sidecar.library.name, library.name, f"load it where {sidecar.library.name} is installed"),
        ("library.version", sidecar.library.version, library.version, _versions(sidecar.library)),
        ("machine.system", there.system, here.system, again),
        ("machine.processor", there.processor, here.processor, again),
    ]
    for member, saved, found, remedy in facts:
        if saved != found:
            raise SavedEngineError(
                f"{sidecar_path(path)}: $.{member}",
                expected=f"{saved}, which the plan was built for and is bound to",
                got=f"{found} here",
                remedy=remedy,
            )
    if gpu is not None and there.compute_capabilities is not None and gpu not in there.compute_capabilities:
        raise SavedEngineError(
            f"{sidecar_path(path)}: $.machine.compute_capabilities",
            expected=f"a GPU of compute capability {' or '.join(there.compute_capabilities)}",
            got=f"one of {gpu}",
            remedy=again,
        )


def _versions(library: Library) -> str:
    return f'pip install "{library.name}=={library.version}", or compile the model and save it again with this version'


def this_gpu() -> str | None:
    """The compute capability of this machine's first GPU, such as "9.0", or None when no GPU can be used."""
    from trtnn.gpu import library  # not for those who load an ONNX model

    return "{}.{}".format(*library.compute_capability()) if library.available() else None


def require_custom_ops(path: Path, sidecar: Sidecar) -> None:
    """Raises CustomOpError for a custom operation that is not defined in this process."""
    if sidecar.custom_ops:
        from trtnn.custom.registry import require_registered

        require_registered(sidecar.custom_ops, f"{sidecar_path(path)}: $.custom_ops")


def require_files(path: Path, sidecar: Sidecar, names: Sequence[str]) -> None:
    """Raises SavedEngineError unless the sidecar lists just these files, and each is there in its size."""
    listed = [one.name for one in sidecar.files]
    if listed != list(names):
        raise SavedEngineError(
            f"{sidecar_path(path)}: $.files",
            expected=" and ".join(names),
            got=" and ".join(listed) or "none",
            remedy="files that were renamed do not find each other: load the engine under its old name, "
            "and save it under the new one",
        )
    for number, one in enumerate(sidecar.files):
        file = path.with_name(one.name)
        if not file.is_file():
            raise SavedEngineError(str(file), problem="is missing", remedy="copy all files of the engine together")
        if file.stat().st_size != one.bytes:
            raise SavedEngineError(
                f"{sidecar_path(path)}: $.files[{number}].bytes",
                expected=f"{one.bytes:,} bytes in {one.name}",
                got=f"{file.stat().st_size:,}",
                remedy=INTERRUPTED,
            )


@contextmanager
def verified(path: Path, sidecar: Sidecar) -> Iterator[None]:
    """Computes the files' checksums in a second thread meanwhile.

    Raises SavedEngineError for a file whose checksum is another one, in the place of any error that came of it.
    """
    check = _Check(path, sidecar.files)
    thread = threading.Thread(target=check.run, name="trtnn-checksum")
    thread.start()
    try:
        yield
    except Exception as error:
        thread.join()
        if check.error is not None:
            raise check.error from error
        raise
    thread.join()
    if check.error is not None:
        raise check.error


@attrs.define
class _Check:
    """The verification of an engine's files, and what it found."""

    path: Path
    files: tuple[SavedFile, ...]
    error: SavedEngineError | None = None

    def run(self) -> None:
        for number, one in enumerate(self.files):
            where = f"{sidecar_path(self.path)}: $.files[{number}].crc32c"
            try:
                found = f"{checksum_of(self.path.with_name(one.name)):08x}"
            except OSError as error:
                self.error = SavedEngineError(where, problem=f"{one.name} cannot be read: {error.strerror or error}")
                return
            if found != one.crc32c:
                self.error = SavedEngineError(
                    where, expected=f"{one.name} with the checksum {one.crc32c}", got=found, remedy=INTERRUPTED
                )
                return


def checksum_of(path: Path) -> int:
    """The CRC-32C of a file."""
    buffer, found = np.empty(_CHUNK, np.uint8), 0
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer.data):
            found = crc32c(buffer[:count], found)
    return found
