"""A build while it runs: what is shown of it, and how Ctrl-C ends it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from typing import Any

import pytest
from emitting import built, random
from hand_network import in_every_listing  # noqa: F401

import trtnn
import trtnn.functional as F
from trtnn.backends.tensorrt import progress
from trtnn.backends.tensorrt.library import load


def test_a_line_for_each_phase(capsys: pytest.CaptureFixture[str]) -> None:
    built(F.exp, random(2, 3), progress=True)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "building Function: Building engine"
    assert len(said) == len(set(said)) > 5


@pytest.mark.parametrize("options", [{"progress": False}, {}])
def test_nothing_is_shown_unless_asked_or_on_a_terminal(
    options: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    built(F.exp, random(2, 3), **options)
    assert capsys.readouterr() == ("", "")


def test_bars_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    rich = pytest.importorskip("rich.progress")
    shown: list[str] = []
    seen = rich.Progress.add_task

    def add_task(self: Any, description: str, **options: Any) -> Any:
        shown.append(description)
        return seen(self, description, **options)

    monkeypatch.setattr(rich.Progress, "add_task", add_task)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    built(F.exp, random(2, 3))
    assert shown[0] == "building Function: Building engine"
    assert "  Cloning network graph" in shown
    assert "    Optimizing graph" in shown
    assert not any(text.startswith(" " * 6) for text in shown), "deeper phases are many and short"


def test_lines_where_rich_is_not_installed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    built(F.exp, random(2, 3))
    assert capsys.readouterr().err.startswith("building Function: Building engine\n")


@pytest.mark.parametrize("options", [{"progress": True}, {}])
def test_without_standard_error(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    built(F.exp, random(2, 3), **options)
    assert capsys.readouterr().out == ""


class Exponential(trtnn.Module):
    def forward(self, x: trtnn.Tensor = trtnn.Input(2, 3)) -> trtnn.Tensor:
        return F.exp(x)


def test_quiet_compiling_shows_nothing_unless_progress_is_given(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    Exponential().compile(target="tensorrt-rtx", optimization_level=0, quiet=True)
    assert capsys.readouterr() == ("", "")
    Exponential().compile(target="tensorrt-rtx", optimization_level=0, quiet=True, progress=None)
    assert capsys.readouterr().err.startswith("building Exponential: Building engine\n")


class Builder:
    """Takes steps as TensorRT does, until the monitor says no."""

    progress_monitor: Any = None

    def build(self, steps: int, then: Any) -> int:
        self.progress_monitor.phase_start("Building", None, steps)
        for step in range(steps):
            then(step)
            if not self.progress_monitor.step_complete("Building", step):
                return step
        self.progress_monitor.phase_finish("Building")
        return steps


def interrupt(step: int) -> None:
    if step == 3:
        signal.raise_signal(signal.SIGINT)


def test_ctrl_c_ends_the_build_at_the_next_step() -> None:
    builder, before, done = Builder(), signal.getsignal(signal.SIGINT), []
    with pytest.raises(KeyboardInterrupt), progress.watched_build(load("tensorrt-rtx").trt, builder, "title", False):
        done.append(builder.build(9, interrupt))
    assert done == [3]
    assert signal.getsignal(signal.SIGINT) is before
    assert builder.progress_monitor is None


def test_the_callers_handler_hears_of_it_too() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        builder = Builder()
        with (
            pytest.raises(KeyboardInterrupt),
            progress.watched_build(load("tensorrt-rtx").trt, builder, "title", False),
        ):
            builder.build(9, interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [signal.SIGINT]


def test_a_process_that_ignores_the_signal_goes_on() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        builder = Builder()
        with progress.watched_build(load("tensorrt-rtx").trt, builder, "title", False):
            assert builder.build(9, interrupt) == 9
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_build_in_another_thread_takes_no_signals() -> None:
    failed: list[BaseException] = []

    def work() -> None:
        try:
            built(F.exp, random(2, 3))
        except BaseException as error:
            failed.append(error)

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not failed
    assert signal.getsignal(signal.SIGINT) is before


SCRIPT = """
import os, signal, sys
import numpy as np
import trtnn as nn
from trtnn.backends.tensorrt import progress

class Deep(nn.Module):
    def __init__(self): self.layers = [nn.LSTM(8, 8, return_sequences=True) for _ in range(4)]
    def forward(self, x=nn.Input(2, 5, 8)):
        for layer in self.layers: x = layer(x)
        return x

def interrupting(step):
    def taken(self, phase):
        phases.append(phase)
        if phases.count("Optimizing graph") == 3:
            os.kill(os.getpid(), signal.SIGINT)
    return taken

phases = []
model = Deep()
for parameter in model.parameters(): parameter.assign(np.full(parameter.shape, 0.1, np.float32))
step, progress.Silence.step = progress.Silence.step, interrupting(progress.Silence.step)
try:
    model.compile(target="tensorrt-rtx", timing_cache=None)
except KeyboardInterrupt:
    print("interrupted", phases[-1], phases.count("Optimizing graph") < 30)
progress.Silence.step = step
engine = model.compile(target="tensorrt-rtx")
print(engine.plan.nbytes > 1000, signal.getsignal(signal.SIGINT) is signal.default_int_handler)
os.kill(os.getpid(), signal.SIGINT)
"""


def test_a_real_signal_ends_a_real_build() -> None:
    """In a process of its own, which can build again afterwards, and whose Ctrl-C works again."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.splitlines() == ["interrupted Optimizing graph True", "True True"]
    assert done.stderr.rstrip().endswith("KeyboardInterrupt")
