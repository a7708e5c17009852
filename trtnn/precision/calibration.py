"""Calibration: the ranges of a network's activations, found by running it on examples.

ONNX Runtime's own calibrators are not used: they work on ONNX files on disk, and the entropy and percentile ones hold
every intermediate result of every example in memory until the end. Here each example is run, counted and forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from trtnn.errors import ArgumentError, CalibrationError
from trtnn.graph import Graph, Value
from trtnn.precision.fingerprint import fingerprint

Method: TypeAlias = Literal["entropy", "percentile", "minmax"]
Range: TypeAlias = tuple[float, float]

FORMAT = 1
BATCH = 4
"""How many samples of an array that holds them all are run at a time."""


class Calibration:
    """Examples of a network's input, and the ranges of activations found with them.

    ``data`` is any iterable of inputs, each as the engine takes them: an array, a tuple of arrays, or a dict of arrays
    by name, batched as the network's input is; an array of many samples is run in batches. Fifty to a few hundred
    samples like those of real use are enough. The ranges are collected when a network is first compiled with this, one
    item at a time, and kept: compiling the same network again, for any target, does not run the data again.

    ``method`` says where a range ends: at the largest value ("minmax"), at the ``percentile`` of magnitudes
    ("percentile"), or where 8 bits keep the most information ("entropy"). ``least`` is the smallest number of samples
    to be content with. ``progress`` shows a bar on a terminal.
    """

    def __init__(
        self,
        data: Iterable[Any],
        method: Method = "entropy",
        *,
        percentile: float = 99.99,
        least: int = 8,
        progress: bool = True,
    ) -> None:
        if method not in get_args(Method):
            raise ArgumentError("method", expected=" or ".join(map(repr, get_args(Method))), got=repr(method))
        if not 50 < percentile <= 100:
            raise ArgumentError("percentile", expected="more than 50 and at most 100", got=repr(percentile))
        if not isinstance(data, Iterable) or isinstance(data, (str, bytes, Mapping)):
            raise ArgumentError("data", expected="an iterable of inputs", got=type(data).__name__)
        self.method, self.percentile, self.least = method, percentile, least
        self.samples = 0
        self.ranges: dict[str, Range] = {}
        self._data, self._progress = data, progress
        self._fingerprint: str | None = None

    @property
    def is_collected(self) -> bool:
        """True once the ranges are known."""
        return self._fingerprint is not None

    def collect(self, graph: Graph, values: Sequence[Value]) -> Mapping[str, Range]:
        """(lowest, highest) of the named values of a lowered float32 graph, found once and then remembered.

        Raises CalibrationError for data that is empty, too little or not numbers, and for another graph than before.
        """
        found = fingerprint(graph)
        if self._fingerprint is None:
            from trtnn.precision.collect import collect

            self.samples, self.ranges = collect(self, graph, values, self._progress)
            self._fingerprint = found
        elif self._fingerprint != found:
            raise CalibrationError(
                "calibration",
                expected=f"the network that it was made for ({self._fingerprint[:8]})",
                got=f"{graph.name} with other layers, weights or shapes ({found[:8]})",
                remedy="make a new one: trtnn.Calibration(data)",
            )
        return self.ranges

    def items(self) -> Iterable[Any]:
        """The examples; an array that holds many of them in batches."""
        if isinstance(self._data, np.ndarray):
            return [self._data[first : first + BATCH] for first in range(0, len(self._data), BATCH)]
        return self._data

    def again(self) -> Calibration:
        """A calibration on the same data with the same options that has no ranges yet, for other weights."""
        return Calibration(
            self._data, self.method, percentile=self.percentile, least=self.least, progress=self._progress
        )

    def save(self, path: str | Path) -> None:
        """Writes the ranges as JSON. Raises CalibrationError before they are collected."""
        if not self.is_collected:
            raise CalibrationError(
                "calibration", problem="has no ranges yet", remedy="compile a network with int8=calibration first"
            )
        held = {
            "format": FORMAT,
            "method": self.method,
            "percentile": self.percentile,
            "samples": self.samples,
            "fingerprint": self._fingerprint,
            "ranges": self.ranges,
        }
        Path(path).write_text(json.dumps(held, indent=1) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Reads what `save` wrote. Raises CalibrationError for anything else."""
        try:
            held = json.loads(Path(path).read_text())
            loaded = cls((), held["method"], percentile=held["percentile"])
            loaded.samples, loaded._fingerprint = int(held["samples"]), str(held["fingerprint"])
            loaded.ranges = {name: (float(low), float(high)) for name, (low, high) in held["ranges"].items()}
            if held["format"] != FORMAT:
                raise ValueError(f"format {held['format']}")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CalibrationError(
                str(path), expected="a calibration that trtnn saved", got=f"{type(error).__name__}: {error}"
            ) from error
        return loaded

    def __repr__(self) -> str:
        state = f"{len(self.ranges)} ranges of {self.samples} samples" if self.is_collected else "not collected yet"
        return f"Calibration({self.method}, {state})"
