"""``trtnn doctor``: what it finds here, and what it would find elsewhere."""

from __future__ import annotations

import re
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from trtnn.cli import trial
from trtnn.cli.commands.doctor import Problem, _command, find_problems
from trtnn.cli.libraries import LIBRARIES, Installed, Library
from trtnn.cli.trial import Trial, try_apart

from .conftest import Trtnn

WORKS = Trial("onnxruntime", builds=True, runs=True)


def test_it_tries_the_targets(trtnn: Trtnn) -> None:
    ran = trtnn("doctor", "--json")
    assert ran.code == 0, ran.out
    targets = {one["target"]: one for one in ran.json["targets"]}
    assert targets["onnxruntime"]["builds"] and targets["onnxruntime"]["runs"]
    assert ran.json["libraries"]["numpy"] == {"version": metadata.version("numpy"), "oldest": "2.0"}
    assert ran.json["gpu"]["name"] or ran.json["gpu"]["why_not"]
    for one in targets.values():
        assert one["runs"] or one["problem"]


def test_its_text_has_a_line_for_every_target(trtnn: Trtnn) -> None:
    ran = trtnn("doctor")
    for start in ("trtnn ", "Python ", "GPU ", "numpy ", "onnxruntime on CUDA ", "tensorrt ", "tensorrt-rtx "):
        assert any(line.startswith(start) for line in ran.out.splitlines()), start


def library(name: str, version: str | None, oldest: str | None = None, extra: str | None = "") -> Installed:
    return Installed(Library(name, "something", extra), version, oldest)


ORT = library("onnxruntime", "1.32.0", "1.23")
NO_GPU_ORT = library("onnxruntime-gpu", None, "1.23", "gpu")


@pytest.mark.parametrize(
    ("libraries", "text", "fix"),
    [
        ([library("numpy", None, "2.0")], "numpy: missing", 'pip install --upgrade "numpy>=2.0"'),
        ([library("numpy", "1.26.4", "2.0")], "numpy 1.26.4: too old, needs 2.0", 'pip install --upgrade "numpy>=2.0"'),
        (
            [library("tensorrt", "10.3.0", "10.9", "tensorrt")],
            "tensorrt 10.3.0: too old, needs 10.9",
            'pip install --upgrade "trtnn[tensorrt]"',
        ),
        (
            [library("onnxruntime-gpu", "1.23.0", "1.23", "gpu")],
            "onnxruntime and onnxruntime-gpu are both installed",
            "pip uninstall -y onnxruntime && pip install --force-reinstall --no-deps onnxruntime-gpu",
        ),
    ],
)
def test_wrong_libraries(libraries: list[Installed], text: str, fix: str) -> None:
    given = {one.library.name: one for one in [ORT, NO_GPU_ORT, *libraries]}
    (problem,) = find_problems(list(given.values()), [WORKS])
    assert text in problem.text
    assert problem.fix == fix


@pytest.mark.parametrize(
    "libraries",
    [
        [ORT, NO_GPU_ORT],
        [library("onnxruntime", None, "1.23"), library("onnxruntime-gpu", "1.23.0", "1.23", "gpu")],
        [ORT, NO_GPU_ORT, library("numpy", "2.0", "2.0.0"), library("tensorrt", None, "10.9", "tensorrt")],
    ],
    ids=["CPU", "GPU", "as old as can be"],
)
def test_right_libraries(libraries: list[Installed]) -> None:
    assert find_problems(libraries, [WORKS]) == []


ABSENT = library("tensorrt", None, "10.9", "tensorrt")
THERE = library("tensorrt", "10.9.0", "10.9", "tensorrt")


@pytest.mark.parametrize(
    ("tensorrt", "result", "problems"),
    [
        (ABSENT, Trial("tensorrt", error="LibraryError", problem="TensorRT is not installed: pip install x"), []),
        (ORT, Trial("onnxruntime on CUDA", error="LibraryError", problem="has no CUDAExecutionProvider"), []),
        (THERE, Trial("tensorrt", builds=True, simulated=True, error="DeviceError", problem="there is no GPU"), []),
        (THERE, Trial("tensorrt", error="DeviceError", problem="there is no GPU"), []),
        (
            THERE,
            Trial("tensorrt", error="LibraryError", problem="cannot be imported; pip install --force-reinstall x, or"),
            [
                Problem(
                    "tensorrt: cannot be imported; pip install --force-reinstall x, or",
                    "pip install --force-reinstall x",
                )
            ],
        ),
        (
            THERE,
            Trial("tensorrt", builds=True, problem="gives wrong numbers"),
            [Problem("tensorrt: gives wrong numbers")],
        ),
        (THERE, Trial("tensorrt", problem="ended with code -11"), [Problem("tensorrt: ended with code -11")]),
    ],
)
def test_a_target_is_a_problem_when_it_is_there_and_broken(
    tensorrt: Installed, result: Trial, problems: list[Problem]
) -> None:
    libraries = {one.library.name: one for one in (ORT, NO_GPU_ORT, tensorrt)}
    assert find_problems(list(libraries.values()), [WORKS, result]) == problems


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import os; os.abort()", "the process that tried it ended with code -6"),
        ("raise ImportError('libnvinfer.so.10')", "ended with code 1: ImportError: libnvinfer.so.10"),
        ("import time; time.sleep(60)", "did not finish within 2 s"),
    ],
)
def test_a_target_that_ends_its_process_is_reported(monkeypatch: pytest.MonkeyPatch, code: str, problem: str) -> None:
    run = subprocess.run

    def broken(argv: list[str], **options: Any) -> Any:
        return run([argv[0], "-c", code], **options)

    monkeypatch.setattr(subprocess, "run", broken)
    monkeypatch.setattr(trial, "TIMEOUT_S", 2)
    found = try_apart("tensorrt")
    assert (found.builds, found.runs) == (False, False)
    assert problem in found.problem


def test_what_mends_a_target_is_one_command() -> None:
    text = 'is missing; pip install "trtnn[gpu]", and then: pip uninstall -y one && pip install --no-deps other'
    assert _command(text) == 'pip install "trtnn[gpu]" && pip uninstall -y one && pip install --no-deps other'
    assert _command("buy a GPU") is None


def test_every_library_that_trtnn_declares_is_in_the_table() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].items()
    declared = {(_name(text), "") for text in project["dependencies"]}
    declared |= {(_name(text), extra) for extra, texts in extras for text in texts}
    shown = {(one.name, one.extra) for one in LIBRARIES if one.extra is not None}
    assert shown <= declared
    assert {name for name, _ in shown} == {name for name, _ in declared}


def _name(requirement: str) -> str:
    return re.split(r"[>=<;\[ ]", requirement)[0]
