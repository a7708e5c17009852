"""What the recurrent tests share: layers on further operands, drawn cases, Keras's layers, and `check`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
import strategies as own
from hypothesis import strategies as st
from ops.harness import compare, engine_for, lowered, static_inputs
from oracle import keras

import trtnn as nn
from trtnn.backends.tensorrt.library import available
from trtnn.graph import Graph
from trtnn.passes.recurrent import lower_recurrent

Array = np.ndarray


class Called(nn.Module):
    """A layer on x and further operands, which go to the named arguments; states come as ``initial_state``."""

    def __init__(self, layer: nn.Module, arguments: Sequence[str] = ()) -> None:
        self.layer, self.arguments = layer, arguments

    def forward(self, x: nn.Tensor, *operands: nn.Tensor) -> Any:
        named = dict(zip(self.arguments, operands, strict=True))
        states = [named.pop(name) for name in list(named) if name.startswith("state")]
        return self.layer(x, **named, **({"initial_state": states} if states else {}))


@attrs.frozen
class Sizes:
    """Sizes of one call."""

    batch: int
    steps: int


@attrs.frozen
class Case:
    """What a recurrent layer is called with: sizes, masking ("", "lengths", "mask"), and whether states are given."""

    calls: tuple[Sizes, ...]
    inputs: int
    units: int
    masking: str
    states: bool
    seed: int

    def arrays(self, call: Sizes, states: Sequence[int], time_major: bool = False) -> list[Array]:
        """x, then lengths or a mask, then the initial states."""
        rng = np.random.default_rng([self.seed, call.batch, call.steps])
        x = rng.normal(0, 1, (call.batch, call.steps, self.inputs)).astype(np.float32)
        found = [np.ascontiguousarray(x.swapaxes(0, 1)) if time_major else x]
        if self.masking == "lengths":
            found.append(rng.integers(0, call.steps, call.batch, endpoint=True).astype(np.int32))
        elif self.masking == "mask":
            found.append(rng.random((call.batch, call.steps)) < 0.6)
        if self.states:
            found += [rng.normal(0, 1, (call.batch, size)).astype(np.float32) for size in states]
        return found

    def declared(self, states: Sequence[int], time_major: bool = False) -> list[nn.Input]:
        """The inputs: batch and time are named dims."""
        found = [nn.Input(*(("time", "batch") if time_major else ("batch", "time")), self.inputs)]
        if self.masking == "lengths":
            found.append(nn.Input("batch", dtype="int32"))
        elif self.masking == "mask":
            found.append(nn.Input("batch", "time", dtype="bool"))
        return found + ([nn.Input("batch", size) for size in states] if self.states else [])

    def arguments(self, states: Sequence[int], lengths: str = "lengths") -> list[str]:
        """The names of the operands after x."""
        masking = [lengths if self.masking == "lengths" else "mask"] if self.masking else []
        return masking + ([f"state_{i}" for i, _ in enumerate(states)] if self.states else [])


@st.composite
def cases(draw: own.Draw, masking: Sequence[str] = ("", "lengths", "mask")) -> Case:
    """Small cases with two calls of different sizes."""
    sizes = st.builds(Sizes, st.integers(1, 4), st.integers(1, 6))
    return Case(
        calls=(draw(sizes), draw(sizes)),
        inputs=draw(st.integers(1, 4)),
        units=draw(st.integers(1, 5)),
        masking=draw(st.sampled_from(masking)),
        states=draw(st.booleans()),
        seed=draw(own.seeds),
    )


def as_mask(lengths: Array, steps: int) -> Array:
    """(B, T) bool from (B,) lengths."""
    return np.arange(steps) < lengths[:, None]


def keras_layer(kind: str, layer: Any, units: int, features: int, **options: Any) -> Any:
    """Keras's layer of the class with the weights of ours."""
    theirs = getattr(keras().layers, kind)(units, **options)
    theirs.build((None, None, features))
    theirs.set_weights([parameter.data for parameter in layer.parameters()])
    return theirs


def check(
    function: nn.Module,
    reference: Callable[..., Any],
    *calls: Sequence[Array],
    inputs: Sequence[nn.Input] | None = None,
    build: bool = False,
) -> None:
    """Demands the reference's results for every call on ONNX Runtime and on the simulated TensorRT network.

    Building the plan takes ten times as long as all else together, so it is done only for ``build``.
    """
    graph = lowered(function, inputs or static_inputs(calls[0]))
    wanted = [reference(*arrays) for arrays in calls]
    engine = engine_for(graph, "onnxruntime", calls)
    compare_all("onnxruntime", graph, [engine(*arrays) for arrays in calls], wanted)
    if available("tensorrt-rtx"):
        compare_all("tensorrt-rtx", graph, simulated(graph, calls, build), wanted)


def simulated(graph: Graph, calls: Sequence[Sequence[Array]], build: bool) -> list[Any]:
    """What the TensorRT network gives for each call, after building its plan where that is asked for."""
    from trtnn.backends.tensorrt.emit import emit
    from trtnn.backends.tensorrt.library import load

    if build:
        engine: Any = engine_for(graph, "tensorrt-rtx", calls)
        return [engine.simulate(*arrays) for arrays in calls]
    network = emit(lower_recurrent(graph), load("tensorrt-rtx"))
    names = [value.name for value in graph.inputs]
    found = [network.simulate(dict(zip(names, arrays, strict=True))) for arrays in calls]
    return [one[0] if graph.returns == "tensor" else tuple(one) for one in found]


def compare_all(target: str, graph: Graph, results: Sequence[Any], wanted: Sequence[Any]) -> None:
    """Demands equal results, within 1e-5 of the largest, for every call."""
    for number, (got, want) in enumerate(zip(results, wanted, strict=True)):
        try:
            compare(got, want)
        except AssertionError as error:
            raise AssertionError(f"{target}, call {number}: {error}\n{graph}") from None


def check_against_keras(
    case: Case, layer: nn.Module, theirs: Any, states: Sequence[int], time_major: bool = False, build: bool = False
) -> None:
    """Demands Keras's results for both calls, on both targets."""
    arguments = case.arguments(states)

    def reference(x: Array, *operands: Array) -> Any:
        named = dict(zip(arguments, operands, strict=True))
        start = [named.pop(name) for name in list(named) if name.startswith("state")]
        x = x.swapaxes(0, 1) if time_major else x
        if "lengths" in named:
            named["mask"] = as_mask(named.pop("lengths"), x.shape[1])
        result = theirs(x, **named, **({"initial_state": start} if start else {}))
        result = [np.asarray(one) for one in result] if isinstance(result, (tuple, list)) else np.asarray(result)
        return swapped(result) if time_major else result

    def swapped(result: Any) -> Any:
        whole = result[0] if isinstance(result, list) else result
        whole = whole.swapaxes(0, 1) if theirs.return_sequences else whole
        return [whole, *result[1:]] if isinstance(result, list) else whole

    fitted = Called(layer, arguments)
    calls = [case.arrays(call, states, time_major) for call in case.calls]
    check(fitted, reference, *calls, inputs=case.declared(states, time_major), build=build)
