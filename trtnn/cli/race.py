"""Contestants take turns in one process, so that a machine that slows down for a while slows down all of them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import numpy as np

from trtnn.cli.contestants import Arrays, Contestant
from trtnn.measure.benchmark import Timing, batch_of, time_calls
from trtnn.measure.pictures import BLUES, MUTED, THOUSANDS, new_figure, picture_path, plain_axes, save_figure

ROUNDS = 5
SETTLE_S = 0.06
"""ONNX Runtime's and TensorFlow's threads spin for some 50 ms after their work, and slow down whoever comes next."""


@attrs.frozen
class Row:
    """One contestant at one batch size.

    ``ratio`` is its median time over the first contestant's, so 2 means twice as slow, and ``difference`` the largest
    difference of an output from the first contestant's, over the largest value of that.
    """

    name: str
    timing: Timing
    ratio: float
    difference: float


def race(contestants: Sequence[Contestant], arrays: Arrays, sizes: Mapping[str, int], seconds: float) -> list[Row]:
    """Times every contestant that is not absent for about ``seconds``, in `ROUNDS` turns. Before each turn it runs
    untimed for `SETTLE_S`, which is the warm-up too."""
    calls = {one.name: functools.partial(one.call, arrays) for one in contestants if one.call is not None}
    names = list(calls)
    outputs = {name: calls[name]() for name in names}
    taken: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(ROUNDS):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            time_calls(calls[name], SETTLE_S)
            taken[name] += time_calls(calls[name], seconds / ROUNDS)
    leader, batch = names[0], batch_of(sizes, list(arrays.values()))
    timings = {name: Timing.of(sizes, batch, times) for name, times in taken.items()}
    return [
        Row(name, timing, timing.p50 / timings[leader].p50, _difference(outputs[name], outputs[leader]))
        for name, timing in timings.items()
    ]


def _difference(got: Sequence[np.ndarray], want: Sequence[np.ndarray]) -> float:
    """The largest relative difference over all outputs; infinite for outputs of another form."""
    if [one.shape for one in got] != [one.shape for one in want]:
        return float("inf")
    worst = 0.0
    for one, other in zip(got, want, strict=True):
        one, other = one.astype(np.float64), other.astype(np.float64)
        largest = float(np.abs(other).max(initial=0.0)) or 1.0
        worst = max(worst, float(np.abs(one - other).max(initial=0.0)) / largest)
    return worst


def plot_race(rows: Sequence[Row], title: str, path: str) -> Path:
    """Writes the throughput as a picture: a bar for each row, those of one batch size together, the first contestant's
    dark.

    Raises ArgumentError for a path that is not of a picture, and LibraryError without matplotlib.
    """
    found = picture_path(path)
    batches = list(dict.fromkeys(row.timing.batch for row in rows))
    places = [number + 0.7 * batches.index(row.timing.batch) for number, row in enumerate(rows)]
    figure = new_figure(9, 1.2 + 0.32 * (len(rows) + 0.7 * len(batches)))
    axes = figure.add_subplot()
    colors = [BLUES[0] if row.name == rows[0].name else BLUES[1] for row in rows]
    bars = axes.barh(places, [row.timing.throughput for row in rows], color=colors, height=0.8)
    labels = [f"{row.timing.throughput:,.0f} ({1e3 * row.timing.p50:.3g} ms)" for row in rows]
    axes.bar_label(bars, labels, padding=4, fontsize=8, color=MUTED)
    axes.set_yticks(places, [f"{row.name}   batch {row.timing.batch}" for row in rows])
    axes.invert_yaxis()
    axes.margins(x=0.2)
    axes.set_title("items per second (median time of a call)", loc="left", fontsize=10)
    axes.xaxis.set_major_formatter(THOUSANDS)
    plain_axes(axes, grid="x")
    figure.suptitle(title, x=0.01, ha="left", fontsize=8.5, color=MUTED)
    return save_figure(figure, found)
