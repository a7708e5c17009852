"""Data types and tensor types of the graph."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import TypeAlias

import attrs
import numpy as np

from trtnn.errors import DTypeError
from trtnn.graph.dims import Size, evaluate

Shape: TypeAlias = tuple[Size, ...]


class DType(enum.Enum):
    """An element type; the value is NumPy's name for it."""

    float32 = "float32"
    float16 = "float16"
    bfloat16 = "bfloat16"
    int64 = "int64"
    int32 = "int32"
    int8 = "int8"
    uint8 = "uint8"
    bool = "bool"
    float8 = "float8_e4m3fn"
    int4 = "int4"

    @property
    def numpy(self) -> np.dtype:
        """The NumPy dtype, in the machine's byte order."""
        if self in (DType.bfloat16, DType.float8, DType.int4):
            import ml_dtypes

            exotic: type = getattr(ml_dtypes, self.value)
            return np.dtype(exotic)
        name: str = self.value
        return np.dtype(name)

    @property
    def is_float(self) -> bool:  # type: ignore[valid-type]  # `bool` is a member here
        """True for floating-point types that are computed in; float8 is a storage type, as the integers of quantized
        values are."""
        return self in (DType.float32, DType.float16, DType.bfloat16)

    @property
    def is_integer(self) -> bool:  # type: ignore[valid-type]
        """True for integer types; bool is not one."""
        return self in (DType.int64, DType.int32, DType.int8, DType.uint8)

    @property
    def short(self) -> str:
        """The name used in a graph's text: f32, i64, bool."""
        return self.value.replace("bfloat", "bf").replace("float", "f").replace("uint", "u").replace("int", "i")

    def __str__(self) -> str:
        return self.value


def as_dtype(dtype: object) -> DType:
    """A DType from a DType, a NumPy dtype, or a name such as "float32". Raises DTypeError for anything else."""
    if isinstance(dtype, DType):
        return dtype
    if isinstance(dtype, str) and dtype in DType.__members__:
        return DType[dtype]
    try:
        return DType(np.dtype(dtype).name)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        known = ", ".join(member.value for member in DType)
        raise DTypeError("dtype", expected=f"one of {known}", got=repr(dtype)) from None


@attrs.frozen
class TensorType:
    """What is known of a tensor before it has values: its data type and its shape of ints and symbolic dims."""

    dtype: DType
    shape: Shape

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def is_static(self) -> bool:
        """True when no dim is symbolic."""
        return all(isinstance(size, int) for size in self.shape)

    def concrete(self, values: Mapping[str, int]) -> tuple[int, ...]:
        """The shape with every named dim replaced by its value."""
        return tuple(evaluate(size, values) for size in self.shape)

    def __str__(self) -> str:
        return f"{self.dtype.short}[{', '.join(map(str, self.shape))}]"


def packed_int4(array: np.ndarray) -> np.ndarray:
    """The bytes of int4 values, two in each, the first in the lower half: what TensorRT and ONNX both read."""
    nibbles = array.reshape(-1).astype(np.int8).view(np.uint8) & 0xF
    padded = np.append(nibbles, np.zeros(nibbles.size % 2, np.uint8))
    packed: np.ndarray = padded[0::2] | padded[1::2] << 4
    return packed


def shape_text(shape: Shape) -> str:
    """A shape as errors show it: (batch, 8, 8, 1)."""
    inner = ", ".join(map(str, shape))
    return f"({inner},)" if len(shape) == 1 else f"({inner})"
