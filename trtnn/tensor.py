"""The symbolic tensor that ``forward`` works on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from trtnn.errors import TraceError
from trtnn.graph import DType, Shape, Size, Value

if TYPE_CHECKING:
    from trtnn.trace import Tracer


class Tensor:
    """A tensor that is being traced: it has a data type and a shape, but no values.

    Operators, slicing and the methods below record operations. Branching on a tensor's values, or taking them out of
    it, raises TraceError: a graph has no values yet. So does ``==`` with anything but the tensor itself:
    ``functional.equal`` compares elements.
    """

    __slots__ = ("tracer", "value")
    __array_priority__ = 1000  # numpy_array + tensor calls Tensor.__radd__

    def __init__(self, tracer: Tracer, value: Value) -> None:
        self.tracer, self.value = tracer, value

    @property
    def shape(self) -> Shape:
        """Sizes of the axes: ints, and symbolic expressions such as ``(width + 1) // 2``."""
        return self.value.type.shape

    @property
    def dtype(self) -> DType:
        """The data type of the elements."""
        return self.value.type.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def __add__(self, other: Any) -> Tensor:
        return F.add(self, other)

    def __radd__(self, other: Any) -> Tensor:
        return F.add(other, self)

    def __sub__(self, other: Any) -> Tensor:
        return F.subtract(self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return F.subtract(other, self)

    def __mul__(self, other: Any) -> Tensor:
        return F.multiply(self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return F.multiply(other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return F.divide(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return F.divide(other, self)

    def __floordiv__(self, other: Any) -> Tensor:
        return F.floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Tensor:
        return F.floor_divide(other, self)

    def __mod__(self, other: Any) -> Tensor:
        return F.mod(self, other)

    def __rmod__(self, other: Any) -> Tensor:
        return F.mod(other, self)

    def __pow__(self, other: Any) -> Tensor:
        return F.power(self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return F.power(other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return F.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return F.matmul(other, self)

    def __and__(self, other: Any) -> Tensor:
        return F.logical_and(self, other)

    def __or__(self, other: Any) -> Tensor:
        return F.logical_or(self, other)

    def __xor__(self, other: Any) -> Tensor:
        return F.logical_xor(self, other)

    def __invert__(self) -> Tensor:
        return F.logical_not(self)

    def __lt__(self, other: Any) -> Tensor:
        return F.less(self, other)

    def __le__(self, other: Any) -> Tensor:
        return F.less_equal(self, other)

    def __gt__(self, other: Any) -> Tensor:
        return F.greater(self, other)

    def __ge__(self, other: Any) -> Tensor:
        return F.greater_equal(self, other)

    def __neg__(self) -> Tensor:
        return F.negative(self)

    def __abs__(self) -> Tensor:
        return F.abs(self)

    def __getitem__(self, index: Any) -> Tensor:
        return F.getitem(self, index)

    def __len__(self) -> int:
        if not self.shape or not isinstance(self.shape[0], int):
            raise TraceError(
                problem="the size of axis 0 is not known while tracing: it has no length and cannot be iterated over",
                remedy="use tensor.shape[0], which may be symbolic, slices, or functional.scan",
            )
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> NoReturn:
        raise TraceError(
            problem="a branch on a tensor's value cannot be traced",
            remedy="use functional.where(condition, a, b), which computes both",
        )

    def __eq__(self, other: object) -> bool:
        if other is not self:
            raise TraceError(
                problem="== compares no elements: a graph has no values to branch on",
                remedy="use functional.equal, or `is`",
            )
        return True

    __hash__ = object.__hash__

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TraceError(
            problem="a traced tensor has no values for NumPy",
            remedy="use trtnn.functional, or compile the model and call the engine",
        )

    __array_function__ = __array__

    def __int__(self) -> NoReturn:
        raise TraceError(problem="a traced tensor has no value", remedy="keep computing with the tensor itself")

    __index__ = __float__ = __complex__ = __int__

    def reshape(self, *shape: Size | tuple[Size, ...]) -> Tensor:
        """The same elements under another shape; one size may be -1. See `functional.reshape`."""
        return F.reshape(self, _unpack(shape))

    def transpose(self, *axes: int | tuple[int, ...]) -> Tensor:
        """The axes in another order; reversed when none are given. See `functional.transpose`."""
        return F.transpose(self, _unpack(axes) or None)

    def flatten(self) -> Tensor:
        """(batch, everything else). See `functional.flatten`."""
        return F.flatten(self)

    def squeeze(self, axis: int | tuple[int, ...] | None = None) -> Tensor:
        """Without axes of size 1. See `functional.squeeze`."""
        return F.squeeze(self, axis)

    def expand_dims(self, axis: int) -> Tensor:
        """With a new axis of size 1. See `functional.expand_dims`."""
        return F.expand_dims(self, axis)

    def cast(self, dtype: object) -> Tensor:
        """Converted to another data type. See `functional.cast`."""
        return F.cast(self, dtype)

    astype = cast

    def sum(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        """The sum over axes (all when None)."""
        return F.reduce_sum(self, axis, keepdims)

    def mean(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        """The mean over axes (all when None)."""
        return F.reduce_mean(self, axis, keepdims)

    def max(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        """The maximum over axes (all when None)."""
        return F.reduce_max(self, axis, keepdims)

    def min(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        """The minimum over axes (all when None)."""
        return F.reduce_min(self, axis, keepdims)

    def __repr__(self) -> str:
        return f"Tensor({self.value.type})"


def _unpack(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    nested = len(arguments) == 1 and isinstance(arguments[0], (tuple, list))
    return tuple(arguments[0]) if nested else arguments


import trtnn.functional as F  # noqa: E402  # the operators' functions take Tensors themselves
