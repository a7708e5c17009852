"""Where an engine's time goes: by layer, by module, as a table, as a picture and as a trace."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import attrs

from trtnn.engine import Engine
from trtnn.errors import ArgumentError
from trtnn.graph.dims import is_int
from trtnn.measure.benchmark import LEAST_CALLS, made_inputs
from trtnn.measure.layer import FUSED, ROOT, Layer, LayerTime
from trtnn.measure.traces import slices_of
from trtnn.text import table_text


@attrs.frozen
class Profile:
    """The time of every layer of an engine, in the order in which they run; ``print`` it for the table by module.

    ``runs`` is how many calls the medians are of. Measuring takes time too: compare layers with each other, and engines
    by `Engine.benchmark`.
    """

    engine: str
    runs: int
    layers: tuple[LayerTime, ...]

    @property
    def seconds(self) -> float:
        """The sum of all layers."""
        return sum(one.seconds for one in self.layers)

    def by_module(self) -> dict[str, float]:
        """Seconds by module path, in order of first appearance; they add up to all."""
        found: dict[str, float] = {}
        for one in self.layers:
            found[one.layer.module] = found.get(one.layer.module, 0.0) + one.seconds
        return found

    def __str__(self) -> str:
        counts: dict[str, int] = {}
        for one in self.layers:
            counts[one.layer.module] = counts.get(one.layer.module, 0) + 1
        rows = [[name, str(counts[name]), *self._cells(seconds)] for name, seconds in self.by_module().items()]
        return self._table(["module", "layers", "ms", "%"], rows)

    def layer_table(self) -> str:
        """The table by layer, with the modules that each consists of."""
        rows = [
            [
                one.layer.name,
                one.layer.kind,
                " + ".join(path or ROOT for path in one.layer.modules) or FUSED,
                *self._cells(one.seconds),
            ]
            for one in self.layers
        ]
        return self._table(["layer", "kind", "modules", "ms", "%"], rows)

    def to_json(self) -> str:
        """All of it as JSON; times are in seconds."""
        layers = [{**attrs.asdict(one.layer), "seconds": one.seconds} for one in self.layers]
        document = {"engine": self.engine, "runs": self.runs, "seconds": self.seconds, "layers": layers}
        return json.dumps({**document, "modules": self.by_module()}, indent=1)

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Writes the times of the module tree as a picture, PNG, SVG or PDF by the path's suffix: a bar for each
        module, dark for those that are not divided further.

        Raises ArgumentError for another suffix, and LibraryError without matplotlib.
        """
        from trtnn.measure.charts import profile_chart

        return profile_chart(self, path)

    def chrome_trace(self, path: str | os.PathLike[str]) -> Path:
        """Writes a trace that Perfetto (ui.perfetto.dev) and chrome://tracing open: the layers one after the other,
        each as long as its median, inside the modules that they belong to."""
        written = Path(path)
        process = {"name": "process_name", "ph": "M", "pid": 1, "args": {"name": self.engine}}
        written.write_text(json.dumps({"traceEvents": [process, *slices_of(self.layers)], "displayTimeUnit": "ns"}))
        return written

    def _cells(self, seconds: float) -> list[str]:
        return [f"{1e3 * seconds:.4f}", self._share(seconds)]

    def _share(self, seconds: float) -> str:
        return f"{100 * seconds / self.seconds if self.seconds else 0:.1f}"

    def _table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        heading, rule, *lines = table_text(header, rows)
        closing = f"{1e3 * self.seconds:.4f} ms in {len(self.layers)} layers, median of {self.runs} calls"
        return "\n".join([self.engine, heading, rule, *lines, rule, closing])


def profile(engine: Engine, arrays: Sequence[Any], runs: int = 20) -> Profile:
    """Times every layer of an engine; see `Engine.profile`."""
    if not is_int(runs) or runs < 1:
        raise ArgumentError("runs", expected="an int >= 1", got=repr(runs))
    feeds = engine._arguments.check(arrays or made_inputs(engine), {})
    measured = engine._time_layers(feeds, runs + LEAST_CALLS)[LEAST_CALLS:]
    return Profile(repr(engine), runs, medians(measured))


def medians(measured: Sequence[Mapping[Layer, float]]) -> tuple[LayerTime, ...]:
    """The median time of each layer over several calls; a layer that did not run in one counts as 0 there."""
    layers: Iterable[Layer] = dict.fromkeys(layer for run in measured for layer in run)
    return tuple(LayerTime(layer, median(run.get(layer, 0.0) for run in measured)) for layer in layers)
