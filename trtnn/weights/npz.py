"""NumPy's .npz archives, member by member and without pickle."""

from __future__ import annotations

import io
import lzma
import math
import struct
import tokenize
import zipfile
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trtnn.errors import FileFormatError
from trtnn.weights.arrays import dtype_name, named_variables
from trtnn.weights.file import Variable, WeightsFile

_HEADER_BYTES = 4096  # a .npy header is 128 bytes unless the array is of a structured type
_END_BYTES = 22  # the "end of central directory" record
_COUNT_ELSEWHERE = 0xFFFF  # so many members or more: only the Zip64 record has the count
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    tokenize.TokenError,
    SyntaxError,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    OverflowError,
    KeyError,
    ValueError,
)
"""What zipfile, its decompressors and the .npy header parser raise on damaged files, as bit flips show."""


def open_npz(path: Path) -> WeightsFile:
    """An .npz file that ``numpy.savez`` or ``savez_compressed`` wrote; its names may end in ``:0``.

    Only the directory and the .npy headers are read here; a variable's bytes are read, once and into new memory, with
    their checksum verified, when it is wanted. They are not mapped: ``numpy.savez`` overwrites files in place, which
    would change or crash a model that still looks at them. Raises FileFormatError.
    """
    archive = _guarded(path, zipfile.ZipFile, path)
    try:
        _guarded(path, _check_count, path, archive)
        found = [_guarded(path, _variable, path, archive, member) for member in archive.namelist()]
        variables = named_variables(variable for variable in found if variable is not None)
    except BaseException:
        archive.close()
        raise
    return WeightsFile(path.name, variables, close=archive.close)


def _guarded(path: Path, function: Any, *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except FileNotFoundError as error:
        raise FileFormatError(str(path), problem="cannot be read (no such file)") from error
    except _DAMAGE as error:
        problem = f"the file is damaged or no .npz ({type(error).__name__}: {error})"
        raise FileFormatError(str(path), problem=problem, remedy="save it again with numpy.savez") from error


def _check_count(path: Path, archive: zipfile.ZipFile) -> None:
    """The directory's end counts the members: damage can swallow some, which zipfile does not notice."""
    with path.open("rb") as file:
        file.seek(-_END_BYTES - len(archive.comment), io.SEEK_END)
        count = int.from_bytes(file.read(12)[10:], "little")
    if count not in (len(archive.infolist()), _COUNT_ELSEWHERE):
        raise ValueError(f"it should have {count} members and has {len(archive.infolist())}")


def _variable(path: Path, archive: zipfile.ZipFile, member: str) -> Variable | None:
    with archive.open(member) as file:  # verifies the name
        if not member.endswith(".npy"):
            return None
        shape, _, dtype, _ = _header(file.read(_HEADER_BYTES))
    name = member.removesuffix(".npy")
    read = partial(_guarded, path, _read, archive, member)
    return Variable(name, shape, dtype_name(np.empty(0, dtype)), read)


def _header(start: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, Fortran order, dtype and the size of the header itself."""
    file = io.BytesIO(start)
    version = np.lib.format.read_magic(file)
    parse = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = parse(file)
    return shape, fortran, dtype, file.tell()


def _read(archive: zipfile.ZipFile, member: str) -> NDArray[Any]:
    content = archive.read(member)  # verifies the CRC-32
    shape, fortran, dtype, offset = _header(content[:_HEADER_BYTES])
    if dtype.hasobject:
        raise ValueError(f"{member} holds pickled objects")
    count = math.prod(shape)
    if len(content) - offset != count * dtype.itemsize:
        raise ValueError(f"{member} has {len(content) - offset} bytes for {count} values of {dtype}")
    values = np.frombuffer(content, dtype, count, offset)
    return values.reshape(shape, order="F" if fortran else "C")
