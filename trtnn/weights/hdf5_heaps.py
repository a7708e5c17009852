"""Checks the heaps in which an HDF5 file keeps its strings: the HDF5 library walks a damaged one for ever.

A collection is "GCOL", the version 1, three zeros and its size (8 bytes), then objects: index and reference count (2
bytes each), four zeros, size (8 bytes), and the data, padded to 8 bytes. Index 0 is free space, whose size includes its
header (HDF5 File Format Specification 3.0, III.E).
"""

from __future__ import annotations

import re
import struct

COLLECTION = re.compile(b"GCOL\x01\0\0\0")
OBJECT = struct.Struct("<HHIQ")


def are_sound(content: memoryview) -> bool:
    """Whether every heap can be walked through to its end."""
    return all(_is_sound(content, match.start()) for match in COLLECTION.finditer(content))


def _is_sound(content: memoryview, start: int) -> bool:
    if start + OBJECT.size > len(content):
        return False
    end = start + int.from_bytes(content[start + 8 : start + 16], "little")
    place = start + 16
    if end > len(content):
        return False
    while place + OBJECT.size <= end:
        index, _, _, size = OBJECT.unpack_from(content, place)
        if index == 0 and size < OBJECT.size:
            return False
        place += size if index == 0 else OBJECT.size + -(-size // 8) * 8
    return place <= end
