"""Running graphs on the CPU, to measure them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trtnn.backends.select import builder_of
from trtnn.engine import Choice, Engine, Result
from trtnn.graph import Graph


def float32_engine(graph: Graph) -> Engine:
    """An engine on ONNX Runtime for a lowered graph, for any size of its named dims."""
    choice = Choice("onnxruntime", "to measure a network")
    return builder_of(choice)(graph, choice, [{}])


def call(engine: Engine, item: Any) -> Result:
    """Calls the engine with one array, a tuple of arrays in order, or a dict of arrays by name."""
    if isinstance(item, Mapping):
        return engine(**item)
    return engine(*item) if isinstance(item, (tuple, list)) else engine(item)
