"""Imports damaged copies of a model file; run as a process of its own, since a library may crash.

    python fuzz_worker.py FILE SEED COUNT CHECKSUMMED

Prints a line for every copy whose import ended in anything but a typed error or, where CHECKSUMMED is 1, another model.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from trtnn.errors import TrtnnError
from trtnn.importers.keras import from_keras


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """A copy that is cut off, or has some bits flipped, a stretch of bytes overwritten, or a stretch repeated."""
    kind, place = rng.integers(4), int(rng.integers(len(content)))
    copy = bytearray(content)
    if kind == 0:
        return content[:place]
    if kind == 1:
        for _ in range(int(rng.integers(1, 5))):
            copy[int(rng.integers(len(copy)))] ^= 1 << int(rng.integers(8))
        return bytes(copy)
    length = int(rng.integers(1, 64))
    if kind == 2:
        copy[place : place + length] = rng.bytes(min(length, len(copy) - place))
        return bytes(copy)
    return bytes(copy[:place] + copy[place : place + length] + copy[place:])


def weights(path: Path) -> tuple[str, list[bytes]]:
    """The model's graph as text and its weights."""
    model = from_keras(path)
    return str(model.trace()), [np.asarray(one.data).tobytes() for one in model.parameters()]


def main(source: str, seed: str, count: str, checksummed: str) -> None:
    """Damage, import, report."""
    content, want = Path(source).read_bytes(), weights(Path(source))
    with tempfile.TemporaryDirectory() as folder:
        for i in range(int(count)):
            copy = damaged(content, np.random.default_rng([int(seed), i]))
            path = Path(folder) / f"copy_{i}{Path(source).suffix}"
            path.write_bytes(copy)
            try:
                got = weights(path)
                if checksummed == "1" and got != want:
                    print(f"{i}: another model")  # noqa: T201
            except TrtnnError:
                pass
            except Exception as error:
                print(f"{i}: {error!r}")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
