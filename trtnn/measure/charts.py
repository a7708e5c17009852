"""The picture of a profile."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trtnn.measure.modules import Branch, longest, module_tree
from trtnn.measure.pictures import BLUES, INK, MUTED, new_figure, picture_path, plain_axes, save_figure

if TYPE_CHECKING:
    from trtnn.measure.profile import Profile

MOST_ROWS = 48
LEAST_SHARE = 0.002
"""Modules of less than this part of the time have no row of their own."""


def profile_chart(profile: Profile, path: str | os.PathLike[str]) -> Path:
    """Writes a bar for each module of the tree, indented as the tree is; see `Profile.plot`."""
    found = picture_path(path)
    tree = module_tree(profile.by_module().items())
    whole = [row for row in tree.rows() if row[1].seconds >= LEAST_SHARE * profile.seconds]
    rows = longest(tree, min(len(whole), MOST_ROWS + 1))[1:]
    shown = f"; the slowest {len(rows)} of {len(whole) - 1} modules" if len(rows) < len(whole) - 1 else ""
    figure = new_figure(9, 1.5 + 0.23 * len(rows))
    axes = figure.add_subplot()
    _draw_bars(axes, rows, profile.seconds)
    axes.set_title(
        f"{1e3 * profile.seconds:.3g} ms in {len(profile.layers)} layers, median of {profile.runs} calls{shown}",
        loc="left",
        fontsize=10.5,
        color=INK,
        pad=10,
    )
    figure.suptitle(profile.engine, x=0.01, ha="left", fontsize=8, color=MUTED)
    return save_figure(figure, found)


def _draw_bars(axes: Any, rows: Sequence[tuple[int, Branch]], whole: float) -> None:
    shown = {branch.path for _, branch in rows}
    divided = [any(child.path in shown for child in branch.children) for _, branch in rows]
    colors = [BLUES[2] if more else BLUES[0] for more in divided]
    bars = axes.barh(range(len(rows)), [1e3 * branch.seconds for _, branch in rows], color=colors, height=0.7)
    labels = [f"{1e3 * branch.seconds:.3g} ms   {branch.seconds / whole:.1%}" for _, branch in rows]
    axes.bar_label(bars, labels, padding=4, fontsize=8, color=MUTED, bbox={"facecolor": "white", "lw": 0, "pad": 1.5})
    plain_axes(axes, grid="x")
    axes.set_yticks(range(len(rows)), [])
    for place, ((depth, branch), more) in enumerate(zip(rows, divided, strict=True)):
        axes.annotate(
            "    " * (depth - 1) + branch.label,
            (0, place),
            xycoords=("axes fraction", "data"),
            xytext=(-_label_points(rows), 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            color=INK,
            fontweight="bold" if more else "normal",
        )
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.margins(x=0.18)
    axes.set_xlabel("ms", color=MUTED, fontsize=9)


def _label_points(rows: Sequence[tuple[int, Branch]]) -> float:
    """About how wide the longest label is, in points, so that all of them begin at one place."""
    return 8 + 5.0 * max((4 * (depth - 1) * 0.55 + len(branch.label) for depth, branch in rows), default=1)
