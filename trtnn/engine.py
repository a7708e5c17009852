"""The engine: a compiled network that is called like a function, whatever runs below."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
import numpy as np

from trtnn.calling import Arguments, Ranges
from trtnn.graph import Graph, TensorType

if TYPE_CHECKING:
    from trtnn.summary import Summary

Result: TypeAlias = Any  # np.ndarray | tuple[np.ndarray, ...] | dict[str, np.ndarray]


@attrs.frozen
class Choice:
    """The target that an engine was compiled for, why it was taken, and the precision it computes in."""

    target: str
    reason: str
    precision: str = "float32"

    def __str__(self) -> str:
        return f"trtnn: target {self.target}: {self.reason}"


class Engine(abc.ABC):
    """A compiled network: ``engine(image)`` takes NumPy arrays and returns what the module's ``forward`` returned.

    ``inputs`` and ``outputs`` are the names with their `TensorType`; ``profiles`` are the ranges (min, opt, max) of
    the named dims, one dict per optimization profile; ``graph`` is the graph that was built, after all passes.
    Arguments may be given in order or by name; they need the declared data type and shape, and InputError or DimError
    says what does not fit.
    """

    def __init__(self, graph: Graph, choice: Choice, profiles: Sequence[Ranges], check_nan: bool = True) -> None:
        self.graph, self.choice, self.profiles = graph, choice, tuple(profiles)
        self.inputs: dict[str, TensorType] = {value.name: value.type for value in graph.inputs}
        self.outputs: dict[str, TensorType] = {name: value.type for name, value in graph.outputs}
        self._arguments = Arguments(self.inputs, self.profiles, check_nan)

    @property
    def target(self) -> str:
        """What the engine runs on: "onnxruntime", "tensorrt" or "tensorrt-rtx"."""
        return self.choice.target

    @property
    def precision(self) -> str:
        """What the engine computes in, such as "float32" or "int8 + float16", and whether that is emulated."""
        return self.choice.precision

    def __call__(self, *arrays: np.ndarray, **named: np.ndarray) -> Result:
        """Runs the network. Raises InputError, DimError or DeviceError; the engine stays usable after an error."""
        return self._pack(self._run(self._arguments.check(arrays, named)))

    @abc.abstractmethod
    def _run(self, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs, in order, for checked inputs."""

    def _pack(self, results: list[np.ndarray]) -> Result:
        returns = self.graph.returns
        if returns == "tensor":
            return results[0]
        return tuple(results) if returns == "tuple" else dict(zip(self.outputs, results, strict=True))

    def summary(self) -> Summary:
        """A table of what is computed, module by module, with the data types and casts; ``print`` it."""
        from trtnn.summary import summarize_engine

        return summarize_engine(self)

    def __repr__(self) -> str:
        inputs = ", ".join(f"{name}: {type}" for name, type in self.inputs.items())
        outputs = ", ".join(f"{name}: {type}" for name, type in self.outputs.items())
        precision = "" if self.choice.precision == "float32" else f", {self.choice.precision}"
        return f"Engine({self.graph.name}, {self.target}{precision}, ({inputs}) -> ({outputs}))"
