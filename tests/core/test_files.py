"""Files that are replaced as a whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trtnn.files import write_whole


def test_replaces_the_file(tmp_path: Path) -> None:
    """The new contents, and no other file."""
    path = tmp_path / "cache.bin"
    path.write_bytes(b"old and longer")
    write_whole(path, memoryview(b"new"))
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="rights are not bits there")
def test_others_may_read_it_as_any_new_file(tmp_path: Path) -> None:
    write_whole(tmp_path / "cache.bin", b"new")
    (tmp_path / "any").touch()
    assert (tmp_path / "cache.bin").stat().st_mode == (tmp_path / "any").stat().st_mode


def test_failure_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rename that the system refuses: the old contents stay, and no temporary file is left."""
    path = tmp_path / "cache.bin"
    path.write_bytes(b"old")

    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(f"{target} is in use")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(PermissionError, match="in use"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
