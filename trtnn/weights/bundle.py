"""TensorFlow's checkpoint files ("tensor bundles"), read without TensorFlow.

``PREFIX.index`` is a table (see table.py): the empty key holds a BundleHeaderProto, every other key a variable's
BundleEntryProto with its dtype, shape, shard, byte range and masked CRC-32C. ``PREFIX.data-00000-of-00001`` and so on
are the shards: raw little-endian bytes without any alignment. Shards are mapped into memory, so reading a variable
gives a view.
"""

from __future__ import annotations

import math
import mmap
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from trtnn.errors import FileFormatError
from trtnn.weights import dtypes
from trtnn.weights.checksum import crc32c, mask, masked_crc32c
from trtnn.weights.slices import Slice
from trtnn.weights.table import read_table
from trtnn.weights.wire import DamagedError, Message, varint

_WRITE_AGAIN = "copy it again from where it was written, or save it again"
_VERSION = 1


@attrs.frozen
class Entry:
    """What the index says about one variable. ``crc`` is masked; ``slices`` is empty unless it is partitioned."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc: int
    slices: tuple[Slice, ...]

    @classmethod
    def parse(cls, name: str, data: bytes) -> Entry:
        """From a BundleEntryProto; raises DamagedError."""
        message = Message.parse(data)
        dims = [dim.integer(1) for shape in message.messages(2) for dim in shape.messages(2)]
        shard, offset, size = (message.integer(field) for field in (3, 4, 5))
        if min(dims, default=0) < 0 or min(shard, offset, size) < 0:
            raise DamagedError(f"{name} has a negative size")
        number = message.integer(1)
        slices = tuple(Slice.parse(chunk) for chunk in message.bytes_list(7))
        dtype = dtypes.NAMES.get(number, f"type {number}")
        return cls(name, dtype, tuple(dims), shard, offset, size, message.integer(6), slices)


@attrs.frozen(eq=False)
class Bundle:
    """An open checkpoint: ``entries`` by name, in the order of the index. A shard is opened when ``read`` needs it."""

    prefix: Path
    entries: dict[str, Entry]
    _slices: dict[bytes, Entry]
    _shard_count: int
    _shards: dict[int, NDArray[np.uint8]] = attrs.field(factory=dict, repr=False)

    @classmethod
    def open(cls, prefix: Path) -> Bundle:
        """Reads ``PREFIX.index`` and verifies all of it; raises FileFormatError when it is missing or damaged."""
        index = prefix.with_name(prefix.name + ".index")
        try:
            return cls._parse(prefix, index.read_bytes())
        except OSError as error:
            raise FileFormatError(str(index), problem=f"cannot be read ({error.strerror})") from error
        except DamagedError as error:
            raise _damaged(index, str(error)) from error

    @classmethod
    def _parse(cls, prefix: Path, index: bytes) -> Bundle:
        entries: dict[str, Entry] = {}
        slices: dict[bytes, Entry] = {}
        shard_count = None
        for key, value in read_table(index):
            if key == b"":
                shard_count = _shard_count(value)
            elif key[0] == 0:
                slices[key] = Entry.parse("a slice", value)
            else:
                name = key.decode(errors="replace")
                entries[name] = Entry.parse(name, value)
        if shard_count is None:
            raise DamagedError("its header is missing")
        return cls(prefix, entries, slices, shard_count)

    def read(self, name: str) -> NDArray[Any]:
        """The variable's value: a read-only view of the mapped file where there is nothing to convert or to join.

        A view keeps the mapping alive and may be misaligned, as the file is. bfloat16 is widened to float32, strings
        come as an object array of bytes, a partitioned variable is joined into a new array. The bytes' checksum is
        verified on every call. Raises FileFormatError when a shard is missing, truncated or corrupted.
        """
        entry = self.entries[name]
        if not entry.slices:
            return self._read(entry)
        whole: NDArray[Any] | None = None
        for box in entry.slices:
            part = self._slices.get(box.key(name))
            if part is None:
                raise self._bad_index(f"a slice of {name} is missing")
            values = self._read(part)
            if whole is None:
                whole = np.empty(entry.shape, values.dtype)
            if whole[box.index()].shape != values.shape:
                raise self._bad_index(f"a slice of {name} has shape {values.shape}")
            whole[box.index()] = values
        assert whole is not None
        whole.flags.writeable = False
        return whole

    def _read(self, entry: Entry) -> NDArray[Any]:
        data = self._bytes(entry)
        if entry.dtype == "string":
            return self._read_strings(entry, data)
        self._verify(entry, masked_crc32c(data))
        storage = np.dtype(dtypes.STORAGE[entry.dtype]).newbyteorder("<")
        if math.prod(entry.shape) * storage.itemsize != entry.size:
            raise self._bad_index(f"{entry.name} of shape {entry.shape} and {entry.dtype} claims {entry.size} bytes")
        array = data.view(storage).reshape(entry.shape)
        if entry.dtype == "bfloat16":  # the upper half of a float32
            array = (array.astype(np.uint32) << 16).view(np.float32)
            array.flags.writeable = False
        return array

    def _read_strings(self, entry: Entry, data: NDArray[np.uint8]) -> NDArray[Any]:
        """Varint lengths, the masked CRC of the lengths as integers, the strings; the entry's CRC covers all three."""
        raw, position, lengths = data.tobytes(), 0, []
        try:
            for _ in range(math.prod(entry.shape)):
                length, position = varint(raw, position)
                lengths.append(length)
        except DamagedError as error:
            raise self._bad_data(entry, "is cut short") from error
        counted = b"".join(n.to_bytes(4 if n < 1 << 32 else 8, "little") for n in lengths)
        if raw[position : position + 4] != mask(crc32c(counted)).to_bytes(4, "little"):
            raise self._bad_data(entry, "has a wrong checksum")
        self._verify(entry, masked_crc32c(counted + raw[position:]))
        position += 4
        strings = np.empty(len(lengths), object)
        for number, length in enumerate(lengths):
            strings[number] = raw[position : position + length]
            position += length
        strings.flags.writeable = False
        return strings.reshape(entry.shape)

    def _verify(self, entry: Entry, crc: int) -> None:
        if crc != entry.crc & 0xFFFFFFFF:
            raise self._bad_data(entry, "has a wrong checksum")

    def _bytes(self, entry: Entry) -> NDArray[np.uint8]:
        if entry.shard >= self._shard_count:
            raise self._bad_index(f"{entry.name} is in shard {entry.shard} of {self._shard_count}")
        shard = self._shards.get(entry.shard)
        if shard is None:
            shard = self._shards[entry.shard] = _map(self._shard_path(entry.shard))
        if entry.offset + entry.size > len(shard):
            problem = (
                f"it has {len(shard)} bytes and {entry.name} ends at byte {entry.offset + entry.size}: it is truncated"
            )
            raise FileFormatError(str(self._shard_path(entry.shard)), problem=problem, remedy=_WRITE_AGAIN)
        return shard[entry.offset : entry.offset + entry.size]

    def _shard_path(self, shard: int) -> Path:
        return self.prefix.with_name(f"{self.prefix.name}.data-{shard:05d}-of-{self._shard_count:05d}")

    def _bad_data(self, entry: Entry, problem: str) -> FileFormatError:
        return _damaged(self._shard_path(entry.shard), f"{entry.name} {problem}")

    def _bad_index(self, problem: str) -> FileFormatError:
        return _damaged(self.prefix.with_name(self.prefix.name + ".index"), problem)


def _damaged(path: Path, problem: str) -> FileFormatError:
    return FileFormatError(str(path), problem=f"the file is damaged: {problem}", remedy=_WRITE_AGAIN)


def _shard_count(header: bytes) -> int:
    message = Message.parse(header)
    if message.integer(2) != 0:
        raise DamagedError("it was written on a big-endian machine, which is not supported")
    least_reader = max((version.integer(2) for version in message.messages(3)), default=0)
    if least_reader > _VERSION:
        raise DamagedError(f"it needs a reader of version {least_reader} and this one has version {_VERSION}")
    return message.integer(1)


def _map(path: Path) -> NDArray[np.uint8]:
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:  # mmap refuses an empty file
                return np.frombuffer(b"", np.uint8)
            return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
    except OSError as error:
        raise FileFormatError(str(path), problem=f"cannot be read ({error.strerror})", remedy=_WRITE_AGAIN) from error
