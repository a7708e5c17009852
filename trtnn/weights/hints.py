"""What to pass as ``name_map`` when none of a model's names is in a file but all are under another one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from trtnn.weights.file import plain_name
from trtnn.weights.report import Missing

_AVERAGE = "/ExponentialMovingAverage"


def name_map_hint(missing: Sequence[Missing], names: Iterable[str]) -> str:
    """A ``name_map`` that finds every missing parameter among ``names``, in words; empty when there is none."""
    there = {plain_name(name).replace("/_", "/") for name in names}
    if not missing:
        return ""
    if all(any(name + _AVERAGE in there for name in parameter.names) for parameter in missing):
        return f'the file has their moving averages only: pass name_map=[("$", "{_AVERAGE}")]'
    added = _shared(_prefixes(parameter.names, there) for parameter in missing)
    if added:
        listed = " and ".join(f'"{prefix}"' for prefix in added)
        return f'the file has them under {listed}: pass name_map=[("^", "{added[0]}")]'
    dropped = _shared(_superfluous(parameter.names, there) for parameter in missing)
    if dropped:
        return f'the file has them without "{dropped[0]}": pass name_map=[("^{re.escape(dropped[0])}", "")]'
    return ""


def _shared(found: Iterable[set[str]]) -> list[str]:
    return sorted(set.intersection(*found), key=lambda prefix: (len(prefix), prefix))


def _prefixes(wanted: Iterable[str], there: set[str]) -> set[str]:
    return {name.removesuffix(end) for end in wanted for name in there if name.endswith("/" + end)}


def _superfluous(wanted: Iterable[str], there: set[str]) -> set[str]:
    parts = [name.split("/") for name in wanted]
    starts = [("/".join(p[:cut]) + "/", "/".join(p[cut:])) for p in parts for cut in range(1, len(p))]
    return {start for start, rest in starts if rest in there}
