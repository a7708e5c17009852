"""A folder of a user's files, and a way to run the command line in it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from trtnn.cli import main

from .files import NETS, samples, weights, write_keras


@attrs.frozen
class Ran:
    """What a command line did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed as JSON; there must be nothing else on standard output."""
        return json.loads(self.out)


Trtnn = Callable[..., Ran]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder: nets.py, weights.npz, samples.npy, model.keras. Modules that it adds are forgotten."""
    (tmp_path / "nets.py").write_text(NETS)
    np.savez(tmp_path / "weights.npz", **weights())
    np.save(tmp_path / "samples.npy", samples())
    write_keras(tmp_path / "model.keras")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def trtnn(folder: Path, capfd: pytest.CaptureFixture[str]) -> Trtnn:
    """Runs ``trtnn`` in the folder, in this process. A traceback is a failure of the test."""

    def run(*argv: str) -> Ran:
        code = main(argv)
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return Ran(code, out, err)

    return run
