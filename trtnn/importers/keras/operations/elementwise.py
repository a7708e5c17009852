"""Elementwise operations of ``keras.ops``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from trtnn import functional as F
from trtnn.importers.keras.operations.registry import as_bool, as_float, as_number, operation, promoted
from trtnn.tensor import Tensor

UNARY: dict[str, Callable[[Any], Tensor]] = {
    "Abs": F.abs,
    "Absolute": F.abs,
    "Negative": F.negative,
    "Sign": F.sign,
    "Square": F.square,
}
"""Of any numbers."""

FLOAT_UNARY: dict[str, Callable[[Any], Tensor]] = {
    "Arccos": F.acos,
    "Arccosh": F.acosh,
    "Arcsin": F.asin,
    "Arcsinh": F.asinh,
    "Arctan": F.atan,
    "Arctanh": F.atanh,
    "Ceil": F.ceil,
    "Cos": F.cos,
    "Cosh": F.cosh,
    "Erf": F.erf,
    "Exp": F.exp,
    "Exp2": F.exp2,
    "Expm1": F.expm1,
    "Fabs": F.abs,
    "Floor": F.floor,
    "Isfinite": F.isfinite,
    "Isinf": F.isinf,
    "Isnan": F.isnan,
    "Log": F.log,
    "Log10": F.log10,
    "Log1p": F.log1p,
    "Log2": F.log2,
    "Reciprocal": F.reciprocal,
    "Rsqrt": F.rsqrt,
    "Sin": F.sin,
    "Sinh": F.sinh,
    "Sqrt": F.sqrt,
    "Tan": F.tan,
    "Tanh": F.tanh,
    "Trunc": F.trunc,
}
"""Of floats; Keras makes floats of integers first."""

BINARY: dict[str, Callable[[Any, Any], Tensor]] = {
    "Add": F.add,
    "Equal": F.equal,
    "FloorDivide": F.floor_divide,
    "Greater": F.greater,
    "GreaterEqual": F.greater_equal,
    "Less": F.less,
    "LessEqual": F.less_equal,
    "Maximum": F.maximum,
    "Minimum": F.minimum,
    "Mod": F.mod,
    "Multiply": F.multiply,
    "NotEqual": F.not_equal,
    "Power": F.power,
    "Subtract": F.subtract,
}
FLOAT_BINARY: dict[str, Callable[[Any, Any], Tensor]] = {
    "Divide": F.divide,
    "Logaddexp": F.logaddexp,
    "TrueDivide": F.divide,
}
LOGICAL: dict[str, Callable[[Any, Any], Tensor]] = {
    "LogicalAnd": F.logical_and,
    "LogicalOr": F.logical_or,
    "LogicalXor": F.logical_xor,
}


def _register() -> None:
    for name, of_numbers in UNARY.items():
        operation(name)(lambda x, function=of_numbers: function(as_number(x)))
    for name, of_floats in FLOAT_UNARY.items():
        operation(name)(lambda x, function=of_floats: function(as_float(x)))
    for name, of_two in BINARY.items():
        operation(name)(lambda x1, x2, function=of_two: function(*promoted(x1, x2)))
    for name, of_two in FLOAT_BINARY.items():
        operation(name)(lambda x1, x2, function=of_two: function(*map(as_float, promoted(x1, x2))))
    for name, of_two in LOGICAL.items():
        operation(name)(lambda x1, x2, function=of_two: function(as_bool(x1), as_bool(x2)))


_register()


@operation("LogicalNot")
def logical_not(x: Tensor) -> Tensor:
    """Not, of bools or numbers."""
    return F.logical_not(as_bool(x))


@operation("DivideNoNan")
def divide_no_nan(x1: Any, x2: Any) -> Tensor:
    """0 where the divisor is 0."""
    x1, x2 = map(as_float, promoted(x1, x2))
    if not isinstance(x2, Tensor):
        return F.divide(x1, x2) if x2 else F.zeros_like(x1)
    is_zero = F.equal(x2, 0.0)
    return F.where(is_zero, 0.0, F.divide(x1, F.where(is_zero, 1.0, x2)))


@operation("Arctan2")
def arctan2(x1: Any, x2: Any) -> Tensor:
    """The angle of the point (x2, x1), from half angles that do not cancel."""
    y, x = map(as_float, promoted(x1, x2))
    radius = F.sqrt(F.add(F.square(y), F.square(x))) if isinstance(x, Tensor) and isinstance(y, Tensor) else None
    if radius is None:
        tensor = x if isinstance(x, Tensor) else y
        y, x = (one if isinstance(one, Tensor) else F.zeros_like(tensor) + float(one) for one in (y, x))
        radius = F.sqrt(F.square(y) + F.square(x))
    right = 2.0 * F.atan(y / F.where(F.equal(radius + x, 0.0), 1.0, radius + x))
    left = 2.0 * F.atan((radius - x) / F.where(F.equal(y, 0.0), 1.0, y))
    on_axis = F.where(F.less(x, 0.0), math.pi, 0.0)
    result: Tensor = F.where(F.greater_equal(x, 0.0), right, F.where(F.equal(y, 0.0), on_axis, left))
    return result


@operation("Hypot")
def hypot(x1: Any, x2: Any) -> Tensor:
    """The root of the sum of squares."""
    x1, x2 = map(as_float, promoted(x1, x2))
    return F.sqrt(
        F.add(F.square(x1) if isinstance(x1, Tensor) else x1 * x1, F.square(x2) if isinstance(x2, Tensor) else x2 * x2)
    )


@operation("Heaviside")
def heaviside(x1: Tensor, x2: Any) -> Tensor:
    """0 below 0, 1 above, x2 at 0."""
    x1, x2 = map(as_float, promoted(x1, x2))
    return F.where(F.equal(x1, 0.0), x2, F.where(F.greater(x1, 0.0), 1.0, F.zeros_like(x1)))


@operation("Cbrt")
def cbrt(x: Tensor) -> Tensor:
    """The cube root."""
    x = as_float(x)
    return F.sign(x) * F.abs(x) ** (1 / 3)


@operation("Sinc")
def sinc(x: Tensor) -> Tensor:
    """``sin(pi x) / (pi x)``, 1 at 0."""
    angle = as_float(x) * math.pi
    is_zero = F.equal(angle, 0.0)
    return F.where(is_zero, 1.0, F.sin(angle) / F.where(is_zero, 1.0, angle))


@operation("Deg2rad")
def deg2rad(x: Tensor) -> Tensor:
    """Degrees as radians."""
    return as_float(x) * (math.pi / 180)  # type: ignore[no-any-return]


@operation("Rad2deg")
def rad2deg(x: Tensor) -> Tensor:
    """Radians as degrees."""
    return as_float(x) * (180 / math.pi)  # type: ignore[no-any-return]


@operation("Round")
def round_(x: Tensor, decimals: int = 0) -> Tensor:
    """Halves to the even digit."""
    x = as_float(x)
    factor = 10.0**decimals
    return F.round(x) if decimals == 0 else F.round(x * factor) / factor


@operation("Clip")
def clip(x: Tensor, x_min: float, x_max: float) -> Tensor:
    """Between two numbers, or arrays."""
    if isinstance(x_min, (int, float)) and isinstance(x_max, (int, float)) and x.dtype.is_float:
        return F.clip(x, x_min, x_max)
    x, x_min, x_max = promoted(x, x_min, x_max)
    return F.minimum(F.maximum(x, x_min), x_max)


@operation("NanToNum")
def nan_to_num(x: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """NaN and infinities replaced, by the largest floats unless given."""
    largest = float(np.finfo(np.float32).max)
    x = F.where(F.isnan(x), nan, x)
    x = F.where(F.equal(x, math.inf), largest if posinf is None else posinf, x)
    return F.where(F.equal(x, -math.inf), -largest if neginf is None else neginf, x)


@operation("Where")
def where(condition: Any, x1: Any, x2: Any) -> Tensor:
    """x1 where the condition holds."""
    if isinstance(x1, Tensor) or isinstance(x2, Tensor):
        x1, x2 = promoted(x1, x2)
    return F.where(as_bool(condition), x1, x2)


@operation("Cast", "SaturateCast")
def cast(x: Tensor, dtype: str) -> Tensor:
    """Another data type; half precision stays float32, as everywhere in an imported model."""
    if dtype == "bool":
        return as_bool(x)  # type: ignore[no-any-return]
    return F.cast(x, "float32" if "float" in dtype else dtype)


@operation("ConvertToTensor", "StopGradient", "Copy", "Conj", "Conjugate", "Real", "Array")
def unchanged(x: Tensor, dtype: str | None = None) -> Tensor:
    """The tensor itself, of the data type that is asked for."""
    return x if dtype is None else cast(x, dtype)


@operation("ZerosLike")
def zeros_like(x: Tensor, dtype: str | None = None) -> Tensor:
    """Zeros of the same shape."""
    return unchanged(F.zeros_like(x), dtype)


@operation("OnesLike")
def ones_like(x: Tensor, dtype: str | None = None) -> Tensor:
    """Ones of the same shape."""
    return unchanged(F.ones_like(x), dtype)


@operation("FullLike")
def full_like(x: Tensor, fill_value: float, dtype: str | None = None) -> Tensor:
    """A number in the same shape."""
    zeros = zeros_like(x, dtype)
    return F.add(*promoted(zeros, fill_value))
