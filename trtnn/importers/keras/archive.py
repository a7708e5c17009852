"""Opens a Keras model file, which is not trusted: sizes and members are checked, and nothing in it is run or
unpickled."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import attrs

from trtnn.errors import FileFormatError
from trtnn.weights.hdf5 import Hdf5File

CONFIG_LIMIT = 256 << 20  # bytes of JSON that a model may have
METADATA_LIMIT = 1 << 20
OLDEST = 2  # what a file without a version was written by
ZIP_MAGIC, HDF5_MAGIC = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"


@attrs.frozen(eq=False)
class Archive:
    """An open model file: its config, and the HDF5 file that holds its weights, in Keras 3's layout or the legacy
    one. ``keras_version`` is the major version of the Keras that wrote it."""

    path: Path
    config: Any
    weights: Hdf5File
    is_legacy: bool
    keras_version: int


def is_zip(path: Path) -> bool:
    """Whether a file is a zip archive by its first bytes. Raises FileFormatError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(len(ZIP_MAGIC)) == ZIP_MAGIC
    except OSError as error:
        raise FileFormatError(str(path), problem=f"cannot be read: {error.strerror}") from error


def open_archive(path: Path) -> Archive:
    """Opens a ``.keras`` or whole-model ``.h5`` file by what it is, whatever its name. Raises FileFormatError."""
    if path.is_dir():
        raise FileFormatError(
            str(path),
            problem="is a folder; a SavedModel holds TensorFlow functions, not layers",
            remedy="save it with model.save('model.keras'), or load its weights into your own Module with load_weights",
        )
    try:
        with path.open("rb") as file:
            magic = file.read(8)
    except OSError as error:
        raise FileFormatError(str(path), problem=f"cannot be read: {error.strerror}") from error
    if magic.startswith(ZIP_MAGIC):
        return _open_zip(path)
    if magic == HDF5_MAGIC:
        return _open_legacy(path)
    raise FileFormatError(str(path), expected="a .keras archive (zip) or a whole-model .h5 file (HDF5)", got="neither")


def _open_zip(path: Path) -> Archive:
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist()}
            for name in ("config.json", "model.weights.h5"):
                if name not in members:
                    raise FileFormatError(
                        str(path), expected=f"a member {name}", got=", ".join(sorted(members)[:8]) or "none"
                    )
            if members["config.json"].file_size > CONFIG_LIMIT:
                raise FileFormatError(f"{path}: config.json", expected=f"at most {CONFIG_LIMIT >> 20} MB", got="more")
            text = archive.read("config.json")
            version = _keras_version(archive, members)
            weights = Hdf5File.in_zip(path, archive, members["model.weights.h5"])
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError, OSError, ValueError) as error:
        raise FileFormatError(str(path), problem=f"is damaged: {error}", remedy="save the model again") from error
    return Archive(path, _parse_json(text, f"{path}: config.json"), weights, False, version)


def _open_legacy(path: Path) -> Archive:
    weights = Hdf5File.at(path)
    config = weights.attribute("", "model_config")
    if config is None:
        raise FileFormatError(
            str(path),
            problem="holds weights but no model",
            remedy="save the whole model with model.save(...), or load these into your own Module with load_weights",
        )
    return Archive(
        path,
        _parse_json(config, f"{path}: model_config"),
        weights,
        True,
        _major(weights.attribute("", "keras_version")),
    )


def _keras_version(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> int:
    if "metadata.json" not in members or members["metadata.json"].file_size > METADATA_LIMIT:
        return OLDEST
    metadata = _parse_json(archive.read("metadata.json"), "metadata.json")
    return _major(metadata.get("keras_version")) if isinstance(metadata, dict) else OLDEST


def _major(version: Any) -> int:
    """3 of "3.15.1"; Keras before 2.12 wrote none."""
    major = str(version).partition(".")[0]
    return int(major) if major.isascii() and major.isdigit() else OLDEST


def _parse_json(text: bytes | str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(where, problem=f"is not JSON: {error}") from error
