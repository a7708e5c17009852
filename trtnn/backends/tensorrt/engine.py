"""The engine of a TensorRT plan."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trtnn.backends.tensorrt.emit import Network
from trtnn.backends.tensorrt.kernels import Kernel, kernels_by_module
from trtnn.calling import Arguments, Ranges
from trtnn.engine import Choice, Engine, Result, Signature
from trtnn.errors import ArgumentError, DeviceError, InputError
from trtnn.graph import Graph
from trtnn.graph.dims import is_int
from trtnn.graph.graph import contains
from trtnn.graph.ops import Custom

if TYPE_CHECKING:
    from trtnn.backends.tensorrt.runtime import Runtime
    from trtnn.backends.tensorrt.runtime.bound import BoundCall
    from trtnn.measure.layer import Layer
    from trtnn.recipe import Recipe

MAX_CONTEXTS = 4


class TensorRTEngine(Engine):
    """A TensorRT plan, together with the network that it was built from.

    Calls run on GPU 0, from any number of threads. NumPy arrays go in and come out as such, and a call returns when
    its results are there. Arrays on the GPU (torch, CuPy, JAX, or anything with ``__dlpack__`` or
    ``__cuda_array_interface__``) are used where they are, results are arrays of the same kind, and a call only puts
    work on a stream: ``stream=``, else torch's or CuPy's current one. ``out=`` takes arrays to write into. A call
    leaves GPU 0 as the calling thread's current device.

    ``plan`` is the serialized plan, a memoryview that can be written to a file as it is. ``network`` is kept for
    `simulate`. ``kernels`` are the plan's kernels where it was compiled with ``kernels=True``; of an engine from a file
    there are only its ``layers``, by which `profile` still finds the modules. ``max_contexts`` calls run at the same
    time, each with GPU memory of its own; ``cuda_graphs`` captures the network per shapes, and for arrays on the GPU
    that come again, and replays it.
    ``kept_weights`` is the digest of what a `refit` leaves as it is, None for a plan that was not built for one.
    """

    gpu = 0

    def __init__(
        self,
        signature: Signature,
        choice: Choice,
        profiles: Sequence[Ranges],
        plan: memoryview,
        *,
        check_nan: bool = True,
        graph: Graph | None = None,
        network: Network | None = None,
        kernels: tuple[Kernel, ...] = (),
        cuda_graphs: bool = False,
        max_contexts: int = MAX_CONTEXTS,
        kept_weights: str | None = None,
        layers: Sequence[Layer] = (),
    ) -> None:
        if not is_int(max_contexts) or max_contexts < 1:
            raise ArgumentError("max_contexts", expected="an int >= 1", got=repr(max_contexts))
        if not isinstance(cuda_graphs, bool):
            raise ArgumentError("cuda_graphs", expected="True or False", got=repr(cuda_graphs))
        super().__init__(signature, choice, profiles, check_nan, graph)
        self.plan, self._network, self.kernels, self.kept_weights = plan, network, kernels, kept_weights
        self._saved_layers = layers
        self._runtime_options: dict[str, Any] = {"cuda_graphs": cuda_graphs, "max_contexts": max_contexts}
        self._runtime: Runtime | None = None
        self._starting = threading.Lock()
        self._closed = False

    def __call__(self, *arrays: Any, stream: Any = None, out: Any = None, **named: Any) -> Result:
        """Runs the network, as `Engine` says."""
        runtime = self._runtime
        if runtime is not None and not named:
            results = runtime.again(arrays, stream, out)
            if results is not None:
                return self.signature.pack(results)
        return super().__call__(*arrays, stream=stream, out=out, **named)

    @property
    def runtime_options(self) -> Mapping[str, Any]:
        """``cuda_graphs`` and ``max_contexts``."""
        return self._runtime_options

    @property
    def network(self) -> Network:
        """The network that the plan was built from. Raises ArgumentError for an engine that was loaded from a file."""
        if self._network is None:
            raise ArgumentError(
                self.signature.name,
                problem="this engine was loaded from a file, which holds the plan and not the network",
                remedy="compile the module to look at the network or to simulate it",
            )
        return self._network

    @property
    def custom_ops(self) -> Mapping[str, str]:
        """Those whose plugins run in Python: what a process that loads the plan has to define."""
        if self._network is None or not contains(self._network.graph, Custom):
            return super().custom_ops
        from trtnn.backends.tensorrt.plugins.emit import ops_in_python  # networks without custom ops do without

        return ops_in_python(self._network.library.trt, self._network.graph)

    def simulate(self, *arrays: np.ndarray, **named: np.ndarray) -> Result:
        """Evaluates the very network that was given to TensorRT in NumPy: slow, needs no GPU, and shows what the plan
        computes.

        Takes and returns what calling the engine does, and raises InputError or DimError for the same reasons.
        """
        arguments = Arguments(self.signature.inputs, self.profiles, self.check_nan)
        return self.signature.pack(self.network.simulate(arguments.check(arrays, named)))

    def bind(self, *arrays: Any, stream: Any = None, out: Any = None, **named: Any) -> BoundCall:
        """The call with these arrays on the GPU and no others: ``bound()`` runs the network on what they hold then,
        into the same outputs every time, at the cost of a launch. With CUDA graphs the call is one graph, without
        copies.

        ``stream`` and ``out`` as for a call. The outputs of JAX's kind change behind JAX's back: copy what has to stay.
        Raises what a call raises, and UnsupportedError for a network whose outputs' sizes depend on the values.
        """
        feeds = self._arguments.check(arrays, named)
        for name, array in feeds.items():
            if isinstance(array, np.ndarray):
                raise InputError(
                    name, expected="an array on the GPU", got="one in host memory", remedy="call the engine instead"
                )
        return self._started().bind(feeds, out, stream)

    def close(self) -> None:
        """Waits for the calls under way and frees what the engine holds on the GPU; calls raise DeviceError then."""
        with self._starting:
            self._closed, runtime, self._runtime = True, self._runtime, None
        if runtime is not None:
            runtime.close()

    def __enter__(self) -> TensorRTEngine:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _refit(self, recipe: Recipe) -> None:
        from trtnn.backends.tensorrt.refit import refitted

        graph, network, plan = refitted(self, recipe)
        with self._starting:  # calls under way keep the runtime that they began with
            self._graph, self._network, self.plan, self._runtime = graph, network, plan, None

    def _reported_layers(self) -> Sequence[Layer]:
        if self._network is None or not self.kernels:
            return self._saved_layers
        from trtnn.backends.tensorrt.runtime.profiling import LayerFinder

        finder = LayerFinder(self.kernels, self._network.nodes)
        return [finder.find(kernel.name) for kernel in self.kernels]

    def _kernels_by_module(self) -> Mapping[str, Sequence[str]]:
        return kernels_by_module(self.kernels, {} if self._network is None else self._network.nodes)

    def _time_layers(self, feeds: Mapping[str, Any], runs: int) -> list[dict[Layer, float]]:
        from trtnn.backends.tensorrt.runtime.profiling import LayerFinder  # not paid for by those who only call

        for name, array in feeds.items():
            if not isinstance(array, np.ndarray):
                raise InputError(name, expected="an array in host memory, to profile", got="one on the GPU")
        nodes = None if self._network is None else self._network.nodes
        finder = LayerFinder(self.kernels, nodes, self._saved_layers)
        measured = self._started().profile(feeds, runs)
        return [{finder.find(name): seconds for name, seconds in times.items()} for times in measured]

    def _run(self, feeds: Mapping[str, Any]) -> list[Any]:
        return (self._runtime or self._started()).run(feeds)

    def _run_into(self, feeds: Mapping[str, Any], stream: Any, out: Any) -> list[Any]:
        return (self._runtime or self._started()).run(feeds, stream, out)

    def _started(self) -> Runtime:
        """The runtime, which is made at the first call: an engine can be built where there is no GPU."""
        with self._starting:
            if self._closed:
                raise DeviceError(self.signature.name, problem="the engine has been closed")
            if self._runtime is None:
                from trtnn.backends.tensorrt.runtime.starting import start

                self._runtime = start(self.plan, self.target, self.signature, self.profiles, **self._runtime_options)
            return self._runtime
