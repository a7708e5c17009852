"""Saves an engine over another one in children that are killed at every step of it, and tells what each left.

python kill_worker.py FOLDER    prints a line per step; run by test_atomic.py
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trtnn as nn
from saving.networks import assert_same, images, vision
from trtnn.errors import SavedEngineError
from trtnn.saving.atomic import HashedFile

KILLED = 9


class Steps:
    """Counts what changes the disk and ends the process in the middle of the step with the number ``last``."""

    def __init__(self, last: int) -> None:
        self._left = last

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **options: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                if function is HashedFile.write:  # half of it reaches the disk
                    file, data = arguments
                    raw = memoryview(data).cast("B")
                    function(file, raw[: len(raw) // 2])
                    file._file.flush()
                os._exit(KILLED)
            return function(*arguments, **options)

        return step


def save_until(engine: Any, path: Path, last: int) -> bool:
    """Saves in a child that is killed at the step; True when it got to the end before."""
    child = os.fork()
    if child == 0:
        steps = Steps(last)
        for owner, name in ((HashedFile, "write"), (Path, "open"), (Path, "replace"), (os, "fsync")):
            setattr(owner, name, steps.wrap(getattr(owner, name)))
        engine.save(path)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def outcome(path: Path, candidates: dict[str, Any]) -> str:
    """Which engine is there now: its name, "refused" with the reason, or "nothing"."""
    if not path.exists():
        return "nothing"
    try:
        loaded = nn.Engine.load(path, threads=1)
    except SavedEngineError as error:
        return f"refused: {error}"
    for name, engine in candidates.items():
        try:
            assert_same(loaded(images()), engine(images()))
        except AssertionError:
            continue
        return name
    return "a mix"


def whole(folder: Path, folders: list[Path]) -> bool:
    """Whether every file that has its name is one of those that were saved in peace."""
    files = [file for file in folder.iterdir() if not file.name.startswith(".")]
    return all(any((one / file.name).read_bytes() == file.read_bytes() for one in folders) for file in files)


def main(folder: Path) -> None:
    """Once into an empty folder, and once over another engine."""
    engines = {"old": vision(seed=0), "new": vision(seed=1)}
    for name, engine in engines.items():
        (folder / name).mkdir()
        engine.save(folder / name / "model.onnx")
    for over in (False, True):
        finished, step = False, 0
        while not finished:
            step += 1
            trial = folder / f"trial{over}{step}"
            shutil.copytree(folder / "old", trial) if over else trial.mkdir()
            finished = save_until(engines["new"], trial / "model.onnx", step)
            kept = whole(trial, [folder / "old", folder / "new"])
            found = outcome(trial / "model.onnx", engines)
            sys.stdout.write(f"{'over' if over else 'fresh'} {step} {finished} {kept} {found}\n")
            sys.stdout.flush()  # before the next fork, whose child would write it too


if __name__ == "__main__":
    main(Path(sys.argv[1]))
