"""Loading: slots and a source of weights in, arrays and a report out."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trtnn.errors import WeightsError
from trtnn.weights import hints, layouts
from trtnn.weights.dtypes import FLOATS
from trtnn.weights.file import Variable, WeightsFile
from trtnn.weights.match import Resolution, resolve
from trtnn.weights.names import NameMap
from trtnn.weights.partition import joined_to
from trtnn.weights.report import LoadReport, Match, Misfit, Missing, Unused
from trtnn.weights.slot import Slot
from trtnn.weights.sources import open_weights

_LINES = 20
"""So many parameters are listed in an error, and get near names: a model that does not fit at all has hundreds."""
_NEAR = 3


def load(
    slots: Sequence[Slot],
    source: str | os.PathLike[str] | Mapping[str, Any],
    name_map: NameMap | None = None,
    strict: bool = True,
) -> tuple[dict[str, NDArray[Any]], LoadReport]:
    """Reads from ``source`` (see ``open_weights``) what the slots want: ``slot.path`` -> array, and the report.

    A variable is found by its name with or without ``:0``, by its own name in an object graph, or by the path of
    attributes there. ``name_map`` goes from the model's names to the file's: a dict whose keys are parameter paths
    (``encoder.conv1.kernel``) or TensorFlow names (``encoder/conv1/kernel``), a list of (regular expression,
    replacement) pairs that are applied in order to every name a parameter may have, or a function of such a name
    (None keeps it). For instance ``[("^", "resnet/")]``, or ``[("$", "/ExponentialMovingAverage")]`` to load the
    moving averages.

    Arrays are read-only, C-contiguous and native; those of a checkpoint are views of the mapped file where nothing
    has to be converted, so they may be misaligned (``array.flags.aligned``). Do not overwrite the file in place while
    they are in use (TensorFlow does not: it renames). Floats of another width are converted to the slot's type and
    the report says so.

    ``strict=True`` raises WeightsError when any slot stays empty; ``strict=False`` fills what can be filled.
    Variables that the model does not want are never an error, as a file often has more than one model: they are in
    ``report.unexpected``. A damaged file (FileFormatError), an ambiguous name and a senseless ``name_map`` always
    raise, before anything is returned.
    """
    with open_weights(source) as file:
        resolutions = resolve(slots, file.fitted(slots), name_map)
        arrays: dict[str, NDArray[Any]] = {}
        outcomes = [_fill(resolution, arrays) for resolution in resolutions if resolution.variable is not None]
        report = _report(file, resolutions, outcomes)
    if strict and not report.complete:
        raise _error(report)
    return arrays, report


def _fill(resolution: Resolution, arrays: dict[str, NDArray[Any]]) -> Match | Misfit:
    slot, found = resolution.slot, resolution.variable
    assert found is not None
    variable = joined_to(found, slot.shape)
    if variable.shape != slot.shape:
        remedy = layouts.remedy(slot.shape, variable.shape, slot.layout)
        return Misfit(slot.path, variable.name, slot.shape, variable.shape, remedy)
    if variable.dtype != slot.dtype and not {variable.dtype, slot.dtype} <= FLOATS:
        return Misfit(slot.path, variable.name, slot.dtype, variable.dtype, "save it in that type, or map another name")
    try:
        arrays[slot.path] = _converted(variable, slot.dtype)
    except FloatingPointError:
        got = f"{variable.dtype} values beyond its range"
        return Misfit(slot.path, variable.name, slot.dtype, got, "scale the weights, or map another name")
    converted = slot.dtype if variable.dtype != slot.dtype else ""
    return Match(slot.path, variable.name, variable.shape, variable.dtype, converted)


def _converted(variable: Variable, dtype: str) -> NDArray[Any]:
    with np.errstate(over="raise"):
        array = np.asarray(variable.read().astype(np.dtype(dtype), order="C", copy=False))
    if array.flags.writeable:
        array.flags.writeable = False
    return array


def _report(file: WeightsFile, resolutions: Sequence[Resolution], outcomes: Sequence[Match | Misfit]) -> LoadReport:
    used = {resolution.variable for resolution in resolutions}
    copies = {copy for resolution in resolutions for copy in resolution.copies} - used
    unused = [_unused(variable, variable in copies) for variable in file.variables if variable not in used]
    unexpected = tuple(variable for variable in unused if not variable.reason)
    matched = tuple(outcome for outcome in outcomes if isinstance(outcome, Match))
    misfits = [outcome for outcome in outcomes if isinstance(outcome, Misfit)]
    missing = tuple(_missing([r for r in resolutions if r.variable is None], [v.name for v in unexpected]))
    hint = "" if matched or misfits else hints.name_map_hint(missing, [variable.name for variable in unused])
    return LoadReport(
        title=file.title,
        matched=matched,
        missing=missing,
        unexpected=unexpected,
        wrong_shape=tuple(misfit for misfit in misfits if isinstance(misfit.expected, tuple)),
        wrong_dtype=tuple(misfit for misfit in misfits if isinstance(misfit.expected, str)),
        ignored=tuple(variable for variable in unused if variable.reason),
        hint=hint or file.hint,
    )


def _unused(variable: Variable, is_copy: bool) -> Unused:
    return Unused(variable.name, variable.shape, variable.dtype, "second copies" if is_copy else variable.ignored)


def _missing(resolutions: Sequence[Resolution], names: Sequence[str]) -> Iterable[Missing]:
    for number, resolution in enumerate(resolutions):
        path = resolution.slot.path
        wanted = tuple(name for name in resolution.names if name != path) or (path,)
        yield Missing(path, wanted, _nearest(wanted, names) if number < _LINES else ())


def _nearest(wanted: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    near = [name for one in wanted for name in difflib.get_close_matches(one, names, n=_NEAR)]
    return tuple(dict.fromkeys(near))[:_NEAR]


def _error(report: LoadReport) -> WeightsError:
    misfits = report.wrong_shape + report.wrong_dtype
    if len(misfits) == 1 and not report.missing:
        misfit = misfits[0]
        return WeightsError(misfit.path, expected=misfit.expected, got=misfit.got, remedy=misfit.remedy or None)
    lines = report.trouble()
    if len(lines) > _LINES + 1:
        lines = [*lines[:_LINES], f"and {len(lines) - _LINES} more lines: strict=False returns the whole report"]
    return WeightsError(None, problem="\n  ".join([report.headline, *lines]))
