"""Whatever happens while an engine is saved, no file is half written, and a mix is found out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import trtnn as nn
from saving.networks import assert_same, images, saved, vision
from trtnn.errors import SavedEngineError
from trtnn.saving.atomic import AtomicFiles, HashedFile

TESTS = Path(__file__).parents[1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_killed_at_any_step_leaves_whole_files_and_no_mix(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("kill_worker.py")), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    trials = [line.split(" ", 4) for line in done.stdout.splitlines()]
    fresh = [result for kind, *_, result in trials if kind == "fresh"]
    over = [result for kind, *_, result in trials if kind == "over"]
    assert len(fresh) == len(over) > 12, done.stdout
    assert all(kept == "True" for _, _, _, kept, _ in trials), done.stdout
    assert fresh[0] == "nothing" and fresh[-1] == "new" and set(fresh) == {"nothing", "new"}, done.stdout
    assert over[0] == "old" and over[-1] == "new", done.stdout
    mixed = [result for result in over if result not in ("old", "new")]
    assert mixed and all("saving it was interrupted" in one for one in mixed), done.stdout


def test_an_error_leaves_the_old_engine_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = vision()
    path = saved(old, tmp_path)
    files = sorted(tmp_path.iterdir())

    def fail(file: HashedFile, data: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(HashedFile, "write", fail)
    with pytest.raises(SavedEngineError, match=r"the engine cannot be written here: .*No space left on device"):
        vision(seed=1).save(path)
    assert sorted(tmp_path.iterdir()) == files
    assert_same(nn.Engine.load(path)(images()), old(images()))


def test_an_engine_in_use_does_not_see_its_files_change(tmp_path: Path) -> None:
    old, new = vision(seed=0), vision(seed=1)
    loaded = nn.Engine.load(saved(old, tmp_path), threads=1)
    saved(new, tmp_path)
    assert_same(loaded(images()), old(images()))
    assert_same(nn.Engine.load(tmp_path / "model.onnx")(images()), new(images()))
    with pytest.raises(SavedEngineError, match=r"expected the files of the engine that was saved or loaded there"):
        loaded.save(tmp_path / "again.onnx")


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    with AtomicFiles(tmp_path) as files:
        with files.create("file") as file:
            file.write(b"contents")
        files.commit()
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "other").stat().st_mode
    assert [(one.name, one.bytes) for one in files.written] == [("file", 8)]
