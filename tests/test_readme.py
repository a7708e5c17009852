"""What the README says is so: its code runs, its sessions and outputs are real, its commands are those of the CI."""

from __future__ import annotations

import doctest
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from trtnn.cli.options import make_parser

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.M | re.S)
"""(language, code) of every fenced block, in order."""


def blocks(language: str) -> list[str]:
    """The code of all blocks in a language."""
    return [code for kind, code in BLOCKS if kind == language]


def test_the_code_blocks_run_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorrt_rtx")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "readme"}
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for number, (language, code) in enumerate(BLOCKS):
        if language == "python":
            exec(compile(code, f"README block {number}", "exec"), names)
        elif language == "pycon":
            test = doctest.DocTestParser().get_doctest(code, names, f"README block {number}", "README.md", 0)
            runner.run(test, clear_globs=False)
            names.update(test.globs)
    assert runner.summarize(verbose=False).failed == 0


def test_the_ci_runs_the_test_command() -> None:
    _, test_command = (command.strip() for command in blocks("sh"))
    assert test_command in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_the_first_command_runs_the_example_whose_output_is_shown() -> None:
    pytest.importorskip("tensorrt_rtx")
    command = blocks("sh")[0].strip()
    script = command.rpartition(".venv/bin/python ")[2]
    done = subprocess.run([sys.executable, script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert without_measurements(done.stdout) == without_measurements(blocks("text")[0])


@pytest.mark.parametrize("line", [line for block in blocks("console") for line in block.splitlines()])
def test_command_lines_are_ones(line: str) -> None:
    prompt, program, *argv = shlex.split(line, comments=True)
    assert (prompt, program) == ("$", "trtnn")
    assert make_parser().parse_args(argv).command == argv[0]


def without_measurements(text: str) -> str:
    """Without the numbers that differ from run to run and from version to version."""
    return re.sub(r"\d\.\de-\d\d|[\d,]+(?= bytes)|[\d.]+(?= s$)", "#", text, flags=re.M)


@pytest.mark.parametrize("target", re.findall(r"\]\((?!http)([^)#]+)", TEXT))
def test_links_lead_to_files(target: str) -> None:
    assert (ROOT / target).exists()


@pytest.mark.parametrize("results", re.findall(r"^`(\w+)`$", TEXT, re.M))
def test_the_numbers_are_the_stored_results(results: str) -> None:
    stored = (ROOT / "benchmarks" / "results" / f"{results}.md").read_text(encoding="utf-8")
    assert stored.replace("## ", "### ").strip() in TEXT, "run python -m benchmarks.numbers"
