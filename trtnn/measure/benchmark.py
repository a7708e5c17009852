"""How long calls of an engine take, and how many examples it gets through."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from trtnn.calling import Ranges
from trtnn.engine import Engine
from trtnn.errors import ArgumentError, DimError
from trtnn.graph import TensorType
from trtnn.graph.dims import evaluate, is_int, names
from trtnn.measure.pictures import BLUES, MUTED, THOUSANDS, new_figure, picture_path, plain_axes, save_figure
from trtnn.measure.sizes import usual_sizes
from trtnn.text import table_text

BATCHES = (1, 8, 16)
LEAST_CALLS = 3
"""How often a slow network is called all the same, to warm up and again to measure."""
LOG_FROM = 20
"""The picture of latencies has a logarithmic axis where they differ by more than this factor."""


@attrs.frozen
class Timing:
    """The calls with one combination of sizes: how many there were, and the mean and the percentiles of how long one
    took, in seconds. ``batch`` is the number of examples in a call: the size of the dim of that name, else of the first
    input's first axis.
    """

    sizes: Mapping[str, int]
    batch: int
    calls: int
    mean: float
    p50: float
    p90: float
    p99: float

    @classmethod
    def of(cls, sizes: Mapping[str, int], batch: int, seconds: Sequence[float]) -> Timing:
        """The statistics of the calls' times."""
        p50, p90, p99 = (float(one) for one in np.percentile(seconds, (50, 90, 99)))
        return cls(dict(sizes), batch, len(seconds), float(np.mean(seconds)), p50, p90, p99)

    @property
    def throughput(self) -> float:
        """Examples per second, one call after the other."""
        return self.batch / self.mean


