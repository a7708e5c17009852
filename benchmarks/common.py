"""How the benchmarks measure: peers take turns in one process, and a program's peak memory is its own.

Results are medians; a ratio is the median over the rounds of "this one's time / the first one's time in the same
round", so that a machine that slows down for a while slows both sides of the fraction.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

RESULTS = Path(__file__).resolve().parent / "results"
FILES = Path(__file__).resolve().parent / "files"
THREADS = 2
"""What every peer is pinned to."""
_LOAD_BEFORE = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
SETTLE_S = 0.06
"""ONNX Runtime's threads spin for some 50 ms after their work and slow the next contestant to half on two cores."""


@attrs.frozen
class Row:
    """One contestant's result. ``ratio`` is its time over the first contestant's: above 1 means slower."""

    name: str
    median_ms: float
    fastest_ms: float
    ratio: float


@attrs.frozen
class Race:
    """The results of a race, in the order of the contestants, and the machine it was run on."""

    title: str
    rows: tuple[Row, ...]
    rounds: int
    machine: str

    def cells(self) -> list[list[str]]:
        """The table's header and rows as text."""
        header = ["", "median ms", "fastest ms", "ratio"]
        return [header] + [
            [row.name, f"{row.median_ms:.3f}", f"{row.fastest_ms:.3f}", f"{row.ratio:.3f}"] for row in self.rows
        ]

    def __str__(self) -> str:
        return f"{self.title}\n{text_table(self.cells())}\n{self.rounds} rounds; {self.machine}"

    def markdown(self) -> str:
        """The title, the table and the machine in Markdown."""
        return f"## {self.title}\n\n{markdown_table(self.cells())}\n\n{self.rounds} rounds; {self.machine}\n"


@attrs.frozen
class Measured:
    """One run of a program: seconds from its start to its exit, the most memory it held, and what it reported."""

    wall_s: float
    peak_mb: float
    report: Mapping[str, Any]


def race(
    contestants: Mapping[str, Callable[[], object]],
    *,
    title: str = "",
    rounds: int = 15,
    warmup: int = 2,
    calls: int = 1,
) -> Race:
    """Time the contestants in turns.

    In every round each contestant first runs untimed for ``SETTLE_S``, then ``calls`` times timed. The order turns from
    round to round.
    """
    names = list(contestants)
    for _ in range(warmup):
        for name in names:
            contestants[name]()
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            times[name].append(_time_call(contestants[name], calls))
    first = times[names[0]]
    rows = tuple(
        Row(
            name,
            median_ms=statistics.median(taken) * 1e3,
            fastest_ms=min(taken) * 1e3,
            ratio=statistics.median(mine / other for mine, other in zip(taken, first, strict=True)),
        )
        for name, taken in times.items()
    )
    return Race(title, rows, rounds, machine())


def _time_call(call: Callable[[], object], calls: int) -> float:
    """Seconds per call, over ``calls`` calls, after at least one untimed."""
    settled = time.perf_counter() + SETTLE_S
    call()
    while time.perf_counter() < settled:
        call()
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - start) / calls


def write_results(name: str, races: Sequence[Race]) -> None:
    """Write races as ``results/<name>.json`` and ``results/<name>.md``."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps([attrs.asdict(item) for item in races], indent=2) + "\n")
    (RESULTS / f"{name}.md").write_text("\n".join(item.markdown() for item in races))


def stored_results(name: str) -> list[Race]:
    """The races of an earlier run, none where there was none."""
    path = RESULTS / f"{name}.json"
    found = json.loads(path.read_text()) if path.exists() else []
    return [Race(**{**one, "rows": tuple(Row(**row) for row in one["rows"])}) for one in found]


def text_table(cells: Sequence[Sequence[str]]) -> str:
    """Rows of text as an aligned table: the first column to the left, the others to the right."""
    from trtnn.text import aligned  # here, since measured programs import this file and some do without trtnn

    return "\n".join(aligned(cells, [False] + [True] * (len(cells[0]) - 1)))


def markdown_table(cells: Sequence[Sequence[str]]) -> str:
    """Rows of text as a Markdown table; the first row is its header."""
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    return "\n".join([lines[0], "|---" + "|---:" * (len(cells[0]) - 1) + "|", *lines[1:]])


def machine() -> str:
    """One line: the CPU's model, its cores, the threads used, Python's version, and what else was running before."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    system = f"{platform.system()}, Python {platform.python_version()}"
    return f"{_cpu_model()}, {cores} cores, {THREADS} threads, {system}, load before {_LOAD_BEFORE:.1f}"


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def run_program(*arguments: str, python: str = sys.executable) -> Measured:
    """Run a Python program whose last line of output is a JSON object with a ``peak_mb`` (see :func:`report`).

    It may write byte code, as an installed package has it: compiling sources is no part of a measurement. Raises
    subprocess.CalledProcessError when it fails; its output on standard error is passed through.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    done = subprocess.run([python, *arguments], stdout=subprocess.PIPE, check=True, text=True, env=environment)
    wall = time.perf_counter() - start
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return Measured(wall, said.pop("peak_mb"), said)


def report(**values: object) -> None:
    """Print what a measured program has to say, with its CPU seconds and peak memory so far, as one line of JSON."""
    print(json.dumps({**values, "cpu_s": round(time.process_time(), 3), "peak_mb": round(peak_mb(), 1)}))


def peak_mb() -> float:
    """The most memory this process has held at once, in MB of 10^6 bytes.

    On Linux from VmHWM: ``ru_maxrss`` survives an exec, so a program that a big parent started would report the
    parent's size.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
