"""The sorted key-value table that a checkpoint's ``.index`` file is: LevelDB's table format.

A table is a row of blocks, then a footer of 48 bytes: the handle (offset, size) of a metaindex block that TensorFlow
leaves empty, the handle of the index block, padding, and a magic number. The index block's values are the handles of
the data blocks. After each block come a type byte (0 raw, 1 Snappy) and the masked CRC-32C of block and type. In a
block every key leaves out the bytes it shares with the key before it::

    shared length, rest length, value length (varints) | rest of the key | value

and at the end there are "restart" offsets for binary search, which a reader of everything does not need.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtnn.weights.checksum import masked_crc32c
from trtnn.weights.snappy import decompress
from trtnn.weights.wire import DamagedError, varint

MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
_FOOTER = 48
_TRAILER = 5


def read_table(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """All (key, value) pairs of a table in its order. Every block's checksum is verified; raises DamagedError."""
    if len(data) < _FOOTER or data[-8:] != MAGIC:
        raise DamagedError("it does not end as an index does, so it is truncated or no index")
    footer = data[-_FOOTER:]
    _, _, after_metaindex = _handle(footer, 0)
    offset, size, _ = _handle(footer, after_metaindex)
    for _, handle in _entries(_block(data, offset, size)):
        offset, size, _ = _handle(handle, 0)
        yield from _entries(_block(data, offset, size))


def _handle(data: bytes, position: int) -> tuple[int, int, int]:
    offset, position = varint(data, position)
    size, position = varint(data, position)
    return offset, size, position


def _block(data: bytes, offset: int, size: int) -> bytes:
    end = offset + size + _TRAILER
    if end > len(data) - _FOOTER:
        raise DamagedError("a block lies outside the file")
    stored = int.from_bytes(data[end - 4 : end], "little")
    if masked_crc32c(data[offset : end - 4]) != stored:
        raise DamagedError(f"the checksum of the block at byte {offset} is wrong")
    block, compression = data[offset : offset + size], data[end - _TRAILER]
    if compression == 0:
        return block
    if compression == 1:
        return decompress(block)
    raise DamagedError(f"the block at byte {offset} is compressed in an unknown way ({compression})")


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    restarts = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 * (restarts + 1)
    if end < 0:
        raise DamagedError("a block is shorter than its own list of restarts")
    position, key = 0, b""
    while position < end:
        shared, position = varint(block, position)
        rest, position = varint(block, position)
        length, position = varint(block, position)
        value_at = position + rest
        if shared > len(key) or value_at + length > end:
            raise DamagedError("an entry runs past its block")
        key = key[:shared] + block[position:value_at]
        position = value_at + length
        yield key, block[value_at:position]
