"""Collecting the ranges of activations: the float32 network is run on every example, with the activations as
outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from trtnn.errors import CalibrationError, TrtnnError
from trtnn.graph import Graph, Value
from trtnn.precision.histogram import Histogram
from trtnn.precision.progress import with_progress
from trtnn.precision.running import call, float32_engine

if TYPE_CHECKING:
    from trtnn.precision.calibration import Calibration, Range


def collect(
    calibration: Calibration, graph: Graph, values: Sequence[Value], progress: bool
) -> tuple[int, dict[str, Range]]:
    """The number of samples and the ranges of the values by name. Raises CalibrationError."""
    engine = float32_engine(attrs.evolve(graph, outputs=tuple((one.name, one) for one in values), returns="dict"))
    histograms = {value.name: Histogram() for value in values}
    samples = 0
    for number, item in enumerate(with_progress(calibration.items(), "calibrating", progress)):
        try:
            results = call(engine, item)
        except TrtnnError as error:
            raise CalibrationError(f"calibration item {number}", problem=str(error)) from error
        samples += _samples(graph, item)
        _note(histograms, results, calibration.method, f"calibration item {number}")
    if samples < calibration.least:
        raise CalibrationError(
            "calibration",
            expected=f"at least {calibration.least} samples",
            got=f"{samples}",
            remedy="give more of them, or say how few are enough: Calibration(data, least=...)"
            if samples
            else "the data is empty; a generator can be read only once",
        )
    return samples, {name: _range(calibration, one) for name, one in histograms.items()}


def _note(histograms: Mapping[str, Histogram], results: Mapping[str, np.ndarray], method: str, where: str) -> None:
    for name, histogram in histograms.items():
        try:
            (histogram.extend if method == "minmax" else histogram.add)(results[name])
        except ValueError as error:
            raise CalibrationError(where, problem=f"makes {name} {error}", remedy="look at this input") from error


def _samples(graph: Graph, item: Any) -> int:
    """How many samples an item holds: the size of the first input's first axis where that is a named dim, else one."""
    shape = graph.inputs[0].type.shape
    if not shape or isinstance(shape[0], int):
        return 1
    if isinstance(item, Mapping):
        item = list(item.values())
    return len(item[0] if isinstance(item, (tuple, list)) else item)


def _range(calibration: Calibration, histogram: Histogram) -> Range:
    """What counts of the values seen: from the lowest to the highest, no further from 0 than the method's threshold."""
    thresholds = {
        "minmax": lambda: np.inf,
        "percentile": lambda: histogram.percentile(calibration.percentile),
        "entropy": histogram.entropy,
    }
    threshold = thresholds[calibration.method]() if histogram.limit else np.inf
    return max(histogram.low, -threshold), min(histogram.high, threshold)
