"""``--help``: quick, with examples, and the examples are command lines."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest

import trtnn as package
from trtnn.cli.options import make_parser

from .conftest import Trtnn

COMMANDS = ("build", "inspect", "verify", "bench", "doctor")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_examples_that_parse(trtnn: Trtnn, command: str) -> None:
    ran = trtnn(command, "--help")
    assert (ran.code, ran.err) == (0, "")
    _, _, examples = ran.out.partition("examples:\n")
    lines = [line.strip() for line in examples.splitlines() if line]
    assert lines
    for line in lines:
        program, *argv = shlex.split(line)
        assert program == "trtnn"
        assert make_parser().parse_args(argv).command == command


def test_the_overview_names_every_command(trtnn: Trtnn) -> None:
    ran = trtnn("--help")
    assert ran.code == 0
    for command in COMMANDS:
        assert f"    {command} " in ran.out
    assert trtnn("--version").out == f"trtnn {package.__version__}\n"


def test_help_imports_next_to_nothing() -> None:
    code = "import sys; from trtnn.cli import main; main(['build', '--help']); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for heavy in ("numpy", "onnxruntime", "rich", "trtnn.engine"):
        assert f"'{heavy}'" not in done.stdout.splitlines()[-1]
