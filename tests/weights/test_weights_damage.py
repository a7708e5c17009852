"""Truncated, corrupted and missing files: one clear error or the right values, whichever byte is hit."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import save
from hypothesis import given, settings
from hypothesis import strategies as st

from trtnn.errors import FileFormatError
from trtnn.weights import Slot, load, open_weights

VALUES = {
    "conv1/kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "conv1/bias": np.array([1.5, -2.5], np.float64),
    "conv1/labels": np.array([b"cat", b"", b"a dog"], object),
    "conv2/kernel": np.array(7, np.int16),
}
INDEX, DATA = "model.index", "model.data-00000-of-00001"
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def checkpoint(tf: Any, tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("sound")
    save(
        tf,
        folder / "model",
        {name: value.tolist() if value.dtype == object else value for name, value in VALUES.items()},
    )
    return {name: (folder / name).read_bytes() for name in (INDEX, DATA)}


@pytest.fixture(scope="module", params=["savez", "savez_compressed"])
def npz(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("npz") / "sound.npz"
    getattr(np, request.param)(path, **{name: value for name, value in VALUES.items() if value.dtype != object})
    return path.read_bytes()


def refused(path: Path, values: Iterable[str] = VALUES) -> bool:
    """Whether reading everything raises FileFormatError; if not, every value is right and there are no others."""
    try:
        with open_weights(path) as file:
            got = {variable.name: variable.read() for variable in file.variables}
    except FileFormatError as error:
        assert str(path.parent) in str(error)
        return True
    assert sorted(got) == sorted(values)
    for name, value in got.items():
        assert value.dtype == VALUES[name].dtype
        np.testing.assert_array_equal(value, VALUES[name])
    return False


def write(folder: Path, files: Files) -> Path:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder / "model"


def flipped(content: bytes, position: int, bit: int) -> bytes:
    return content[:position] + bytes([content[position] ^ 1 << bit]) + content[position + 1 :]


def test_every_flipped_bit_of_an_index(checkpoint: Files, tmp_path: Path) -> None:
    path, index, unnoticed = write(tmp_path, checkpoint), checkpoint[INDEX], 0
    for position in range(len(index)):
        for bit in range(8):
            (tmp_path / INDEX).write_bytes(flipped(index, position, bit))
            unnoticed += not refused(path)
    # Only the metaindex block with its handle, which nobody reads, and the padding of the footer are not checked.
    assert unnoticed <= 8 * (13 + 40)


def test_every_truncation_of_an_index(checkpoint: Files, tmp_path: Path) -> None:
    for length in range(len(checkpoint[INDEX])):
        assert refused(write(tmp_path, {**checkpoint, INDEX: checkpoint[INDEX][:length]}))


def test_every_flipped_bit_and_truncation_of_the_data(checkpoint: Files, tmp_path: Path) -> None:
    path, data = write(tmp_path, checkpoint), checkpoint[DATA]
    for position in range(len(data)):
        for damaged in (data[:position], *(flipped(data, position, bit) for bit in range(8))):
            (tmp_path / DATA).write_bytes(damaged)
            assert refused(path)


@settings(max_examples=100, deadline=None)
@given(data=st.data(), name=st.sampled_from([INDEX, DATA]))
def test_rubbish_somewhere(
    checkpoint: Files, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, name: str
) -> None:
    content = checkpoint[name]
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, len(content)))
    rubbish = data.draw(st.binary(max_size=64))
    refused(write(tmp_path_factory.mktemp("rubbish"), {**checkpoint, name: content[:start] + rubbish + content[end:]}))


NUMBERS = [name for name, value in VALUES.items() if value.dtype != object]


def test_every_byte_and_truncation_of_an_npz(npz: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    for position in range(len(npz)):
        path.write_bytes(flipped(npz, position, position % 8))
        refused(path, NUMBERS)
        path.write_bytes(npz[:position])
        assert refused(path, NUMBERS)


SLOTS = [Slot("conv1.kernel", ("conv1/kernel",), (2, 3, 4), "float32")]


def test_the_message_of_a_corrupted_file(checkpoint: Files, tmp_path: Path) -> None:
    position = checkpoint[DATA].index(VALUES["conv1/kernel"].tobytes())
    path = write(tmp_path, {**checkpoint, DATA: flipped(checkpoint[DATA], position, 0)})
    with pytest.raises(FileFormatError) as caught:
        load(SLOTS, path)
    assert str(caught.value) == (
        f"{tmp_path / DATA}: the file is damaged: conv1/kernel has a wrong checksum; "
        "copy it again from where it was written, or save it again"
    )


def test_the_message_of_a_truncated_file(checkpoint: Files, tmp_path: Path) -> None:
    path = write(tmp_path, {**checkpoint, DATA: checkpoint[DATA][:10]})
    with pytest.raises(
        FileFormatError, match=r"it has 10 bytes and conv1/kernel ends at byte \d+: it is truncated; copy"
    ):
        load(SLOTS, path)


def test_the_message_of_a_truncated_npz(npz: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.npz").write_bytes(npz[:-30])
    with pytest.raises(FileFormatError, match=r"model\.npz: the file is damaged or no \.npz \(BadZipFile: .*savez"):
        load(SLOTS, tmp_path / "model.npz")


def test_damage_elsewhere_in_the_data_does_not_matter(checkpoint: Files, tmp_path: Path) -> None:
    """Only what is wanted is read and verified."""
    position = checkpoint[DATA].index(b"a dog")
    path = write(tmp_path, {**checkpoint, DATA: flipped(checkpoint[DATA], position, 0)})
    arrays, _ = load(SLOTS, path)
    np.testing.assert_array_equal(arrays["conv1.kernel"], VALUES["conv1/kernel"])
