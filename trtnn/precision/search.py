"""Finding the modules that a low precision hurts."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from trtnn.engine import Choice, Engine
from trtnn.errors import ArgumentError
from trtnn.graph import Graph
from trtnn.graph.graph import bodies
from trtnn.passes import lower
from trtnn.passes.half import Wish, wish_of
from trtnn.passes.recurrent import lower_recurrent
from trtnn.precision.apply import apply_precision
from trtnn.precision.options import Precision, PrecisionWarning
from trtnn.precision.report import FORWARD
from trtnn.precision.running import call, float32_engine

if TYPE_CHECKING:
    from trtnn.module import Module

Metric = Callable[[Engine], float]
CHOICE = Choice("onnxruntime", "to measure a precision")


def find_precision(
    model: Module,
    data: Iterable[Any],
    *,
    tolerance: float = 0.01,
    metric: Metric | None = None,
    inputs: Any = None,
    say: Callable[[str], object] = print,
    **precision: Any,
) -> list[str]:
    """The smallest set of modules found that must stay float32 for a precision to be good enough; goes into
    ``keep_fp32=``.

    ``precision``: ``fp16=True`` (when nothing is given), ``bf16=True``, ``int8=...`` and so on. ``data``: inputs, each
    as the engine takes them. Good enough is a relative error of every output within ``tolerance``; or, with ``metric``,
    a function of an engine such as its accuracy, a result at most ``tolerance`` below the float32 network's. Every
    trial is told to ``say``. The search ranks the modules by what each costs alone, keeps as few of the worst as
    suffice, and then drops every one that is not needed: no module of the result can be left out. Raises ArgumentError
    when data is empty or keeping everything does not suffice.
    """
    search = _Search(model, list(data), inputs, Precision.of(**(precision or {"fp16": True})), metric, say)
    return search.run(tolerance)


class _Search:
    def __init__(
        self,
        model: Module,
        data: Sequence[Any],
        inputs: Any,
        precision: Precision,
        metric: Metric | None,
        say: Callable[[str], object],
    ) -> None:
        if not data:
            raise ArgumentError("data", expected="at least one input", got="none")
        model.require_weights()
        self._traced = model.trace(inputs)
        self._lowered = lower(self._traced)
        self._data, self._precision, self._metric, self._say = data, precision, metric, say
        self._tried: dict[frozenset[str], float] = {}
        engine = float32_engine(self._lowered)
        self._wanted: Any = metric(engine) if metric else [_arrays(call(engine, item)) for item in data]

    def run(self, tolerance: float) -> list[str]:
        """The modules to keep, in the order in which they run."""

        def holds(keep: Sequence[str]) -> bool:
            loss = self._measure(keep)
            good = loss <= tolerance
            self._say(f"keep {_listed(keep)}: {self._quantity} {loss:.3g}, {'good' if good else 'not good'} enough")
            return good

        if holds([]):
            return []
        modules = candidates(lower_recurrent(self._lowered))
        if not holds(modules):
            raise ArgumentError(
                "tolerance",
                expected="one that holds when all modules stay float32",
                got=f"{tolerance:g}, and {self._quantity} {self._measure(modules):.3g}",
            )
        ranked = sorted(modules, key=lambda path: -self._alone(path, modules))
        kept = ranked[: _smallest(len(ranked), lambda count: holds(ranked[:count]))]
        for path in reversed(kept[:-1]):
            rest = [other for other in kept if other != path]
            kept = rest if holds(rest) else kept
        return [path for path in modules if path in kept]

    @property
    def _quantity(self) -> str:
        return "loss" if self._metric else "relative error"

    def _alone(self, path: str, modules: Sequence[str]) -> float:
        loss = self._measure([other for other in modules if other != path])
        self._say(f"only {path or FORWARD} converted: {self._quantity} {loss:.3g}")
        return loss

    def _measure(self, keep: Sequence[str]) -> float:
        """What is lost when these modules stay float32; infinite where something overflows."""
        key = frozenset(keep)
        if key not in self._tried:
            self._tried[key] = self._loss(tuple(keep))
        return self._tried[key]

    def _loss(self, keep: tuple[str, ...]) -> float:
        precision = attrs.evolve(self._precision, keep_fp32=(*self._precision.keep_fp32, *keep))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PrecisionWarning)  # the trials tell what it costs
            graph, _ = apply_precision(self._lowered, precision, self._traced, CHOICE)
        engine = float32_engine(graph)
        if self._metric:
            return float(self._wanted) - float(self._metric(engine))
        pairs = zip(self._data, self._wanted, strict=True)
        return max(_relative_error(_arrays(call(engine, item)), wanted) for item, wanted in pairs)


def candidates(graph: Graph) -> list[str]:
    """The paths of the modules that a low precision may convert, in order; "" for the network's own ``forward``."""
    found: dict[str, None] = {}
    for node in graph.nodes:
        if node.inputs and wish_of(node) is not Wish.float32:
            found[node.origin.path] = None
        for body in bodies(node.op):
            found.update(dict.fromkeys(candidates(body)))
    return list(found)


def _smallest(most: int, holds: Callable[[int], bool]) -> int:
    """The smallest count that holds, when ``most`` does and what holds for a count holds for larger ones."""
    low, high = 1, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _arrays(result: Any) -> list[np.ndarray]:
    values = result.values() if isinstance(result, dict) else result if isinstance(result, tuple) else (result,)
    return [np.asarray(value, np.float64) for value in values]


def _relative_error(got: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> float:
    """The largest error over the largest value, of the worst output; infinite where one is not finite."""
    worst = 0.0
    for one, other in zip(got, wanted, strict=True):
        error = np.abs(one - other).max() / max(np.abs(other).max(), np.finfo(np.float32).tiny)
        worst = max(worst, float(error)) if math.isfinite(error) else math.inf
    return worst


def _listed(keep: Sequence[str]) -> str:
    """The modules as a short text."""
    shown = ", ".join(path or FORWARD for path in keep[:4]) or "nothing"
    return shown if len(keep) <= 4 else f"{shown} and {len(keep) - 4} more"
