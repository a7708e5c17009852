"""Which variable of a file belongs to which parameter. By name only, never by shape."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs
import numpy as np

from trtnn.errors import WeightsError
from trtnn.weights.file import Hit, Variable, WeightsFile
from trtnn.weights.names import NameMap, wanted_names
from trtnn.weights.slot import Slot


@attrs.frozen(eq=False)
class Resolution:
    """One slot's variable, or None. ``copies`` are other variables of these names that are the same byte for byte."""

    slot: Slot
    names: tuple[str, ...]
    variable: Variable | None
    copies: tuple[Variable, ...] = ()


@attrs.frozen(eq=False)
class _Candidate:
    hit: Hit
    rank: int  # the place of the name it was found by among the slot's names

    @property
    def claim(self) -> tuple[int, str]:
        return id(self.hit.variable), self.hit.evidence


def resolve(slots: Sequence[Slot], file: WeightsFile, name_map: NameMap | None = None) -> list[Resolution]:
    """Finds each slot's variable; raises WeightsError when two different variables fit one slot equally well."""
    wanted = wanted_names(slots, name_map, file)
    candidates = [_candidates(names, file) for names in wanted]
    best: dict[tuple[int, str], int] = {}
    for candidate in (candidate for found in candidates for candidate in found):
        best[candidate.claim] = min(candidate.rank, best.get(candidate.claim, candidate.rank))
    resolutions = []
    for slot, names, found in zip(slots, wanted, candidates, strict=True):
        # A variable whose name fits another slot better is left to that one.
        kept = list(dict.fromkeys(c.hit.variable for c in found if c.rank == best[c.claim]))
        if not all(_alike(kept[0], other) for other in kept[1:]):
            raise _ambiguous(slot, file, kept)
        resolutions.append(Resolution(slot, names, kept[0] if kept else None, tuple(kept[1:])))
    return resolutions


def _candidates(names: Iterable[str], file: WeightsFile) -> list[_Candidate]:
    return [_Candidate(hit, place) for place, name in enumerate(names) for hit in file.find(name)]


def _alike(one: Variable, other: Variable) -> bool:
    if (one.shape, one.dtype) != (other.shape, other.dtype):
        return False
    return np.asarray(one.read()).tobytes() == np.asarray(other.read()).tobytes()


def _ambiguous(slot: Slot, file: WeightsFile, variables: Iterable[Variable]) -> WeightsError:
    names = [variable.name for variable in variables]
    return WeightsError(
        slot.path,
        problem=f"{len(names)} different variables in {file.title} may be meant: {', '.join(names)}",
        remedy=f"say which, as in name_map={{{slot.path!r}: {names[0]!r}}}",
    )
