"""Elementwise functions, comparisons and casts.

Operands are tensors, parameters, arrays or numbers; shapes broadcast as in NumPy. Data types must agree (numbers
adapt): DTypeError otherwise, and ShapeError when shapes do not broadcast.
"""

from __future__ import annotations

from trtnn.functional.operands import Operand, lift, lift_broadcast, lift_one
from trtnn.graph import as_dtype
from trtnn.graph.ops import Binary, Cast, Select, Unary
from trtnn.tensor import Tensor

__all__ = [
    "abs",
    "acos",
    "acosh",
    "add",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "cast",
    "ceil",
    "cos",
    "cosh",
    "divide",
    "equal",
    "erf",
    "exp",
    "floor",
    "floor_divide",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "log",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "maximum",
    "minimum",
    "mod",
    "multiply",
    "negative",
    "not_equal",
    "power",
    "reciprocal",
    "round",
    "rsqrt",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "subtract",
    "tan",
    "where",
]


def _unary(kind: str, x: Operand) -> Tensor:
    tracer, tensor = lift_one(x)
    return tracer.apply(Unary(kind), tensor)


def _binary(kind: str, x: Operand, y: Operand) -> Tensor:
    tracer, tensors = lift_broadcast(x, y)
    return tracer.apply(Binary(kind), *tensors)


def add(x: Operand, y: Operand) -> Tensor:
    """x + y."""
    return _binary("add", x, y)


def subtract(x: Operand, y: Operand) -> Tensor:
    """x - y."""
    return _binary("subtract", x, y)


def multiply(x: Operand, y: Operand) -> Tensor:
    """x * y."""
    return _binary("multiply", x, y)


def divide(x: Operand, y: Operand) -> Tensor:
    """x / y, floats only."""
    return _binary("divide", x, y)


def floor_divide(x: Operand, y: Operand) -> Tensor:
    """x / y rounded down, as Python's ``//``."""
    return _binary("floor_divide", x, y)


def mod(x: Operand, y: Operand) -> Tensor:
    """The remainder with the sign of y, as Python's ``%``."""
    return _binary("mod", x, y)


def power(x: Operand, y: Operand) -> Tensor:
    """x ** y."""
    return _binary("power", x, y)


def maximum(x: Operand, y: Operand) -> Tensor:
    """The larger one, element by element."""
    return _binary("maximum", x, y)


def minimum(x: Operand, y: Operand) -> Tensor:
    """The smaller one, element by element."""
    return _binary("minimum", x, y)


def equal(x: Operand, y: Operand) -> Tensor:
    """x == y, as bool."""
    return _binary("equal", x, y)


def not_equal(x: Operand, y: Operand) -> Tensor:
    """x != y, as bool."""
    return logical_not(equal(x, y))


def less(x: Operand, y: Operand) -> Tensor:
    """x < y, as bool."""
    return _binary("less", x, y)


def greater(x: Operand, y: Operand) -> Tensor:
    """x > y, as bool."""
    return _binary("greater", x, y)


def less_equal(x: Operand, y: Operand) -> Tensor:
    """x <= y, as bool; false where either is NaN."""
    return logical_or(less(x, y), equal(x, y))


def greater_equal(x: Operand, y: Operand) -> Tensor:
    """x >= y, as bool; false where either is NaN."""
    return logical_or(greater(x, y), equal(x, y))


def logical_and(x: Operand, y: Operand) -> Tensor:
    """Both, for bool operands."""
    return _binary("logical_and", x, y)


def logical_or(x: Operand, y: Operand) -> Tensor:
    """Either, for bool operands."""
    return _binary("logical_or", x, y)


def logical_xor(x: Operand, y: Operand) -> Tensor:
    """Exactly one, for bool operands."""
    return _binary("logical_xor", x, y)


def logical_not(x: Operand) -> Tensor:
    """The opposite, for a bool operand."""
    return _unary("logical_not", x)


def negative(x: Operand) -> Tensor:
    """-x."""
    return _unary("negative", x)


def abs(x: Operand) -> Tensor:  # NumPy's and TensorFlow's name
    """The magnitude of x."""
    return _unary("abs", x)


def sign(x: Operand) -> Tensor:
    """-1, 0 or 1."""
    return _unary("sign", x)


def exp(x: Operand) -> Tensor:
    """e ** x."""
    return _unary("exp", x)


def log(x: Operand) -> Tensor:
    """The natural logarithm."""
    return _unary("log", x)


def sqrt(x: Operand) -> Tensor:
    """The square root."""
    return _unary("sqrt", x)


def rsqrt(x: Operand) -> Tensor:
    """1 / sqrt(x)."""
    return reciprocal(sqrt(x))


def square(x: Operand) -> Tensor:
    """x * x."""
    return multiply(x, x)


def reciprocal(x: Operand) -> Tensor:
    """1 / x."""
    return _unary("reciprocal", x)


def sin(x: Operand) -> Tensor:
    """Sine of radians."""
    return _unary("sin", x)


def cos(x: Operand) -> Tensor:
    """Cosine of radians."""
    return _unary("cos", x)


def tan(x: Operand) -> Tensor:
    """Tangent of radians."""
    return _unary("tan", x)


def asin(x: Operand) -> Tensor:
    """Arc sine, in radians."""
    return _unary("asin", x)


def acos(x: Operand) -> Tensor:
    """Arc cosine, in radians."""
    return _unary("acos", x)


def atan(x: Operand) -> Tensor:
    """Arc tangent, in radians."""
    return _unary("atan", x)


def sinh(x: Operand) -> Tensor:
    """Hyperbolic sine."""
    return _unary("sinh", x)


def cosh(x: Operand) -> Tensor:
    """Hyperbolic cosine."""
    return _unary("cosh", x)


def asinh(x: Operand) -> Tensor:
    """Inverse hyperbolic sine."""
    return _unary("asinh", x)


def acosh(x: Operand) -> Tensor:
    """Inverse hyperbolic cosine."""
    return _unary("acosh", x)


def atanh(x: Operand) -> Tensor:
    """Inverse hyperbolic tangent."""
    return _unary("atanh", x)


def erf(x: Operand) -> Tensor:
    """The Gauss error function."""
    return _unary("erf", x)


def floor(x: Operand) -> Tensor:
    """Rounded down."""
    return _unary("floor", x)


def ceil(x: Operand) -> Tensor:
    """Rounded up."""
    return _unary("ceil", x)


def round(x: Operand) -> Tensor:  # NumPy's and TensorFlow's name
    """Rounded to the nearest integer, halves to the even one."""
    return _unary("round", x)


def where(condition: Operand, x: Operand, y: Operand) -> Tensor:
    """x where the bool condition holds, else y; shapes broadcast."""
    tracer, (x, y) = lift(x, y) if isinstance(x, Tensor) or isinstance(y, Tensor) else (None, (x, y))
    if tracer is None:
        tracer, (condition,) = lift(condition)
        x = tracer.lift(x)
        y = tracer.lift(y, x)
    tracer, tensors = lift_broadcast(condition, x, y)
    return tracer.apply(Select(), *tensors)


def cast(x: Operand, dtype: object) -> Tensor:
    """x converted to another data type; floats round toward zero on the way to integers."""
    tracer, tensor = lift_one(x)
    wanted = as_dtype(dtype)
    return tensor if tensor.dtype is wanted else tracer.apply(Cast(wanted), tensor)
