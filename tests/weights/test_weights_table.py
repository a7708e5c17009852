"""Index tables that only a test writes; TensorFlow reads them too, so the writer in ``table_writer.py`` is right."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import assert_as_tensorflow, save
from hypothesis import given
from hypothesis import strategies as st
from table_writer import snappy, varint, write_table

from trtnn.errors import FileFormatError
from trtnn.weights.bundle import Bundle
from trtnn.weights.checksum import masked_crc32c
from trtnn.weights.snappy import decompress
from trtnn.weights.table import MAGIC, read_table
from trtnn.weights.wire import DamagedError, Message


@pytest.mark.parametrize("compressed", [False, True])
def test_tensorflow_reads_the_same_table(tf: Any, tmp_path: Path, compressed: bool) -> None:
    prefix = save(tf, tmp_path / "model", {f"layer_{i}/kernel": np.full(3, i, np.float32) for i in range(40)})
    index = prefix.with_name("model.index")
    pairs = list(read_table(index.read_bytes()))
    index.write_bytes(write_table(pairs, compressed))
    bundle = assert_as_tensorflow(tf, prefix)
    assert len(bundle.entries) == 40


@given(st.lists(st.sampled_from([b"a", b"bc", b"abcabcabc", b"x" * 70, bytes(range(256)) * 9])).map(b"".join))
def test_snappy_restores_what_was_compressed(data: bytes) -> None:
    assert decompress(snappy(data)) == data


@given(st.binary(max_size=80))
def test_snappy_refuses_garbage(data: bytes) -> None:
    try:
        decompress(data)
    except DamagedError:
        return


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x05\x0cabcd", "has 4 bytes and claims 5"),
        (b"\x04\x0cab", "is cut short"),
        (b"\x04\x01", "is cut short"),
        (b"\x0c\x0cabcd\x1e\x01", "is cut short"),
        (b"\x04\x01\x05", "before its start"),
        (b"\xff\xff\xff\xff\x7f", "claims 34359738367 bytes"),
    ],
)
def test_snappy_damage(data: bytes, message: str) -> None:
    with pytest.raises(DamagedError, match=message):
        decompress(data)


def test_unknown_compression() -> None:
    block = b"block\x02"
    data = block + masked_crc32c(block).to_bytes(4, "little")
    with pytest.raises(DamagedError, match=r"block at byte 0 is compressed in an unknown way \(2\)"):
        list(read_table(data + b"\0\0\0\x05".ljust(40, b"\0") + MAGIC))


HEADER = b"\x08\x01\x1a\x02\x08\x01"  # one shard, version 1
CRC = masked_crc32c(bytes(8)).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([], "its header is missing"),
        ([(b"", b"\x08\x01\x10\x01")], "big-endian"),
        ([(b"", b"\x08\x01\x1a\x02\x10\x02")], "needs a reader of version 2 and this one has version 1"),
        ([(b"", b"\x0a\x01a")], "field 1 should be an integer"),
        ([(b"", HEADER), (b"v", b"\x12\x09\x12\x07\x08")], "a message runs past its end"),
        ([(b"", HEADER), (b"v", b"\x20" + varint(2**64 - 1))], "v has a negative size"),
        ([(b"", HEADER), (b"v", b"\x20" + b"\xff" * 12)], "an integer runs past its end"),
        ([(b"", HEADER), (b"v", b"\x10\x01")], "field 2 should be bytes"),
    ],
)
def test_a_sound_table_with_unsound_values(tmp_path: Path, pairs: list[tuple[bytes, bytes]], message: str) -> None:
    (tmp_path / "model.index").write_bytes(write_table(pairs))
    with pytest.raises(FileFormatError, match=rf"model\.index: the file is damaged: .*{message}.*; copy it again"):
        Bundle.open(tmp_path / "model")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (b"\x08\x01\x18\x05", r"index: the file is damaged: v is in shard 5 of 1"),
        (b"\x08\x01\x28\x64", r"data-00000-of-00001: it has 8 bytes and v ends at byte 100: it is truncated"),
        (b"\x08\x01\x28\x08", r"data-00000-of-00001: the file is damaged: v has a wrong checksum"),
        (b"\x08\x01\x28\x08\x35" + CRC, r"index: the file is damaged: v of shape \(\) and float32 claims 8 bytes"),
        (b"\x08\x01\x3a\x02\x0a\x00", r"index: the file is damaged: a slice of v is missing"),
        (b"\x08\x07\x28\x04", r"data-00000-of-00001: the file is damaged: v has a wrong checksum"),
        (b"\x08\x07", r"data-00000-of-00001: the file is damaged: v is cut short"),
    ],
)
def test_entries_that_do_not_fit_the_data(tmp_path: Path, entry: bytes, message: str) -> None:
    (tmp_path / "model.index").write_bytes(write_table([(b"", HEADER), (b"v", entry)]))
    (tmp_path / "model.data-00000-of-00001").write_bytes(bytes(8))
    bundle = Bundle.open(tmp_path / "model")
    with pytest.raises(FileFormatError, match=message):
        bundle.read("v")


@given(st.binary(max_size=200))
def test_garbage_is_no_table(data: bytes) -> None:
    for bytes_ in (data, data + MAGIC, data + bytes(40) + MAGIC):
        with pytest.raises(DamagedError):
            list(read_table(bytes_))


@given(st.binary(max_size=60))
def test_garbage_messages_are_refused_or_read(data: bytes) -> None:
    try:
        Message.parse(data)
    except DamagedError:
        return


def test_keys_share_prefixes() -> None:
    rng = random.Random(0)
    keys = sorted({"/".join(rng.choices(["conv", "bn", "kernel"], k=rng.randint(1, 5))).encode() for _ in range(99)})
    pairs = [(key, key[::-1]) for key in keys]
    for compressed in (False, True):
        assert list(read_table(write_table(pairs, compressed))) == pairs
