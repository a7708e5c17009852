"""A stand-in for the parts of TensorRT that need a GPU: plans, their engines and the refitter.

It has the methods that the refit calls, no others, and notes every use so that the listings of TensorRT's versions can
be asked whether it exists. A plan's engine holds the weights that were named in the network it stands for.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from trtnn.backends.tensorrt.emit import Network
from trtnn.backends.tensorrt.simulate import Simulation
from trtnn.backends.tensorrt.simulate.reading import READABLE

sys.path.insert(0, str(Path(__file__).parents[1] / "tensorrt"))

import api_listing
from api_listing import Use

__all__ = ["Plans", "api_listing", "put"]


@attrs.define(eq=False)
class Plans:
    """All plans of a test: ``named`` are the names that the network's weights got, in the order of naming."""

    network: Network
    refittable: bool = True
    lacks: tuple[str, ...] = ()
    forgets: tuple[str, ...] = ()
    refuses: str = ""
    named: dict[str, Any] = attrs.field(factory=dict)
    given: dict[str, Any] = attrs.field(factory=dict)
    uses: set[Use] = attrs.field(factory=set)

    @property
    def library(self) -> Any:
        """The library with this stand-in's classes in the place of its own."""
        return attrs.evolve(self.network.library, trt=_Module(self))


class _Module:
    """``tensorrt_rtx`` with another Runtime and Refitter."""

    def __init__(self, plans: Plans) -> None:
        self._plans = plans

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plans.network.library.trt, name)

    def Runtime(self, logger: Any) -> Any:
        return _Runtime(self._plans)

    def Refitter(self, engine: Any, logger: Any) -> Any:
        self._plans.uses.add(Use("call", "Refitter", "__init__", 2, frozenset()))
        return _Refitter(self._plans)


class _Recorded:
    """Notes what is called and read under the name of the class that it stands for."""

    def __init__(self, plans: Plans) -> None:
        self._plans = plans

    def _called(self, member: str, count: int) -> None:
        self._plans.uses.add(Use("call", type(self).__name__.lstrip("_"), member, count, frozenset()))


class _Runtime(_Recorded):
    error_recorder: Any = None

    def deserialize_cuda_engine(self, plan: memoryview) -> Any:
        self._called("deserialize_cuda_engine", 1)
        return ICudaEngine(self._plans)


class ICudaEngine(_Recorded):
    @property
    def refittable(self) -> bool:
        self._plans.uses.add(Use("get", "ICudaEngine", "refittable"))
        return self._plans.refittable

    def serialize(self) -> bytes:
        self._called("serialize", 0)
        return b"refitted"


class _Refitter(_Recorded):
    error_recorder: Any = None

    def __init__(self, plans: Plans) -> None:
        super().__init__(plans)
        self._set: dict[str, Any] = {}

    def get_all_weights(self) -> list[str]:
        self._called("get_all_weights", 0)
        return [name for name in self._plans.named if name not in self._plans.lacks]

    def set_named_weights(self, name: str, weights: Any) -> bool:
        """As TensorRT does, takes weights of the same type and count only."""
        self._called("set_named_weights", 2)
        old = self._plans.named[name]
        if name == self._plans.refuses:
            self.error_recorder.report_error(None, f"{name} is of another type")
            return False
        if isinstance(weights, np.ndarray):
            assert weights.dtype == old.dtype and weights.size == old.size, name
        self._set[name] = weights
        return True

    def get_missing_weights(self) -> list[str]:
        self._called("get_missing_weights", 0)
        return [name for name in self._plans.forgets if name not in self._set]

    def refit_cuda_engine(self) -> bool:
        self._called("refit_cuda_engine", 0)
        self._plans.given = self._set
        return True


def put(network: Network, arrays: Mapping[str, np.ndarray]) -> Simulation:
    """The network with these arrays in the place of the weights of those names, wherever layers share them."""
    trt = network.library.trt
    shared = {network.weights[name].address: array for name, array in arrays.items()}
    arrays = {name: shared[one.address] for name, one in network.weights.items() if one.address in shared}
    for number in range(network.definition.num_layers):
        layer = network.definition.get_layer(number)
        readable = READABLE.get(layer.type.name)
        if readable is None:
            continue
        layer.__class__ = getattr(trt, readable.layer_class)
        for role in ("kernel", "bias", "weights"):
            name = f"{layer.name}.{role}"
            if name in arrays:
                setattr(layer, role, arrays[name])
    return Simulation.of(trt, network.definition, network.contents)