@attrs.frozen
class Benchmark:
    """What was measured of an engine, one `Timing` per batch size; ``print`` it. ``warmup`` says how many seconds, and
    at least how many calls, went before each and are not counted."""

    engine: str
    target: str
    warmup: float
    rows: tuple[Timing, ...]

    def __str__(self) -> str:
        header = ["batch", "p50 ms", "p90 ms", "p99 ms", "mean ms", "examples/s", "calls"]
        cells = [
            [
                str(row.batch),
                *(f"{1e3 * seconds:.3f}" for seconds in (row.p50, row.p90, row.p99, row.mean)),
                f"{row.throughput:,.1f}",
                f"{row.calls:,}",
            ]
            for row in self.rows
        ]
        others = dict.fromkeys(f"{name}={size}" for row in self.rows for name, size in row.sizes.items())
        sizes = [one for one in others if not one.startswith("batch=")]
        said = f"after {self.warmup:g} s of calls to warm up, at least {LEAST_CALLS}, for each batch size"
        return "\n".join([self.engine, *table_text(header, cells), *([", ".join(sizes)] if sizes else []), said])

    def to_json(self) -> str:
        """All of it as JSON; times are in seconds."""
        rows = [{**attrs.asdict(row), "throughput": row.throughput} for row in self.rows]
        document = {"engine": self.engine, "target": self.target, "warmup_seconds": self.warmup, "rows": rows}
        return json.dumps(document, indent=1)

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Writes the latency and the throughput by batch size as a picture, PNG, SVG or PDF by the path's suffix.

        Raises ArgumentError for another suffix, and LibraryError without matplotlib.
        """
        found = picture_path(path)
        figure = new_figure(8.5, 3.6)
        latency, throughput = figure.subplots(1, 2)
        batches = [str(row.batch) for row in self.rows]
        self._draw_latency(latency, batches)
        bars = throughput.bar(batches, [row.throughput for row in self.rows], color=BLUES[0], width=0.6)
        labels = [f"{row.throughput:,.0f}" if row.throughput >= 100 else f"{row.throughput:.3g}" for row in self.rows]
        throughput.bar_label(bars, labels, padding=2, fontsize=9, color=MUTED)
        throughput.set_title("examples per second", loc="left", fontsize=10)
        for axes in (latency, throughput):
            plain_axes(axes, grid="y")
            axes.margins(y=0.12)
            axes.set_xlabel("batch", fontsize=9, color=MUTED)
        throughput.yaxis.set_major_formatter(THOUSANDS)
        figure.suptitle(self.engine, x=0.01, ha="left", fontsize=9, color=MUTED)
        return save_figure(figure, found)

    def _draw_latency(self, axes: Any, batches: list[str]) -> None:
        """A line from the median to the 99th percentile of each batch size, with a dot for each percentile."""
        p50, p90, p99 = ([1e3 * getattr(row, name) for row in self.rows] for name in ("p50", "p90", "p99"))
        axes.vlines(batches, p50, p99, color=BLUES[2], linewidth=5)
        for name, values, color in (("p99", p99, BLUES[2]), ("p90", p90, BLUES[1]), ("p50", p50, BLUES[0])):
            axes.scatter(batches, values, color=color, s=50, label=name, zorder=3)
        for batch, value in zip(batches, p50, strict=True):
            axes.annotate(f"{value:.3g}", (batch, value), (9, -3), textcoords="offset points", fontsize=9, color=MUTED)
        axes.margins(x=0.2)
        if max(p99) > LOG_FROM * min(p50):
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(THOUSANDS)
        else:
            axes.set_ylim(bottom=0)
        axes.set_title("latency, ms", loc="left", fontsize=10)
        axes.legend(frameon=False, fontsize=9, loc="upper left", reverse=True)


def benchmark(
    engine: Engine,
    arrays: Sequence[Any] = (),
    *,
    batches: Sequence[int] | None = None,
    dims: Mapping[str, int] | None = None,
    seconds: float = 1.0,
    warmup: float = 0.2,
) -> Benchmark:
    """Times calls of an engine; see `Engine.benchmark`."""
    for name, value in (("seconds", seconds), ("warmup", warmup)):
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not value >= 0:
            raise ArgumentError(name, expected="a number of seconds", got=repr(value))
    if arrays and (batches is not None or dims):
        raise ArgumentError("benchmark", problem="takes arrays, or batches and dims to make some, and not both")
    rows = [
        _timed(engine, feeds, seconds, warmup)
        for feeds in ([list(arrays)] if arrays else _inputs_by_batch(engine, batches, dims or {}))
    ]
    return Benchmark(repr(engine), engine.target, float(warmup), tuple(rows))


def random_inputs(inputs: Mapping[str, TensorType], sizes: Mapping[str, int]) -> list[np.ndarray]:
    """Arrays for inputs with these sizes of named dims: standard normal floats, and ones, which index any table.

    Raises DimError for a dim without a size.
    """
    rng = np.random.default_rng(0)
    made = []
    for type in inputs.values():
        for name in sorted({name for size in type.shape for name in names(size)} - sizes.keys()):
            raise DimError(name, problem="has no size to measure at", remedy=f'give dims={{"{name}": ...}}, or arrays')
        shape = tuple(evaluate(size, sizes) for size in type.shape)
        values = rng.standard_normal(shape, np.float32) if type.dtype.is_float else np.ones(shape)
        made.append(values.astype(type.dtype.numpy))
    return made


def made_inputs(engine: Engine, dims: Mapping[str, int] | None = None) -> list[np.ndarray]:
    """Random inputs of the given sizes, else of the best ones of the first profile. Raises DimError for a dim without a
    size."""
    return random_inputs(engine.inputs, _usual_sizes(engine, dims or {}))


def _inputs_by_batch(engine: Engine, batches: Sequence[int] | None, dims: Mapping[str, int]) -> list[list[np.ndarray]]:
    """Inputs for each batch size, or for the only sizes there are where no dim is called batch."""
    sizes = _usual_sizes(engine, dims)
    if batches is None and ("batch" in dims or "batch" not in sizes):
        return [random_inputs(engine.inputs, sizes)]
    if "batch" not in sizes:
        raise DimError("batch", expected=f"one of the named dims: {', '.join(_dims(engine)) or 'none'}", got="'batch'")
    if batches is None:
        held = [one["batch"] for one in engine.profiles if "batch" in one]
        batches = [size for size in BATCHES if not held or any(low <= size <= high for low, _, high in held)]
        batches = batches or [sizes["batch"]]
    if not isinstance(batches, Sequence) or not batches or not all(is_int(size) and size >= 1 for size in batches):
        raise ArgumentError("batches", expected="sizes of at least 1", got=repr(batches))
    return [random_inputs(engine.inputs, {**sizes, "batch": size}) for size in batches]


def _usual_sizes(engine: Engine, dims: Mapping[str, int]) -> dict[str, int]:
    ranges: Ranges = engine.profiles[0] if engine.profiles else {}
    return usual_sizes(_dims(engine), ranges, dims)


def _dims(engine: Engine) -> list[str]:
    return list(dict.fromkeys(name for type in engine.inputs.values() for size in type.shape for name in names(size)))


def _timed(engine: Engine, arrays: list[Any], seconds: float, warmup: float) -> Timing:
    checked = list(engine._arguments.check(arrays, {}).values())
    in_host_memory = all(isinstance(array, np.ndarray) for array in checked)
    call = _call(engine, arrays) if in_host_memory else _finished_call(engine, arrays)
    time_calls(call, warmup)
    sizes = _sizes_of(engine, checked)
    return Timing.of(sizes, batch_of(sizes, checked), time_calls(call, seconds))


def batch_of(sizes: Mapping[str, int], arrays: Sequence[Any]) -> int:
    """The number of examples in a call with these arrays, as `Timing` has it."""
    first = arrays[0].shape if arrays else ()
    return sizes.get("batch", int(first[0]) if first else 1)


def time_calls(call: Callable[[], object], seconds: float) -> list[float]:
    """How long each call took, for as many as begin within that many seconds."""
    taken: list[float] = []
    started = before = time.perf_counter()
    while len(taken) < LEAST_CALLS or before - started < seconds:
        call()
        after = time.perf_counter()
        taken.append(after - before)
        before = after
    return taken


def _call(engine: Engine, arrays: list[Any]) -> Callable[[], object]:
    return lambda: engine(*arrays)


def _finished_call(engine: Engine, arrays: list[Any]) -> Callable[[], object]:
    """A call with arrays on a GPU that waits for their results."""
    from trtnn.gpu import library  # for arrays on a GPU only

    device = library.device(engine._arguments.gpu or 0)

    def call() -> None:
        engine(*arrays)
        device.sync()

    return call


def _sizes_of(engine: Engine, arrays: Sequence[Any]) -> dict[str, int]:
    """The sizes of the named dims in arrays that fit."""
    pairs = zip(engine.inputs.values(), arrays, strict=True)
    return {
        str(size): int(got)
        for type, array in pairs
        for size, got in zip(type.shape, array.shape, strict=True)
        if not isinstance(size, int)
    }
