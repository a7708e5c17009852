"""The wire format of protocol buffers, as far as TensorFlow's checkpoints use it: reading only."""

from __future__ import annotations

from collections.abc import Iterator

import attrs


class DamagedError(Exception):
    """Bytes that cannot be what they should be. Readers turn it into a FileFormatError that names the file."""


def varint(data: bytes, position: int) -> tuple[int, int]:
    """The unsigned base-128 integer at ``position`` and the position after it; raises DamagedError past the end."""
    value = shift = 0
    while position < len(data) and shift < 64:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise DamagedError("an integer runs past its end")


def signed(value: int) -> int:
    """An int64 field's value: negative numbers are stored in two's complement."""
    return value - (1 << 64) if value >= 1 << 63 else value


def text(data: bytes) -> str:
    """``data`` as UTF-8; raises DamagedError."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise DamagedError(f"a name is not UTF-8: {data[:40]!r}") from None


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    position = 0
    while position < len(data):
        tag, position = varint(data, position)
        kind = tag & 7
        if kind == 0:
            value, position = varint(data, position)
            yield tag >> 3, value
            continue
        if kind == 2:
            length, position = varint(data, position)
        else:
            length = {1: 8, 5: 4}.get(kind, -1)
        end = position + length
        if length < 0 or end > len(data):
            raise DamagedError("a message runs past its end")
        chunk = data[position:end]
        yield tag >> 3, chunk if kind == 2 else int.from_bytes(chunk, "little")
        position = end


@attrs.frozen
class Message:
    """One decoded message: field number -> its values, in order. Unknown fields are simply never asked for."""

    fields: dict[int, list[int | bytes]]

    @classmethod
    def parse(cls, data: bytes) -> Message:
        """Decodes ``data``; raises DamagedError."""
        fields: dict[int, list[int | bytes]] = {}
        for number, value in _fields(data):
            fields.setdefault(number, []).append(value)
        return cls(fields)

    def integer(self, number: int) -> int:
        """The (last) value of a varint or fixed-width field, as int64; 0 when it is not there, as in proto3."""
        value = self.fields.get(number, [0])[-1]
        if isinstance(value, bytes):
            raise DamagedError(f"field {number} should be an integer")
        return signed(value)

    def bytes_list(self, number: int) -> list[bytes]:
        """All values of a repeated length-delimited field."""
        values = self.fields.get(number, [])
        chunks = [value for value in values if isinstance(value, bytes)]
        if len(chunks) != len(values):
            raise DamagedError(f"field {number} should be bytes")
        return chunks

    def string(self, number: int) -> str:
        """The (last) value of a string field; empty when it is not there."""
        values = self.bytes_list(number)
        return text(values[-1]) if values else ""

    def messages(self, number: int) -> list[Message]:
        """All values of a repeated message field, decoded."""
        return [Message.parse(chunk) for chunk in self.bytes_list(number)]
