"""Partitioned variables in a checkpoint: one entry without data that lists slices, and one hidden entry per slice.

A slice's key is made with TensorFlow's "ordered code" (tensorflow/core/lib/strings/ordered_code.h), in which keys
sort as the numbers in them do: a 0, the name, the rank, and the start and length per axis (length -1: all of it).
"""

from __future__ import annotations

import attrs

from trtnn.weights.wire import Message

_EVERYTHING = -1


@attrs.frozen
class Slice:
    """A box of a variable: per axis the start and the length, where a length of -1 means the whole axis."""

    extents: tuple[tuple[int, int], ...]

    @classmethod
    def parse(cls, data: bytes) -> Slice:
        """From a TensorSliceProto; an extent without a length is a whole axis."""
        extents = Message.parse(data).messages(1)
        return cls(tuple((e.integer(1), e.integer(2) if 2 in e.fields else _EVERYTHING) for e in extents))

    def index(self) -> tuple[slice, ...]:
        """What selects the box in the whole array."""
        return tuple(slice(None) if n == _EVERYTHING else slice(start, start + n) for start, n in self.extents)

    def key(self, name: str) -> bytes:
        """The key of this slice of the variable ``name``."""
        key = _unsigned(0) + _string(name.encode()) + _unsigned(len(self.extents))
        for start, length in self.extents:
            key += _signed(start) + _signed(length)
        return key


def _unsigned(value: int) -> bytes:
    digits = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes([len(digits)]) + digits


def _string(value: bytes) -> bytes:
    # One pass, as a replacement must not be replaced again.
    escapes = {0x00: b"\x00\xff", 0xFF: b"\xff\x00"}
    return b"".join(escapes.get(byte, bytes([byte])) for byte in value) + b"\x00\x01"


def _signed(value: int) -> bytes:
    """Big-endian two's complement in as few bytes as hold it, whose first bits count the bytes in unary.

    A negative number has all of its prefix bits inverted, so -1 is 0x7f and 0 is 0x80.
    """
    magnitude = ~value if value < 0 else value
    length = magnitude.bit_length() // 7 + 1
    prefix = ((1 << length) - 1) << (8 * length - length)
    return ((value & ((1 << 8 * length) - 1)) ^ prefix).to_bytes(length, "big")
