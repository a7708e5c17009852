"""The harness of the operation tests: the same function in trtnn and in TensorFlow, run and compared.

`check` traces the function, lowers it with the verifier between the passes, runs it on ONNX Runtime, builds its plan
with TensorRT-RTX where that is installed (once per kind of graph), and simulates the network. Floats must agree to
1e-5 of the largest one, everything else exactly.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from oracle import assert_close

from trtnn import Input, Module
from trtnn.backends.select import builder_of
from trtnn.backends.tensorrt.emit import emit
from trtnn.backends.tensorrt.library import available, load
from trtnn.engine import Choice, Engine, Signature
from trtnn.graph import Graph
from trtnn.graph.verify import verify
from trtnn.passes import lower
from trtnn.passes.recurrent import lower_recurrent
from trtnn.trace import trace

Arrays = Sequence[np.ndarray]


class Network(Module):
    """A function of tensors, or a layer, as a network of its own."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def forward(self, **tensors: Any) -> Any:
        """The function's result for the tensors in order."""
        return self.function(*tensors.values())


def traced(function: Callable[..., Any], inputs: Sequence[Input]) -> Graph:
    """The graph of the function, checked, before any pass."""
    return verify(trace(Network(function), {f"x{i}": one for i, one in enumerate(inputs)}))


def lowered(function: Callable[..., Any], inputs: Sequence[Input]) -> Graph:
    """The graph as backends take it, checked after every pass."""
    return lower(traced(function, inputs), verify)


def static_inputs(arrays: Arrays) -> list[Input]:
    """Inputs of just the shapes of the arrays."""
    return [Input(*array.shape, dtype=array.dtype) for array in arrays]


def named_inputs(arrays: Arrays) -> list[Input]:
    """Inputs that know nothing but the rank: every size is a dim with a name of its own."""
    return [
        Input(*(f"dim_{i}_{axis}" for axis in range(array.ndim)), dtype=array.dtype) for i, array in enumerate(arrays)
    ]


TARGETS = ("onnxruntime", "tensorrt-rtx") if available("tensorrt-rtx") else ("onnxruntime",)


def engine_for(graph: Graph, target: str, calls: Sequence[Arrays]) -> Engine:
    """An engine for the lowered graph, built for all sizes of the calls."""
    choice = Choice(target, "tests")
    options = {"threads": 1} if target == "onnxruntime" else {}
    return builder_of(choice)(graph, choice, [ranges_of(graph, calls)], **options)


def ranges_of(graph: Graph, calls: Sequence[Arrays]) -> dict[str, tuple[int, int, int]]:
    """(min, opt, max) of every named dim: from what the calls have to somewhat more.

    TensorRT-RTX 1.7 fails to compile where a range is so narrow that a computed size cannot change: a pooling by 2 of
    2 to 3 elements.
    """
    found: dict[str, list[int]] = {}
    for arrays in calls:
        for value, array in zip(graph.inputs, arrays, strict=True):
            for size, actual in zip(value.type.shape, array.shape, strict=True):
                found.setdefault(str(size), []).append(actual)
    return {name: (min(found[name]), found[name][0], max(found[name]) + 8) for name in graph.dims}


class EmittedNetwork(Engine):
    """TensorRT's network of a graph, not built; calling it simulates it."""

    def __init__(self, graph: Graph, target: str) -> None:
        super().__init__(Signature.of(graph), Choice(target, "tests"), [{}])
        self._network = emit(lower_recurrent(graph), load(target))

    def _run(self, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        return self._network.simulate(feeds)


_built: set[Any] = set()  # kinds of graphs whose plan has been built in this process


def kind_of(graph: Graph) -> Any:
    """Equal for graphs of one test with the same operations, all with named sizes or all without."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").split(" ")[0]
    return test, frozenset(node.op.name for node in graph.nodes), bool(graph.dims)


def results(graph: Graph, target: str, calls: Sequence[Arrays]) -> list[Any]:
    """What the target's engine returns for each call.

    TensorRT's network is simulated. Its plan is built too, for the first graph of every kind: a build takes longer than
    all else.
    """
    if target == "onnxruntime":
        engine = engine_for(graph, target, calls)
    elif kind_of(graph) in _built:
        engine = EmittedNetwork(graph, target)
    else:
        engine = engine_for(graph, target, calls)
        _built.add(kind_of(graph))  # after the build: one that fails is built again when hypothesis repeats it
    run: Callable[..., Any] = getattr(engine, "simulate", engine)
    return [run(*arrays) for arrays in calls]


def check(
    function: Callable[..., Any],
    reference: Callable[..., Any],
    *calls: Arrays,
    inputs: Sequence[Input] | None = None,
    rtol: float = 1e-5,
) -> Graph:
    """Demands that the function gives the reference's results for every call, on every target.

    Returns the lowered graph. ``inputs`` are those of the first call unless given; with named dims the calls may
    differ in their sizes.
    """
    graph = lowered(function, static_inputs(calls[0]) if inputs is None else inputs)
    wanted = [reference(*arrays) for arrays in calls]
    for target in TARGETS:
        for number, (got, want) in enumerate(zip(results(graph, target, calls), wanted, strict=True)):
            try:
                compare(got, want, rtol)
            except AssertionError as error:
                raise AssertionError(f"{target}, call {number}: {error}\n{graph}") from None
    return graph


def compare(got: Any, want: Any, rtol: float = 1e-5) -> None:
    """Demands equal structure, shapes and data types, floats within ``rtol`` of the largest, everything else equal."""
    if isinstance(want, (tuple, list)):
        assert isinstance(got, tuple) and len(got) == len(want), f"got {type(got).__name__}, want {len(want)} arrays"
        for one, other in zip(got, want, strict=True):
            compare(one, other, rtol)
        return
    want = np.asarray(want)
    assert (got.dtype, got.shape) == (want.dtype, want.shape), f"{got.dtype}{got.shape} for {want.dtype}{want.shape}"
    if want.dtype.kind == "f" and want.any():
        assert_close(got, want, rtol)
    else:
        np.testing.assert_array_equal(got, want)


def fill(module: Module, seed: int = 0) -> None:
    """Gives every parameter random values that are not zero: kernels scaled by their fan-in, variances positive."""
    rng = np.random.default_rng(seed)
    for path, parameter in module.named_parameters():
        if path.endswith("variance"):
            values = rng.uniform(0.5, 2, parameter.shape)
        elif path.endswith("gamma"):
            values = rng.uniform(0.5, 1.5, parameter.shape)
        elif path.endswith("kernel"):
            values = rng.normal(0, (2 / np.prod(parameter.shape[:-1])) ** 0.5, parameter.shape)
        else:
            values = rng.uniform(0.1, 1, parameter.shape) * rng.choice([-1, 1], parameter.shape)
        parameter.assign(values.astype(np.float32))
