"""HDF5 files, alone or stored in a zip archive: datasets as arrays, which are views of the file where it stores them
in one piece.

The file is not trusted: links to other files, virtual datasets and datasets that claim more bytes than the file can
hold are refused.
"""

from __future__ import annotations

import io
import math
import mmap
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trtnn.errors import FileFormatError
from trtnn.weights.hdf5_heaps import are_sound

if TYPE_CHECKING:
    import h5py

MEMBER_LIMIT = 64 << 30  # bytes of a compressed zip member that are unpacked into memory
LARGEST_RATIO = 1100  # deflate packs at most about 1032 to 1


class Hdf5File:
    """An open HDF5 file. Paths of groups and datasets are like ``layers/conv2d/vars/0``.

    Every method raises FileFormatError, which names the file, for what is damaged or refused.
    """

    def __init__(self, title: str, bytes_: memoryview) -> None:
        import h5py

        self.title = title
        self._bytes = bytes_
        self._found: dict[str, Any] = {}  # groups by their paths
        self._has_sound_heaps: bool | None = None  # not known before a string is wanted
        try:
            self._file = h5py.File(_Window(bytes_), "r")
        except (OSError, RuntimeError, ValueError) as error:
            raise self._damaged(error) from error

    @classmethod
    def at(cls, path: Path) -> Hdf5File:
        """Opens a file by itself."""
        return cls(str(path), _map(path))

    @classmethod
    def in_zip(cls, path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Hdf5File:
        """Opens a member of a zip archive, whose checksum is verified: a view of the archive when it is stored
        uncompressed."""
        title = f"{path}: {member.filename}"
        if member.compress_type != zipfile.ZIP_STORED:
            if member.file_size > min(MEMBER_LIMIT, LARGEST_RATIO * max(member.compress_size, 1)):
                raise FileFormatError(title, problem=f"claims {member.file_size} bytes, more than it can hold")
            return cls(title, memoryview(archive.read(member)))
        whole = _map(path)
        header = bytes(whole[member.header_offset : member.header_offset + 30])
        if len(header) < 30 or header[:4] != b"PK\x03\x04":
            raise FileFormatError(title, problem="is damaged: its header is not where the archive says")
        start = (
            member.header_offset
            + 30
            + int.from_bytes(header[26:28], "little")
            + int.from_bytes(header[28:30], "little")
        )
        data = whole[start : start + member.file_size]
        if len(data) != member.file_size or zlib.crc32(data) != member.CRC:
            raise FileFormatError(
                title, problem="is damaged: its checksum is wrong", remedy="copy or save the file again"
            )
        return cls(title, data)

    def datasets(self) -> list[str]:
        """The paths of all datasets, in the file's order."""
        found: list[str] = []

        def visit(name: str | bytes, item: Any) -> None:
            if isinstance(name, bytes):
                raise ValueError(f"a name that is no text: {name!r}")
            if self._is_dataset(item):
                found.append(name)

        try:
            self._file.visititems(visit)
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise self._damaged(error) from error
        return found

    def children(self, group: str) -> list[str]:
        """The names directly below a group; none when there is no such group."""
        found = self._get(group)
        return [] if found is None or self._is_dataset(found) else list(found)

    def attribute(self, path: str, name: str) -> Any:
        """An attribute of a group or dataset, text as str, or None."""
        found = self._get(path)
        value = None if found is None else self._attribute_of(found, name)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

    def _attribute_of(self, item: Any, name: str) -> Any:
        import h5py

        try:
            if not h5py.h5a.exists(item.id, name.encode()):
                return None
            if self._has_sound_heaps is None:
                self._has_sound_heaps = are_sound(self._bytes)
            if not self._has_sound_heaps:
                raise FileFormatError(self.title, problem="is damaged: its strings cannot be read")
            return item.attrs[name]
        except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise self._damaged(error) from error

    def shape(self, path: str) -> tuple[int, ...]:
        """A dataset's shape."""
        return tuple(self._dataset(path).shape)

    def dtype(self, path: str) -> str:
        """The name of a dataset's data type; bfloat16 is read as float32."""
        dataset = self._dataset(path)
        return "float32" if self._is_bfloat16(dataset) else str(dataset.dtype.name)

    def array(self, path: str) -> NDArray[Any]:
        """A dataset's values: a read-only view when it is stored in one piece, else a new array."""
        dataset = self._dataset(path)
        try:
            return self._decode(dataset, self._read(dataset))
        except (OSError, RuntimeError, ValueError, TypeError, KeyError) as error:
            raise self._damaged(error, path) from error

    def _read(self, dataset: h5py.Dataset) -> NDArray[Any]:
        import h5py

        shape, dtype, stored = dataset.shape, dataset.dtype, dataset.id.get_create_plist()
        size, layout = dtype.itemsize * math.prod(shape), stored.get_layout()
        if stored.get_external_count() or layout == h5py.h5d.VIRTUAL:
            raise FileFormatError(
                f"{self.title}: {dataset.name}", problem="refers to other files, which is not allowed"
            )
        offset = dataset.id.get_offset() if layout == h5py.h5d.CONTIGUOUS else None
        if offset is not None and offset + size <= len(self._bytes):
            return np.frombuffer(self._bytes, dtype, math.prod(shape), offset).reshape(shape)
        if size > LARGEST_RATIO * max(dataset.id.get_storage_size(), 1):
            raise FileFormatError(
                f"{self.title}: {dataset.name}", problem=f"claims {size} bytes, more than the file holds"
            )
        values: NDArray[Any] = dataset[()]
        return np.asarray(values)

    def _decode(self, dataset: h5py.Dataset, values: NDArray[Any]) -> NDArray[Any]:
        """Keras stores bfloat16 as 16-bit integers or void, with the real type in an attribute."""
        if self._is_bfloat16(dataset):
            wide: NDArray[Any] = (values.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
            return wide
        return values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))

    def _is_bfloat16(self, dataset: h5py.Dataset) -> bool:
        return str(self._attribute_of(dataset, "dtype")) == "bfloat16"

    def _dataset(self, path: str) -> h5py.Dataset:
        found = self._get(path)
        if not self._is_dataset(found):
            raise FileFormatError(self.title, expected=f"a dataset {path}", got="none")
        return found

    def _get(self, path: str) -> Any:
        try:
            return self._walk(path)
        except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._damaged(error, path) from error

    def _walk(self, path: str) -> Any:
        """A step at a time, and only along links that are the objects themselves: others may lead to another file."""
        import h5py

        if not path:
            return self._file
        if path not in self._found:
            parent, _, name = path.rpartition("/")
            holder = self._walk(parent)
            links = None if holder is None or self._is_dataset(holder) else holder.id.links
            if links is None or not links.exists(name.encode()):
                return None
            is_inside = links.get_info(name.encode()).type == h5py.h5l.TYPE_HARD
            found = holder[name] if is_inside else None
            if self._is_dataset(found):
                return found
            self._found[path] = found
        return self._found[path]

    @staticmethod
    def _is_dataset(item: Any) -> bool:
        import h5py

        return isinstance(item, h5py.Dataset)

    def _damaged(self, error: Exception, path: str = "") -> FileFormatError:
        if isinstance(error, FileFormatError):
            return error
        where = f"{self.title}: {path}" if path else self.title
        return FileFormatError(where, problem=f"is damaged: {error}", remedy="copy or save the file again")


class _Window(io.RawIOBase):
    """A read-only file over bytes in memory, for h5py."""

    def __init__(self, data: memoryview) -> None:
        super().__init__()
        self._data, self._place = data, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: len(self._data)}[whence]
        self._place = max(base + offset, 0)
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: Any) -> int:
        piece = self._data[self._place : self._place + len(buffer)]
        buffer[: len(piece)] = piece
        self._place += len(piece)
        return len(piece)


def _map(path: Path) -> memoryview:
    try:
        with path.open("rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:
        raise FileFormatError(str(path), problem=f"cannot be read: {error}") from error
