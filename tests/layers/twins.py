"""A layer and its twin in Keras: the same weights under the same names, called alike, compared on every target."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import strategies as own
from ops.harness import check
from oracle import keras, randomize

import trtnn as nn

Array = np.ndarray


class Called(nn.Module):
    """A layer that is called in a way of its own: ``call(layer, *tensors)``."""

    def __init__(self, layer: nn.Module, call: Callable[..., Any]) -> None:
        self.layer, self.call = layer, call

    def forward(self, *tensors: nn.Tensor) -> Any:
        """The call's result."""
        return self.call(self.layer, *tensors)


def plain(layer: Any, *tensors: Any) -> Any:
    """``layer(*tensors)``."""
    return layer(*tensors)


def listed(layer: Any, *tensors: Any) -> Any:
    """``layer([*tensors])``, as Keras's merging layers want it."""
    return layer(list(tensors))


def assign(layer: nn.Module, twin: Any, seed: int = 0) -> None:
    """Gives the built twin random weights and the layer the same ones, found by the twin's own names for them."""
    randomize(twin, np.random.default_rng(seed))
    parameters = dict(layer.named_parameters())
    for weight in twin.weights:
        name = weight.path.partition(f"{twin.name}/")[2].replace("/", ".")
        if np.issubdtype(np.dtype(weight.dtype), np.floating):
            parameters.pop(name).assign(weight.numpy())
    assert not parameters, f"Keras has no {', '.join(parameters)}"


def same(
    layer: nn.Module,
    twin: Any,
    *calls: Sequence[Array],
    inputs: Sequence[nn.Input] | None = None,
    call: Callable[..., Any] = plain,
    twin_call: Callable[..., Any] | None = None,
    rtol: float = 1e-5,
) -> Any:
    """Demands that the layer and its twin give the same results for every call; returns the lowered graph.

    ``call`` and ``twin_call`` (the same unless given) call the layer and the twin on tensors. ``inputs`` as in `check`.
    """
    twin_call = twin_call or call
    twin_call(twin, *map(keras().ops.convert_to_tensor, calls[0]))  # builds it
    assign(layer, twin)

    def reference(*arrays: Array) -> Any:
        results = twin_call(twin, *map(keras().ops.convert_to_tensor, arrays))
        return tuple(map(np.asarray, results)) if isinstance(results, tuple) else np.asarray(results)

    return check(Called(layer, call), reference, *calls, inputs=inputs, rtol=rtol)


def data(*shape: int, dtype: str = "float32", low: float = -3, high: float = 3) -> Array:
    """Random values that are not zero; the same for the same shape."""
    return own.random_array(shape, dtype, zlib.crc32(str(shape).encode()) % 1000, low, high)


def images(
    *, channels: int, spatial: int, first: bool = False, sizes: Sequence[int] = (7, 6, 5)
) -> tuple[Any, list[nn.Input]]:
    """Two calls with activations of different sizes, and the input with named dims that takes both."""

    def shape(batch: Any, around: Sequence[Any]) -> tuple[Any, ...]:
        return (batch, channels, *around) if first else (batch, *around, channels)

    now, later = list(sizes)[:spatial], [size + 1 + i for i, size in enumerate(list(sizes)[:spatial])]
    names = ["depth", "height", "width"][-spatial:]
    return ([data(*shape(2, now))], [data(*shape(1, later))]), [nn.Input(*shape("batch", names))]
