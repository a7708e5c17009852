"""Decompressing one Snappy block (https://github.com/google/snappy/blob/main/format_description.txt).

Only index tables may hold such blocks, a few kilobytes each, and TensorFlow itself writes them uncompressed: a plain
decoder in Python is enough, and saves a dependency.
"""

from __future__ import annotations

from trtnn.weights.wire import DamagedError, varint

_LARGEST_BLOCK = 1 << 28
_OFFSET_BYTES = {1: 1, 2: 2, 3: 4}


def decompress(data: bytes) -> bytes:
    """The bytes that ``data``, a raw Snappy block, stands for; raises DamagedError."""
    expected, position = varint(data, 0)
    if expected > _LARGEST_BLOCK:
        raise DamagedError(f"a compressed block claims {expected} bytes")
    out = bytearray()
    while position < len(data) and len(out) <= expected:
        step = _copy if data[position] & 3 else _literal
        position = step(data, position, out)
    if len(out) != expected:
        raise DamagedError(f"a compressed block has {len(out)} bytes and claims {expected}")
    return bytes(out)


def _literal(data: bytes, position: int, out: bytearray) -> int:
    length = data[position] >> 2
    position += 1
    if length >= 60:  # 60..63: the length itself follows, in 1..4 bytes
        width = length - 59
        length = int.from_bytes(data[position : position + width], "little")
        position += width
    end = position + length + 1
    if end > len(data):
        raise DamagedError("a compressed block is cut short")
    out += data[position:end]
    return end


def _copy(data: bytes, position: int, out: bytearray) -> int:
    tag = data[position]
    width = _OFFSET_BYTES[tag & 3]
    end = position + 1 + width
    if end > len(data):
        raise DamagedError("a compressed block is cut short")
    distance = int.from_bytes(data[position + 1 : end], "little")
    length = (tag >> 2) + 1  # 1..64
    if width == 1:  # 4..11 bytes, and three more bits of distance
        length, distance = (tag >> 2 & 7) + 4, distance | (tag >> 5) << 8
    start = len(out) - distance
    if not 0 <= start < len(out):
        raise DamagedError("a compressed block refers to bytes before its start")
    pattern = bytes(out[start : start + length])
    out += (pattern * (length // len(pattern) + 1))[:length]  # a copy may overlap what it writes: it then repeats
    return end
