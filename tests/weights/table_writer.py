"""Writes index tables with what TensorFlow's own writer never writes: Snappy blocks, damage with a right checksum.

TensorFlow's reader vouches for it in ``test_weights_table.py``."""

from __future__ import annotations

from collections.abc import Sequence

from trtnn.weights.checksum import masked_crc32c
from trtnn.weights.table import MAGIC


def varint(value: int) -> bytes:
    digits = []
    while value >= 0x80:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*digits, value])


def write_table(pairs: Sequence[tuple[bytes, bytes]], compressed: bool = False, per_block: int = 4) -> bytes:
    out, handles = b"", []
    for start in range(0, len(pairs), per_block):
        chunk = pairs[start : start + per_block]
        handle, out = _append(out, _block(chunk), compressed)
        handles.append((chunk[-1][0], handle))
    metaindex, out = _append(out, _block([]), compressed)
    index, out = _append(out, _block(handles), compressed)
    return out + (metaindex + index).ljust(40, b"\0") + MAGIC


def _append(out: bytes, block: bytes, compressed: bool) -> tuple[bytes, bytes]:
    if compressed:
        block = snappy(block)
    handle = varint(len(out)) + varint(len(block))
    checked = block + bytes([compressed])
    return handle, out + checked + masked_crc32c(checked).to_bytes(4, "little")


def _block(pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
    out, last = b"", b""
    for key, value in pairs:
        shared = next((i for i, (a, b) in enumerate(zip(key, last, strict=False)) if a != b), min(len(key), len(last)))
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    return out + (0).to_bytes(4, "little") + (1).to_bytes(4, "little")


def snappy(data: bytes) -> bytes:
    """Greedy: a copy wherever the next four bytes were seen before, of all three kinds, overlapping ones too."""
    out, literal, position, seen = varint(len(data)), b"", 0, dict[bytes, int]()
    while position < len(data):
        key = data[position : position + 4]
        before = seen.get(key)
        seen[key] = position
        if before is None or len(key) < 4:
            literal += data[position : position + 1]
            position += 1
            continue
        length = 4
        while length < 64 and position + length < len(data) and data[before + length] == data[position + length]:
            length += 1
        out, literal = out + _literal(literal) + _copy(position - before, length), b""
        position += length
    return out + _literal(literal)


def _literal(data: bytes) -> bytes:
    if not data:
        return b""
    size = len(data) - 1
    if size < 60:
        return bytes([size << 2]) + data
    width = (size.bit_length() + 7) // 8
    return bytes([(59 + width) << 2]) + size.to_bytes(width, "little") + data


def _copy(distance: int, length: int) -> bytes:
    if length <= 11 and distance < 2048:
        return bytes([(distance >> 8) << 5 | (length - 4) << 2 | 1, distance & 0xFF])
    if length % 2:
        return bytes([(length - 1) << 2 | 2]) + distance.to_bytes(2, "little")
    return bytes([(length - 1) << 2 | 3]) + distance.to_bytes(4, "little")
