"""A stand-in for the module ``tensorrt.plugin``: it keeps the functions it is given, and calculates with sizes.

The rules it checks are those that NVIDIA's own files check: explicit parameters with the operands' types first, then
attributes of plain types, and for ``aot_impl`` the return annotation.
"""

from __future__ import annotations

import inspect
import types
import typing
from typing import Any


class ShapeExpr:
    """A size, int or symbolic; without one it is a fake, as TensorRT gives them while only types are asked for."""

    def __init__(self, size: Any = None) -> None:
        self.size = size.size if isinstance(size, ShapeExpr) else size

    @property
    def is_fake(self) -> bool:
        return self.size is None

    def __add__(self, other: ShapeExpr) -> ShapeExpr:
        return ShapeExpr(self.size + other.size)

    def __sub__(self, other: ShapeExpr) -> ShapeExpr:
        return ShapeExpr(self.size - other.size)

    def __mul__(self, other: ShapeExpr) -> ShapeExpr:
        return ShapeExpr(self.size * other.size)

    def __floordiv__(self, other: ShapeExpr) -> ShapeExpr:
        return ShapeExpr(self.size // other.size)


class TensorDesc:
    def __init__(self, shape_expr: Any, dtype: Any) -> None:
        self.shape_expr, self.dtype = shape_expr, dtype


class SymExprs(list):
    def __init__(self, length: int) -> None:
        super().__init__([None] * length)


class KernelLaunchParams:
    grid_x = grid_y = grid_z = block_x = block_y = block_z = 1
    shared_mem = 0


class AutoTuneCombination:
    def __init__(self, io_types: str, layouts: str, tactics: list[int]) -> None:
        self.io_types, self.layouts, self.tactics = io_types, layouts, tactics


class PluginDef:
    """A registered plugin; calling it keeps what a plugin was made of."""

    def __init__(self, function: Any) -> None:
        self.describe = function
        self.parameters = inspect.signature(function).parameters
        for parameter in self.parameters.values():
            assert parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
            assert parameter.annotation in (TensorDesc, str)
        assert typing.get_origin(inspect.signature(function).return_annotation) is tuple

    def __call__(self, *tensors: Any, **attributes: Any) -> Any:
        assert len(tensors) + len(attributes) == len(self.parameters)
        return lambda: (self, tensors, attributes)


def make() -> Any:
    """A new module without plugins."""
    module: Any = types.ModuleType("trt_standin.plugin")
    module.op = types.SimpleNamespace()
    module.max = lambda a, b: ShapeExpr(_maximum(a.size, b.size))
    module.from_shape_expr = lambda shape, dtype: TensorDesc(shape, dtype)
    module.SymIntExprs, module.SymInt32 = SymExprs, ShapeExpr
    for one in (ShapeExpr, TensorDesc, SymExprs, KernelLaunchParams, AutoTuneCombination):
        setattr(module, one.__name__, one)

    def found(name: str) -> PluginDef:
        namespace, _, own = name.partition("::")
        return getattr(getattr(module.op, namespace), own)

    def register(name: str) -> Any:
        namespace, _, own = name.partition("::")
        if not hasattr(module.op, namespace):
            setattr(module.op, namespace, types.SimpleNamespace())
        return lambda function: setattr(getattr(module.op, namespace), own, PluginDef(function))

    def autotune(name: str) -> Any:
        def keep(function: Any) -> None:
            assert list(inspect.signature(function).parameters) == [*found(name).parameters, "outputs"]
            found(name).choose = function

        return keep

    def aot_impl(name: str) -> Any:
        def keep(function: Any) -> None:
            signature = inspect.signature(function)
            assert list(signature.parameters) == [*found(name).parameters, "outputs", "tactic"]
            arguments = typing.get_args(signature.return_annotation)
            assert arguments[2:] == (KernelLaunchParams, SymExprs)
            found(name).implement = function

        return keep

    module.register, module.autotune, module.aot_impl = register, autotune, aot_impl
    return module


def _maximum(a: Any, b: Any) -> Any:
    from trtnn.graph.dims import maximum

    return maximum(a, b)
