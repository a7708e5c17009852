"""The engine: a compiled network that is called like a function, whatever runs below."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
import numpy as np

from trtnn.calling import Arguments, Ranges
from trtnn.errors import ArgumentError, SavedEngineError, UnsupportedError
from trtnn.graph import Graph, TensorType
from trtnn.graph.graph import Returns

if TYPE_CHECKING:
    import os

    from trtnn.measure.benchmark import Benchmark
    from trtnn.measure.layer import Layer
    from trtnn.measure.profile import Profile
    from trtnn.module import Module
    from trtnn.precision.calibration import Calibration
    from trtnn.recipe import Recipe
    from trtnn.saving.home import Home
    from trtnn.saving.sidecar import Sidecar
    from trtnn.summary import Summary
    from trtnn.weights import LoadReport

Result: TypeAlias = Any  # an array, a tuple of arrays, or a dict of arrays


@attrs.frozen
class Choice:
    """The target that an engine was compiled for, why it was taken, the precision it computes in, and the device where
    the target was given one ("cuda" for ONNX Runtime on a GPU)."""

    target: str
    reason: str
    precision: str = "float32"
    device: str | None = None

    def __str__(self) -> str:
        return f"trtnn: target {self.target}: {self.reason}"


@attrs.frozen
class Signature:
    """What a caller sees of a network: its name, its named and typed inputs and outputs, and what ``forward``
    returned."""

    name: str
    inputs: Mapping[str, TensorType]
    outputs: Mapping[str, TensorType]
    returns: Returns

    @classmethod
    def of(cls, graph: Graph) -> Signature:
        """The signature of a graph."""
        inputs = {value.name: value.type for value in graph.inputs}
        return cls(graph.name, inputs, {name: value.type for name, value in graph.outputs}, graph.returns)

    def pack(self, results: Sequence[Any]) -> Result:
        """The outputs, in order, as ``forward`` returned them."""
        if self.returns == "tensor":
            return results[0]
        return tuple(results) if self.returns == "tuple" else dict(zip(self.outputs, results, strict=True))


class Engine(abc.ABC):
    """A compiled network: ``engine(image)`` takes arrays and returns what the module's ``forward`` returned.

    ``inputs`` and ``outputs`` are the names with their `TensorType`; ``profiles`` are the ranges (min, opt, max) of
    the named dims, one dict per optimization profile; ``graph`` is the graph that was built, after all passes.
    Arguments may be given in order or by name; they need the declared data type and shape, and InputError or DimError
    says what does not fit.

    ``recipe`` says how it was compiled, which a `refit` needs; None for an engine that was loaded without its module.
    ``gpu`` is the number of the GPU whose arrays it takes, None where it takes those in host memory alone.
    """

    gpu: int | None = None

    def __init__(
        self,
        signature: Signature,
        choice: Choice,
        profiles: Sequence[Ranges],
        check_nan: bool = True,
        graph: Graph | None = None,
    ) -> None:
        self.signature, self.choice, self.profiles = signature, choice, tuple(profiles)
        self.check_nan = check_nan
        self.recipe: Recipe | None = None
        self._graph = graph
        self._sidecar: Sidecar | None = None  # of the files that it was loaded from
        self._home: Home | None = None
        self._arguments = Arguments(signature.inputs, self.profiles, check_nan, self.gpu)

    @property
    def inputs(self) -> Mapping[str, TensorType]:
        """The inputs' types by name, in order."""
        return self.signature.inputs

    @property
    def outputs(self) -> Mapping[str, TensorType]:
        """The outputs' types by name, in order."""
        return self.signature.outputs

    @property
    def graph(self) -> Graph:
        """The graph that was built, after all passes. Raises ArgumentError for an engine that was loaded from a
        file."""
        if self._graph is None:
            raise ArgumentError(
                self.signature.name,
                problem="this engine was loaded from a file, which holds no graph",
                remedy="compile the module to look at the graph",
            )
        return self._graph

    @property
    def target(self) -> str:
        """What the engine runs on: "onnxruntime", "tensorrt" or "tensorrt-rtx"."""
        return self.choice.target

    @property
    def precision(self) -> str:
        """What the engine computes in, such as "float32" or "int8 + float16", and whether that is emulated."""
        return self.choice.precision

    def __call__(self, *arrays: Any, stream: Any = None, out: Any = None, **named: Any) -> Result:
        """Runs the network.

        ``stream`` is the caller's CUDA stream and ``out`` the arrays to write into, as ``forward`` returns them; both
        are for engines on a GPU, and ``out`` for all. Raises InputError, DimError or DeviceError; the engine stays
        usable after an error.
        """
        feeds = self._arguments.check(arrays, named)
        if stream is None and out is None:
            return self.signature.pack(self._run(feeds))
        return self.signature.pack(self._run_into(feeds, stream, out))

    @abc.abstractmethod
    def _run(self, feeds: Mapping[str, np.ndarray]) -> list[Any]:
        """The outputs, in order, for checked inputs."""

    def _run_into(self, feeds: Mapping[str, Any], stream: Any, out: Any) -> list[Any]:
        """The same on the caller's stream, into the caller's arrays."""
        raise ArgumentError("engine", problem=f"{self.target} takes no stream= and no out= here")

    def bind(self, *arrays: Any, **named: Any) -> Any:
        """A call with fixed arrays, see `TensorRTEngine.bind`. Raises UnsupportedError for other targets."""
        problem = f"engines of the target {self.target} cannot be bound to arrays"
        raise UnsupportedError(self.signature.name, problem=problem, remedy="call the engine, with out= if you like")

    @property
    def runtime_options(self) -> Mapping[str, Any]:
        """The options of how it runs, by the names that `load` takes them under, as JSON has them."""
        return {}

    @property
    def custom_ops(self) -> Mapping[str, str]:
        """The custom ops that it cannot run without, by name, with the place where each was defined; those that were
        decomposed are none of them. They must be defined before it is loaded from its file."""
        return {} if self._sidecar is None else self._sidecar.custom_ops

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the engine to a file and, beside it, a sidecar that says in JSON what it is: ``model.plan.json``.

        A TensorRT engine becomes its plan ("model.plan"), which trtexec and Triton load as it is. One for ONNX Runtime
        becomes an ONNX model ("model.onnx") with its weights in ``model.onnx.data``. The files get their names at the
        end, by renames: whatever happens meanwhile, no file is ever half written, and files of two savings that got
        mixed are found out when they are loaded. A process that is killed leaves hidden files that end in ".tmp".

        Raises ArgumentError for a path that is not one, UnsupportedError for an engine that has no such form, and
        SavedEngineError when the disk does not take it.
        """
        from trtnn.saving.save import save

        save(self, path)

    @staticmethod
    def load(
        path: str | os.PathLike[str],
        *,
        module: Module | None = None,
        calibration: Calibration | None = None,
        target: str | None = None,
        check_nan: bool | None = None,
        verify_checksum: bool = True,
        **options: Any,
    ) -> Engine:
        """The engine that was saved at ``path``.

        All that the sidecar says is checked first: the library and its version, the system and the GPU for a plan, and
        the sizes and checksums of the files. A file without a sidecar loads too, with a warning that says what is not
        known then; ``target`` says what it is for where its name does not.

        ``module``: the module that it was compiled from, so that it can be refitted, and with it the ``calibration`` of
        an int8 or fp8 engine. ``check_nan`` and ``options``, which are the run-time options of the target, take the
        place of the saved ones. ``verify_checksum=False`` does not read the files for their checksums.

        Raises SavedEngineError that says what does not fit and what to do, LibraryError for a library that is not
        installed, CustomOpError for a custom op that is not defined, DeviceError where the plan needs a GPU and there
        is none, and ArgumentError for options that make no sense.
        """
        from trtnn.saving.load import load

        return load(
            path,
            module=module,
            calibration=calibration,
            target=target,
            check_nan=check_nan,
            verify_checksum=verify_checksum,
            **options,
        )

    def refit(self, source: Any, name_map: Any = None) -> LoadReport:
        """Puts other weights into the engine and returns the report of `Module.load_weights`, which has the same
        arguments: a dict of arrays, an .npz, Keras or checkpoint file, or a SavedModel.

        The module gets the weights too. Calls that run meanwhile finish with the old weights, later ones have the new
        ones, and none has a mix. After an error the engine and the module are as before. An int8 or fp8 engine is
        calibrated again on the data of its calibration. For TensorRT compile with ``refittable=True``.

        Raises ArgumentError for an engine that was loaded without its module, WeightsError for weights that do not fit,
        UnsupportedError for a plan that cannot be refitted, and the errors of compiling.
        """
        from trtnn.saving.refit import refit

        return refit(self, source, name_map)

    def _refit(self, recipe: Recipe) -> None:
        """Takes over what the recipe makes of its module's present weights; after an error all is as before."""
        raise UnsupportedError(self.signature.name, problem=f"engines of the target {self.target} cannot be refitted")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the path of the engine's files."""
        from trtnn.saving.home import restored

        if self._home is None:
            raise SavedEngineError(
                self.signature.name,
                problem="an engine is pickled as the path of its files, and this one has none",
                remedy='save it first: engine.save("model.plan" or "model.onnx")',
            )
        return restored, (self._home,)

    def summary(self) -> Summary:
        """A table of what is computed, module by module, with the data types and casts; ``print`` it."""
        from trtnn.summary import summarize_engine

        return summarize_engine(self)

    def benchmark(
        self,
        *arrays: Any,
        batches: Sequence[int] | None = None,
        dims: Mapping[str, int] | None = None,
        seconds: float = 1.0,
        warmup: float = 0.2,
    ) -> Benchmark:
        """Times calls, one after the other: percentiles of the latency and the throughput; ``print`` it, or `plot` it.

        With ``arrays`` they are what the engine is called with. Without, there are random ones for each of ``batches``,
        by default those of 1, 8 and 16 that the engine takes; ``dims`` are sizes of other named dims, else the best of
        their ranges. Each batch size takes ``warmup`` seconds that are not counted and ``seconds`` that are, and at
        least three calls for either.

        Raises DimError for a dim that has no size, ArgumentError for options that make no sense, and what calls raise.
        """
        from trtnn.measure.benchmark import benchmark

        return benchmark(self, arrays, batches=batches, dims=dims, seconds=seconds, warmup=warmup)

    def profile(self, *arrays: Any, runs: int = 20) -> Profile:
        """The time of every layer and module in calls with these arrays, random ones if there are none: medians over
        ``runs`` calls. ``print`` it, or see its `plot` and `chrome_trace`.

        Raises UnsupportedError where the target does not tell, and what calls raise.
        """
        from trtnn.measure.profile import profile

        return profile(self, arrays, runs)

    def _time_layers(self, feeds: Mapping[str, Any], runs: int) -> list[dict[Layer, float]]:
        """Seconds by layer for each of some calls, in the order in which the layers run."""
        raise UnsupportedError(self.signature.name, problem=f"engines of the target {self.target} cannot be profiled")

    def _reported_layers(self) -> Sequence[Layer]:
        """The layers that whoever built the engine reported, with the modules in them; none where nobody did."""
        return ()

    def _kernels_by_module(self) -> Mapping[str, Sequence[str]]:
        """The kernels by the path of the module whose work they do, where the target tells."""
        return {}

    def __repr__(self) -> str:
        inputs = ", ".join(f"{name}: {type}" for name, type in self.inputs.items())
        outputs = ", ".join(f"{name}: {type}" for name, type in self.outputs.items())
        precision = "" if self.choice.precision == "float32" else f", {self.choice.precision}"
        return f"Engine({self.signature.name}, {self.target}{precision}, ({inputs}) -> ({outputs}))"
