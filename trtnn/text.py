"""Numbers, tables and suggestions for people."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import TextIO

_NUMBER = re.compile(r"([\d.,]+(e[+-]\d+)?( ?[a-zA-Zµ%/]{1,9})?)?|\?")
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def with_prefix(value: float, unit: str = "") -> str:
    """A number with three or more digits and a decimal prefix: "7.76 G", "102.23 MB"."""
    for factor, prefix in _PREFIXES:
        if value >= factor:
            return f"{value / factor:,.2f} {prefix}{unit}"
    return f"{value:,.0f} {unit}".rstrip()


def table_text(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table with a rule below its header, columns of numbers flush right."""
    columns = list(zip(header, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    flush_right = [
        len(column) > 1 and any(column[1:]) and all(map(_NUMBER.fullmatch, column[1:])) for column in columns
    ]

    heading, *lines = aligned([header, *rows], flush_right)
    return [heading, "-" * (sum(widths) + 2 * (len(widths) - 1)), *lines]


def aligned(rows: Sequence[Sequence[str]], flush_right: Sequence[bool] | None = None) -> list[str]:
    """Rows of cells as lines with aligned columns; ``flush_right`` says which columns are, by default none."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = [False] * len(widths) if flush_right is None else flush_right

    def line(cells: Sequence[str]) -> str:
        places = zip(cells, widths, sides, strict=True)
        return "  ".join(cell.rjust(width) if right else cell.ljust(width) for cell, width, right in places).rstrip()

    return [line(cells) for cells in rows]


def did_you_mean(name: str, known: Iterable[str], most: int = 2, cutoff: float = 0.6) -> str | None:
    """What a remedy says on an unknown name: the ``most`` known ones that are nearest to it; None when none is near."""
    near = difflib.get_close_matches(name, list(known), most, cutoff)
    return f"did you mean {' or '.join(near)}?" if near else None


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody watches the stream; a process that was started with it closed has None in its place."""
    return stream is not None and stream.isatty()
