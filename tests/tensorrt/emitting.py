"""Small networks through the whole TensorRT backend: traced, lowered, emitted, simulated and, where asked, built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
import pytest

import trtnn as nn
from trtnn.backends.tensorrt.build import build
from trtnn.backends.tensorrt.emit import Network, emit
from trtnn.backends.tensorrt.engine import TensorRTEngine
from trtnn.backends.tensorrt.library import load
from trtnn.engine import Choice
from trtnn.graph import DType, Graph, verify
from trtnn.passes import lower
from trtnn.trace import trace

pytest.importorskip("tensorrt_rtx")


@attrs.frozen(eq=False)
class Case:
    """A function of trtnn, the same one of TensorFlow or NumPy, and arrays to try both on. ``inputs`` are dynamic
    Inputs.
    """

    function: Callable[..., Any]
    oracle: Callable[..., Any]
    arrays: tuple[np.ndarray, ...]
    inputs: tuple[nn.Input, ...] = ()


DTYPES = tuple(map(DType, ["float32", "float16", "bfloat16", "int64", "int32", "int8", "uint8", "bool"]))
"""The data types that every operation which moves elements takes; others are for quantized values only."""

CHOICE = Choice("tensorrt-rtx", "the tests ask for it")


class Function(nn.Module):
    """A function of tensors as a network."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def forward(self, **tensors: Any) -> Any:
        return self.function(*tensors.values())


def inputs_like(*arrays: np.ndarray) -> list[nn.Input]:
    """Inputs of just the arrays' shapes."""
    return [nn.Input(*array.shape, dtype=array.dtype) for array in arrays]


def graph_of(function: Callable[..., Any], *inputs: nn.Input) -> Graph:
    """The lowered graph; the inputs are called x0, x1 and so on. The graph is verified after every pass."""
    return lower(trace(Function(function), {f"x{i}": one for i, one in enumerate(inputs)}), verify)


def emitted(function: Callable[..., Any], *inputs: nn.Input) -> Network:
    """The TensorRT-RTX network of a function."""
    return emit(graph_of(function, *inputs), load("tensorrt-rtx"))


def simulate(function: Callable[..., Any], *arrays: np.ndarray, inputs: Sequence[nn.Input] | None = None) -> Any:
    """What the emitted network computes: an array, or a list of arrays where the function returns several."""
    network = emitted(function, *(inputs or inputs_like(*arrays)))
    results = network.simulate({f"x{i}": one for i, one in enumerate(arrays)})
    return results[0] if network.graph.returns == "tensor" else results


def built(
    function: Callable[..., Any], *arrays: np.ndarray, inputs: Sequence[nn.Input] | None = None, **options: Any
) -> TensorRTEngine:
    """The engine of a really built plan, for dims from 1 to the arrays' sizes, or less where the inputs say so."""
    graph = graph_of(function, *(inputs or inputs_like(*arrays)))
    profile = {}
    for value, array in zip(graph.inputs, arrays, strict=True):
        for size, now in zip(value.type.shape, array.shape, strict=True):
            if not isinstance(size, int):
                profile[str(size)] = graph.dims[str(size)].range or (1, now, now)
    return build(graph, CHOICE, [profile], **options)


def random(*shape: int, seed: int = 0, low: float = -2.0, high: float = 2.0, dtype: Any = np.float32) -> np.ndarray:
    """Random numbers in the range."""
    return np.random.default_rng(seed).uniform(low, high, shape).astype(dtype)
