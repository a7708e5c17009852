"""A stand-in for TensorRT's bindings as far as plugins use them: sizes are trtnn's own, and compare with ==.

``make()`` gives a module of plain Python classes. With it runs both our plugins' Python half and, where the package
tensorrt_bindings is installed, NVIDIA's own Python files of ``tensorrt.plugin``, which call our functions as they do
during a build.
"""

from __future__ import annotations

import enum
import importlib
import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from trtnn.graph.dims import DimExpr, ceil_div, evaluate, floor_div, maximum

ENUMS = {
    "DimensionOperation": "SUM PROD MAX MIN SUB EQUAL LESS FLOOR_DIV CEIL_DIV",
    "DataType": "FLOAT HALF BF16 INT8 INT32 INT64 BOOL UINT8 FP8 INT4",
    "TensorFormat": "LINEAR HWC",
    "PluginFieldType": "FLOAT16 FLOAT32 FLOAT64 INT8 INT16 INT32 INT64 CHAR DIMS UNKNOWN BF16 FP8 INT4",
    "PluginArgType": "INT",
    "PluginArgDataType": "INT8 INT16 INT32",
    "PluginCapabilityType": "CORE BUILD RUNTIME",
    "TensorRTPhase": "BUILD RUNTIME",
    "QuickPluginCreationRequest": "UNKNOWN PREFER_JIT PREFER_AOT STRICT_JIT STRICT_AOT",
}
BASES = (
    "IPluginV3 IPluginV3OneCore IPluginV3OneBuild IPluginV3OneRuntime IPluginV3QuickCore IPluginV3QuickBuild "
    "IPluginV3QuickRuntime IPluginV3QuickAOTBuild IPluginCreatorV3One IPluginCreatorV3Quick ISymExpr ITensor"
)


class IDimensionExpr:
    def __init__(self, value: Any) -> None:
        self.value = value

    def is_constant(self) -> bool:
        return not isinstance(self.value, DimExpr)

    def get_constant_value(self) -> int:
        assert self.is_constant()
        return self.value


class IExprBuilder:
    def constant(self, value: int) -> IDimensionExpr:
        assert type(value) is int
        return IDimensionExpr(value)

    def operation(self, operation: enum.Enum, left: IDimensionExpr, right: IDimensionExpr) -> IDimensionExpr:
        compute = {
            "SUM": lambda a, b: a + b,
            "SUB": lambda a, b: a - b,
            "PROD": lambda a, b: a * b,
            "FLOOR_DIV": floor_div,
            "CEIL_DIV": ceil_div,
            "MAX": maximum,
        }[operation.name]
        return IDimensionExpr(compute(left.value, right.value))


class DimsExprs(list):
    def __init__(self, sizes: Any) -> None:
        super().__init__([None] * sizes if isinstance(sizes, int) else sizes)


@attrs.define
class PluginTensorDesc:
    dims: tuple = ()
    type: Any = None
    format: Any = None
    scale: float = 1.0


@attrs.define
class DynamicPluginTensorDesc:
    desc: PluginTensorDesc
    min: tuple = ()
    opt: tuple = ()
    max: tuple = ()


class PluginField:
    def __init__(self, name: str = "", data: Any = b"", type: Any = None) -> None:
        self.name, self.type = name, type
        self.data = np.frombuffer(data, np.int8) if isinstance(data, bytes) else np.asarray(data)


class Registry:
    def __init__(self) -> None:
        self.creators: dict[tuple[str, str, str], Any] = {}

    def register_creator(self, creator: Any, namespace: str = "") -> bool:
        self.creators[creator.name, creator.plugin_version, namespace] = creator
        return True

    def get_creator(self, name: str, version: str, namespace: str = "") -> Any:
        return self.creators.get((name, version, namespace))


class INetworkDefinition:
    def add_plugin(self, func: Any, aot: bool) -> Any: ...

    def add_plugin_v3(self, inputs: Any, shape_inputs: Any, plugin: Any) -> Any: ...


class Logger:
    WARNING = 2

    def log(self, severity: int, message: str) -> None: ...


def make(name: str = "trt_standin") -> types.ModuleType:
    """A new module, with a registry of its own."""
    trt: Any = types.ModuleType(name)
    registry = Registry()
    for title, members in ENUMS.items():
        setattr(trt, title, enum.Enum(title, members))
    for title in BASES.split():
        setattr(trt, title, type(title, (), {"__init__": lambda self: None}))
    for one in (
        IDimensionExpr, IExprBuilder, DimsExprs, PluginTensorDesc, DynamicPluginTensorDesc, PluginField,
        INetworkDefinition, Logger,
    ):  # fmt: skip
        setattr(trt, one.__name__, one)
    trt.PluginFieldCollection, trt.Dims = list, types.SimpleNamespace(MAX_DIMS=8)
    trt.int32 = trt.DataType.INT32
    trt.get_plugin_registry = lambda: registry
    trt.__version__ = "11.4.0"
    return trt


def nvidia_plugin(trt: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> Any:
    """NVIDIA's own ``tensorrt.plugin`` on the stand-in. Skips where its files are not installed."""
    found = importlib.util.find_spec("tensorrt_bindings")
    if found is None or not found.submodule_search_locations:
        pytest.skip("tensorrt_cu13_bindings, which has NVIDIA's Python files of tensorrt.plugin, is not installed")
    folder = Path(next(iter(found.submodule_search_locations)))
    for name in [one for one in sys.modules if one.startswith("tensorrt.plugin")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorrt", trt)
    trt.__path__ = [str(folder)]
    module = importlib.import_module("tensorrt.plugin")
    monkeypatch.setattr(trt, "plugin", module, raising=False)
    for name in [one for one in sys.modules if one.startswith("tensorrt.plugin")]:
        monkeypatch.setitem(sys.modules, name, sys.modules[name])
    return module


def value_of(expression: Any, **dims: int) -> int:
    """The value of a stand-in's expression."""
    return evaluate(expression.value, dims)
