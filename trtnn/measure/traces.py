"""Measured layers as the events of a Chrome trace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from trtnn.measure.layer import ROOT, LayerTime

Slice = dict[str, Any]


def slices_of(layers: Iterable[LayerTime]) -> list[Slice]:
    """Complete events in microseconds, layers one after the other, and one for every run of layers of a module: a
    viewer puts events into each other as their times say."""
    slices: list[Slice] = []
    around: list[Slice] = []  # the modules that the last layer is in, outermost first
    now = 0.0
    for one in layers:
        modules = _around(one)
        kept = 0
        while kept < min(len(modules), len(around)) and around[kept]["name"] == modules[kept]:
            kept += 1
        del around[kept:]
        for name in modules[kept:]:
            around.append(_slice(name, "module", now, {}))
            slices.append(around[-1])
        details = {"kind": one.layer.kind, "modules": [path or ROOT for path in one.layer.modules]}
        slices.append({**_slice(one.layer.name, "layer", now, details), "dur": 1e6 * one.seconds})
        now += 1e6 * one.seconds
        for module in around:
            module["dur"] = now - module["ts"]
    return slices


def _around(one: LayerTime) -> list[str]:
    """The module that the layer counts for and those around it, outermost first."""
    parts = one.layer.modules[0].split(".") if one.layer.modules and one.layer.modules[0] else []
    return [".".join(parts[: place + 1]) for place in range(len(parts))]


def _slice(name: str, category: str, start: float, details: Mapping[str, Any]) -> Slice:
    return {"name": name, "cat": category, "ph": "X", "ts": start, "dur": 0.0, "pid": 1, "tid": 1, "args": {**details}}
