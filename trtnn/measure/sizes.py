"""Numbers for named dims: those that were given, else the best size of the range."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from trtnn.calling import Ranges
from trtnn.compile import DEFAULT_RANGES
from trtnn.errors import DimError
from trtnn.graph import Dim
from trtnn.graph.dims import is_int


def usual_sizes(dims: Iterable[str], ranges: Ranges, given: Mapping[str, int]) -> dict[str, int]:
    """The given size of each dim, else the best one of its range; a dim without either is left out, but for the batch,
    which is 1. Raises DimError for a name that is none of the dims', and for a size that is none."""
    names = list(dims)
    for name, size in given.items():
        if name not in names:
            raise DimError(name, expected=f"one of the named dims: {', '.join(names) or 'none'}", got=repr(name))
        if not is_int(size) or size < 1:
            raise DimError(name, expected="a size of at least 1", got=repr(size))
    usual = {name: sizes[1] for name, sizes in {**DEFAULT_RANGES, **ranges}.items()}
    return {name: int({**usual, **given}[name]) for name in names if name in usual or name in given}


def ranges_of(dims: Mapping[str, Dim]) -> Ranges:
    """The ranges of those dims that have one."""
    return {name: dim.range for name, dim in dims.items() if dim.range is not None}
