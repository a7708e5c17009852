"""Numbers and tables for people."""

from __future__ import annotations

import re
from collections.abc import Sequence

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

    def line(cells: Sequence[str]) -> str:
        aligned = zip(cells, widths, flush_right, strict=True)
        return "  ".join(cell.rjust(width) if right else cell.ljust(width) for cell, width, right in aligned).rstrip()

    return [line(header), "-" * (sum(widths) + 2 * (len(widths) - 1)), *map(line, rows)]
