"""What a launch is described with: sizes, typed numbers for a kernel's arguments, and functions of the shapes.

Everything here takes ints and symbolic sizes alike, so one description serves a launch with known shapes and a
TensorRT plugin, whose shapes are known when the plan runs.
"""

from __future__ import annotations

import inspect
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import attrs
import numpy as np

from trtnn.custom.failing import raised
from trtnn.errors import DimError, KernelError, TrtnnError
from trtnn.graph.dims import DimExpr, Size, evaluate, is_int, product
from trtnn.graph.types import DType, TensorType

Expression: TypeAlias = Any  # a value, or a function (op, *input types) that gives one

_INT_RANGES = {DType.int32: (-(2**31), 2**31 - 1), DType.int64: (-(2**63), 2**63 - 1)}


@attrs.frozen
class Scalar:
    """A number that a kernel takes by value: int32, int64 or float32. An integer may be a symbolic size."""

    dtype: DType
    value: Size | float

    def concrete(self, dims: Mapping[str, int]) -> Scalar:
        """The same with every named dim replaced by its value. Raises DimError when an integer does not fit its
        type."""
        if self.dtype is DType.float32:
            return self
        return _integer(self.dtype, evaluate(self.value, dims))  # type: ignore[arg-type]

    @property
    def numpy(self) -> np.generic:
        """The number as NumPy's scalar of the type; its value must be known."""
        number: np.generic = self.dtype.numpy.type(self.value)
        return number


def int32(value: Size) -> Scalar:
    """An ``int`` argument of a kernel. Raises KernelError for anything but an integer or a size, DimError when it does
    not fit 32 bits."""
    return _integer(DType.int32, value)


def int64(value: Size) -> Scalar:
    """A ``long long`` argument of a kernel. Raises KernelError for anything but an integer or a size, DimError when it
    does not fit 64 bits."""
    return _integer(DType.int64, value)


def float32(value: float) -> Scalar:
    """A ``float`` argument of a kernel; a number known when the network is compiled. Raises KernelError for anything
    else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating, np.integer)):
        raise KernelError("float32", expected="a number", got=f"{type(value).__name__} {value!r}")
    return Scalar(DType.float32, struct.unpack("f", struct.pack("f", value))[0])


def _integer(dtype: DType, value: Size) -> Scalar:
    if isinstance(value, DimExpr):
        return Scalar(dtype, value)
    if not is_int(value):
        raise KernelError(str(dtype), expected="an integer or a size", got=f"{type(value).__name__} {value!r}")
    low, high = _INT_RANGES[dtype]
    if not low <= value <= high:
        raise DimError(
            "kernel argument", expected=f"a number that {dtype} can hold", got=str(value), remedy="use int64(...)"
        )
    return Scalar(dtype, int(value))


def size(tensor: TensorType) -> Size:
    """The number of elements of a tensor: the product of its sizes, 1 for rank 0."""
    return product(tensor.shape)


def value_of(what: str, expression: Expression, op: Any, inputs: Sequence[TensorType]) -> Any:
    """A value as it is, or what the function gives for the op and its input types. Raises KernelError for a function
    that does not take them or fails, and what `int32` and the like raise."""
    if not callable(expression):
        return expression
    _require_parameters(what, expression, 1 + len(inputs))
    try:
        return expression(op, *inputs)
    except TrtnnError as error:
        error.path = f"{what}: {error.path}" if error.path else what
        raise
    except Exception as error:
        raise KernelError(what, problem=raised(error)) from error


def _require_parameters(what: str, function: Callable[..., Any], count: int) -> None:
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        raise KernelError(
            what,
            expected=f"a function of the op and {count - 1} input types",
            got=f"({', '.join(inspect.signature(function).parameters)})",
        ) from None
