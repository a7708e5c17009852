"""Damaged files: a typed error, or, where a checksum can tell, the very same model. Never a crash or a hang."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from oracle import keras, randomize

from trtnn.errors import FileFormatError
from trtnn.importers.keras import from_keras

k = keras()
L = k.layers


def model() -> Any:
    """A model with a few kinds of objects."""
    x = k.Input((8, 3))
    y = L.LSTM(3, return_sequences=True)(L.BatchNormalization()(L.Conv1D(4, 3)(x)))
    built = k.Model(x, L.Dense(2)(L.Flatten()(y)) * 2.0)
    randomize(built, np.random.default_rng(0))
    return built


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "checksummed"), [("model.keras", "1"), ("model.h5", "0")])
def test_fuzz(name: str, checksummed: str, tmp_path: Path) -> None:
    """Cut off, bits flipped, bytes overwritten, bytes repeated. Legacy files have no checksum of what they hold."""
    model().save(tmp_path / name)
    worker = Path(__file__).with_name("fuzz_worker.py")
    command = [sys.executable, str(worker), str(tmp_path / name), "1", os.environ.get("FUZZ_COUNT", "150"), checksummed]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == ""


def repacked(source: Path, target: Path, **options: Any) -> Path:
    """The same archive, written in another way."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", **options) as new:
        for member in old.infolist():
            new.writestr(member.filename, old.read(member))
    return target


def test_a_compressed_archive(tmp_path: Path) -> None:
    """Is read into memory."""
    model().save(tmp_path / "a.keras")
    path = repacked(tmp_path / "a.keras", tmp_path / "b.keras", compression=zipfile.ZIP_DEFLATED)
    ours, theirs = from_keras(path), from_keras(tmp_path / "a.keras")
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_array_equal(one.data, other.data)


def test_weights_are_views_of_the_file(tmp_path: Path) -> None:
    """Nothing is copied where the file stores them in one piece."""
    model().save(tmp_path / "a.keras")
    ours = from_keras(tmp_path / "a.keras")
    assert all(not one.data.flags.owndata and not one.data.flags.writeable for one in ours.parameters())


def test_members_outside_are_not_touched(tmp_path: Path) -> None:
    """Only the members that a model has are read, whatever else an archive holds."""
    model().save(tmp_path / "a.keras")
    with zipfile.ZipFile(tmp_path / "a.keras", "a") as archive:
        archive.writestr("../outside.py", "raise SystemExit")
        archive.writestr("assets/code.pkl", b"\x80\x04.")
    from_keras(tmp_path / "a.keras")
    assert not (tmp_path.parent / "outside.py").exists()


def test_a_member_is_missing(tmp_path: Path) -> None:
    """It is named."""
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(FileFormatError, match=r"expected a member model.weights.h5, got config.json"):
        from_keras(tmp_path / "a.keras")


def test_a_bomb(tmp_path: Path) -> None:
    """A config that unpacks to more than it may."""
    with zipfile.ZipFile(tmp_path / "a.keras", "w", compression=zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * (257 << 20))
        archive.writestr("model.weights.h5", b"")
    with pytest.raises(FileFormatError, match=r"config.json: expected at most 256 MB, got more"):
        from_keras(tmp_path / "a.keras")


def test_links_to_other_files_are_not_followed(tmp_path: Path) -> None:
    """External links, and datasets whose bytes lie elsewhere."""
    model().save(tmp_path / "good.h5")
    with h5py.File(tmp_path / "good.h5", "a") as file:
        layer = next(name for name in file["model_weights"] if name.startswith("dense"))
        inside = file[f"model_weights/{layer}/{layer}"]
        del inside["kernel"]
        inside["kernel"] = h5py.ExternalLink("other.h5", "/kernel")
        file["aside"] = h5py.ExternalLink("other.h5", "/")
        del inside["bias"]
        inside["bias"] = h5py.SoftLink("/aside/bias")  # leads there too, by way of this file
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["kernel"], other["bias"] = np.zeros((18, 2), np.float32), np.zeros(2, np.float32)
    with pytest.raises(FileFormatError, match=r"expected a (variable|dataset)"):
        from_keras(tmp_path / "good.h5")
