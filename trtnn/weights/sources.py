"""From whatever a user passes as weights to an open WeightsFile: the registry of readers."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from trtnn.errors import FileFormatError, WeightsError
from trtnn.weights import table
from trtnn.weights.arrays import open_arrays
from trtnn.weights.checkpoint import BUNDLE_FILE, checkpoint_prefix, open_checkpoint
from trtnn.weights.file import WeightsFile
from trtnn.weights.npz import open_npz


@attrs.frozen
class Reader:
    """One kind of file: ``open`` gives its variables, or None for a path that by its name or files is another kind."""

    kind: str
    open: Callable[[Path], WeightsFile | None]


def _npz(path: Path) -> WeightsFile | None:
    return open_npz(path) if path.suffix == ".npz" else None


def _keras(path: Path) -> WeightsFile | None:
    if path.suffix not in (".keras", ".h5", ".hdf5"):
        return None
    from trtnn.importers.keras.weights import open_keras_weights  # its config has the names

    return open_keras_weights(path)


def _checkpoint(path: Path) -> WeightsFile | None:
    prefix = checkpoint_prefix(path)
    return None if prefix is None else open_checkpoint(prefix, path.name if path.is_dir() else prefix.name)


READERS = [
    Reader("NumPy archive (.npz)", _npz),
    Reader("Keras file (.keras, .h5)", _keras),
    Reader("TensorFlow checkpoint or SavedModel", _checkpoint),
]
"""Asked in this order; the first that knows the path opens it."""


def open_weights(source: str | os.PathLike[str] | Mapping[str, Any]) -> WeightsFile:
    """Opens a source of weights; use it as a context manager.

    ``source`` is a dict name -> array, an ``.npz`` file, one of Keras's (``.keras``, ``.weights.h5``, ``.h5``), a
    TensorFlow checkpoint (its prefix ``model.ckpt-100``, one of its files, or its folder: the latest one there), or a
    SavedModel folder. Raises FileFormatError when it is missing, damaged or of no known kind, and WeightsError for a
    dict that holds no arrays.
    """
    if isinstance(source, Mapping):
        return open_arrays(source)
    if not isinstance(source, (str, os.PathLike)):
        raise WeightsError("the weights", expected="a path or a dict of arrays", got=type(source).__name__)
    path = Path(source)
    for reader in READERS:
        file = reader.open(path)
        if file is not None:
            return file
    raise _unknown(path)


def _unknown(path: Path) -> FileFormatError:
    name = str(path)
    if path.is_dir():
        return FileFormatError(name, problem="there is no checkpoint and no SavedModel in this folder")
    if path.is_file():
        return _unknown_file(path)
    if not path.parent.is_dir():
        return FileFormatError(name, problem=f"there is no folder {path.parent}")
    there = {BUNDLE_FILE.sub("", entry.name) for entry in path.parent.iterdir()}
    near = difflib.get_close_matches(path.name, sorted(there), n=3)
    remedy = f"in that folder there is {' and '.join(near)}" if near else None
    return FileFormatError(name, problem=f"there is no file {path.name} and no {path.name}.index", remedy=remedy)


def _unknown_file(path: Path) -> FileFormatError:
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - len(table.MAGIC), 0))
        is_table = file.read() == table.MAGIC
    if is_table:
        problem = "this is a checkpoint of TensorFlow's old V1 format"
        return FileFormatError(str(path), problem=problem, remedy="save it again with tf.compat.v1.train.Saver")
    kinds = ", ".join(reader.kind for reader in READERS)
    return FileFormatError(str(path), expected=kinds, got="a file of another kind")
