"""Pictures of measurements: the one place where they import matplotlib, and what they have in common."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from trtnn.errors import ArgumentError, LibraryError

SUFFIXES = (".png", ".svg", ".pdf")
INK, MUTED, GRID = "#1f2933", "#7b8794", "#e4e7eb"
BLUES = ("#1f5fa8", "#7fb0df", "#bcd7f0", "#dcebf8")
"""From the darkest, for what is looked at, to the lightest."""
RED = "#c0392b"
"""For what is wrong."""
THOUSANDS = "{x:,g}"
"""How an axis writes large numbers."""


def figure_class() -> Any:
    """Matplotlib's Figure. Raises LibraryError without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise LibraryError(problem='matplotlib is not installed: pip install "trtnn[plot]"') from error
    return Figure


def new_figure(width: float, height: float) -> Any:
    """An empty figure of that many inches. Raises LibraryError without matplotlib."""
    return figure_class()(figsize=(width, height), layout="constrained")


def plain_axes(axes: Any, *, grid: str) -> None:
    """Takes away what carries no data: the frame and the ticks; a light grid stays along the axis of numbers."""
    for side in ("top", "right", "left" if grid == "x" else "bottom"):
        axes.spines[side].set_visible(False)
    for side in axes.spines.values():
        side.set_color(GRID)
    axes.tick_params(which="both", length=0, colors=INK, labelsize=9)
    axes.grid(axis=grid, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def picture_path(path: str | os.PathLike[str]) -> Path:
    """The path. Raises ArgumentError for one that is not of a picture."""
    found = Path(path)
    if found.suffix.lower() not in SUFFIXES:
        raise ArgumentError("path", expected=f"a path that ends in {' or '.join(SUFFIXES)}", got=repr(str(path)))
    return found


def save_figure(figure: Any, path: Path) -> Path:
    """Writes the picture and returns its path."""
    figure.savefig(path, dpi=150, facecolor="white")
    return path
