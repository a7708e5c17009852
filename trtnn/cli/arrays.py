"""Arrays from .npz and .npy files, by the names of a network's inputs or outputs."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trtnn.errors import InputError
from trtnn.precision.calibration import BATCH


def read_arrays(path: str, wanted: Sequence[str]) -> dict[str, np.ndarray]:
    """The arrays of a file by the names of the inputs or outputs ``wanted``.

    A .npy file has the only one; a .npz file has all of them by name, or a single array for a single name;
    "FILE.npz:NAME" picks one of several. Raises InputError or OSError.
    """
    file, member = _split(path)
    held = _load(file)
    if isinstance(held, np.ndarray):
        held = {wanted[0]: held} if len(wanted) == 1 else {"the only array": held}
    elif member is not None and member in held and len(wanted) == 1:
        return {wanted[0]: held[member]}
    elif member is None and len(wanted) == 1 == len(held):
        return {wanted[0]: next(iter(held.values()))}
    missing = [name for name in wanted if name not in held] if member is None else [member]
    if missing:
        raise InputError(
            path,
            expected=f"arrays named {', '.join(missing if member else wanted)}",
            got=", ".join(held) or "none",
            remedy=f"pick one with {file}:NAME" if len(wanted) == 1 else None,
        )
    return {name: held[name] for name in wanted}


def read_samples(path: str, inputs: Sequence[str]) -> np.ndarray | list[dict[str, np.ndarray]]:
    """Examples for a calibration: one array, or dicts of a few examples each where there are several inputs."""
    held = read_arrays(path, inputs)
    if len(held) == 1:
        return next(iter(held.values()))
    count = min(len(array) if array.ndim else 0 for array in held.values())
    return [{name: array[i : i + BATCH] for name, array in held.items()} for i in range(0, count, BATCH)]


def _split(path: str) -> tuple[str, str | None]:
    file, separator, member = path.rpartition(":")
    return (file, member) if separator and file.endswith(".npz") else (path, None)


def _load(file: str) -> np.ndarray | dict[str, np.ndarray]:
    if Path(file).suffix not in (".npy", ".npz"):
        raise InputError(file, expected="a .npz or .npy file", got=f"one that ends in {Path(file).suffix or 'nothing'}")
    try:
        held = np.load(file, allow_pickle=False)
        return held if isinstance(held, np.ndarray) else {name: held[name] for name in held.files}
    except FileNotFoundError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(file, problem=f"cannot be read: {error}", remedy="save it again with numpy.savez") from error
