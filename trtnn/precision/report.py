"""What a precision costs, module by module: as text, as data and as a picture."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from trtnn.measure.pictures import BLUES, INK, MUTED, RED, new_figure, picture_path, plain_axes, save_figure
from trtnn.text import aligned

FORWARD = "(forward)"
"""What the operations of the network's own ``forward`` go by."""
COLUMNS = ("max abs", "relative", "SNR dB", "overflows")


@attrs.frozen
class ErrorRow:
    """How far the values of a module, or one output, are from the reference.

    ``max_abs`` is the largest difference and ``relative`` that over the largest reference value; ``snr`` the power of
    the reference over that of the difference, in dB; ``overflows`` counts values that are infinite or NaN where the
    reference's are not. ``value`` names the tensor in the graph: of a module's, the one that is worst.
    """

    path: str
    value: str
    max_abs: float
    relative: float
    snr: float
    overflows: int

    @classmethod
    def of(cls, path: str, value: str, got: np.ndarray, want: np.ndarray) -> ErrorRow:
        """The row for two arrays of one shape; values that both have infinite or NaN do not count."""
        got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
        counted = np.isfinite(want)
        overflows = int(np.count_nonzero(counted & ~np.isfinite(got)))
        reference, difference = want[counted], got[counted] - want[counted]
        if overflows:
            return cls(path, value, math.inf, math.inf, -math.inf, overflows)
        largest, scale = (float(np.abs(one).max(initial=0)) for one in (difference, reference))
        noise, power = float(np.square(difference).sum()), float(np.square(reference).sum())
        return cls(
            path,
            value,
            max_abs=largest,
            relative=0.0 if largest == 0 else largest / scale if scale else math.inf,
            snr=math.inf if noise == 0 else -math.inf if power == 0 else 10 * math.log10(power / noise),
            overflows=0,
        )

    def cells(self) -> list[str]:
        """The numbers as text, in the order of the table's columns."""
        return [f"{self.max_abs:.3g}", f"{self.relative:.2g}", f"{self.snr:.1f}", str(self.overflows)]


@attrs.frozen
class PrecisionReport:
    """The errors of ``modules``, in the order in which they run, and of ``outputs``.

    ``precision`` is what was compared, ``reference`` what the outputs were compared with. ``str`` gives a table and
    `plot` a picture.
    """

    precision: str
    reference: str
    modules: tuple[ErrorRow, ...]
    outputs: tuple[ErrorRow, ...]
    tolerance: float

    @property
    def first_wrong(self) -> ErrorRow | None:
        """The first module with a relative error beyond the tolerance, or an overflow; None when all are fine."""
        return next((row for row in self.modules if not row.relative <= self.tolerance), None)

    @property
    def is_within_tolerance(self) -> bool:
        """True when every output's relative error is within the tolerance."""
        return all(row.relative <= self.tolerance for row in self.outputs)

    def as_dicts(self) -> list[dict[str, Any]]:
        """The rows as plain data: modules, then outputs, told apart by ``kind``."""
        return [
            {"kind": kind, **attrs.asdict(row)}
            for kind, rows in (("module", self.modules), ("output", self.outputs))
            for row in rows
        ]

    def __str__(self) -> str:
        rows = [["module", *COLUMNS]] + [[row.path, *row.cells()] for row in self.modules]
        rows += [[f"output against {self.reference}", *COLUMNS]] + [[row.path, *row.cells()] for row in self.outputs]
        lines = aligned(rows, [False] + [True] * len(COLUMNS))
        wrong = self.first_wrong
        found = f"all modules are within {100 * self.tolerance:.3g}%"
        if wrong is not None:
            kind = f"{wrong.overflows} overflows" if wrong.overflows else f"relative error {wrong.relative:.2g}"
            found = f"the first module that goes wrong is {wrong.path}: {kind} in %{wrong.value}"
        return "\n".join([f"{self.precision} against float32, on the same inputs", *lines, found])

    def plot(self, path: str | Path) -> Path:
        """Writes the relative error of every module as a picture, PNG, SVG or PDF by the path's suffix: red for
        those beyond the tolerance.

        Raises ArgumentError for another suffix, and LibraryError without matplotlib.
        """
        found = picture_path(path)
        figure = new_figure(9, 1.5 + 0.24 * len(self.modules))
        axes = figure.add_subplot()
        places = range(len(self.modules))
        bars = axes.barh(places, self._lengths(), color=[self._color(row) for row in self.modules], height=0.7)
        axes.bar_label(bars, [row.cells()[1] for row in self.modules], padding=4, fontsize=8, color=MUTED)
        axes.set_yticks(places, [row.path for row in self.modules])
        axes.axvline(self.tolerance, color=INK, linewidth=0.8, linestyle="--")
        axes.set_xscale("log")
        plain_axes(axes, grid="x")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")  # or labels of two digits run into each other
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.set_xlabel(
            f"largest error / largest value; the line is {100 * self.tolerance:.3g}%", color=MUTED, fontsize=9
        )
        kind, _, how = self.precision.partition(" (")
        axes.set_title(f"{kind} against float32, by module", loc="left", fontsize=10.5, color=INK)
        if how:
            figure.suptitle(how.rstrip(")"), x=0.01, ha="left", fontsize=8, color=MUTED)
        return save_figure(figure, found)

    def _lengths(self) -> np.ndarray:
        """How long the bars are: what is not finite is ten times as long as the longest of the others."""
        finite = [row.relative for row in self.modules if math.isfinite(row.relative)]
        beyond = 10 * (max(finite, default=1.0) or 1.0)
        lengths = [row.relative if math.isfinite(row.relative) else beyond for row in self.modules]
        return np.maximum(lengths, 1e-9)

    def _color(self, row: ErrorRow) -> str:
        return BLUES[0] if row.relative <= self.tolerance else RED
