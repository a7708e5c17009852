"""Declared inputs: the shape and data type that an argument of ``forward`` will have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import attrs

from trtnn.errors import ArgumentError, DimError
from trtnn.graph.dims import is_int
from trtnn.graph.named_dim import Dim
from trtnn.graph.types import DType, TensorType, as_dtype

DimSpec: TypeAlias = int | str | Dim


def _as_dim(spec: DimSpec) -> int | Dim:
    if isinstance(spec, str):
        return Dim(spec)
    if isinstance(spec, Dim):
        return spec
    if is_int(spec) and spec > 0:
        return int(spec)
    raise ArgumentError("Input", expected="dims that are positive ints, names or Dim(...)", got=repr(spec))


@attrs.frozen(init=False)
class Input:
    """What one argument of ``forward`` takes: ``Input("batch", 224, 224, 3)``.

    A dim is an int, a name, or ``Dim(name, min=, opt=, max=)``. Targets that build for a range of sizes (TensorRT)
    take it from the Dim or from ``compile(dims=...)``; for the name "batch" it is 1..16 unless given. ``shape`` is a
    tuple of ints and Dims. Raises ArgumentError for a dim that is none of these and DTypeError for an unknown
    ``dtype``.
    """

    shape: tuple[int | Dim, ...]
    dtype: DType

    def __init__(self, *dims: DimSpec, dtype: object = "float32") -> None:
        self.__attrs_init__(tuple(map(_as_dim, dims)), as_dtype(dtype))

    @property
    def type(self) -> TensorType:
        """The shape with symbols in the place of Dims."""
        return TensorType(self.dtype, tuple(dim.symbol if isinstance(dim, Dim) else dim for dim in self.shape))

    def __str__(self) -> str:
        return f"{self.dtype.short}[{', '.join(map(str, self.shape))}]"

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"Input has no attribute {name!r}: it only declares an argument of forward; "
            "call the module with a tensor, or give the Input to compile()"
        )


def collect_dims(inputs: Iterable[tuple[str, Input]]) -> dict[str, Dim]:
    """The named dims of all inputs. Raises DimError when one name comes with two ranges."""
    found: dict[str, Dim] = {}
    for name, declared in inputs:
        for dim in declared.shape:
            if not isinstance(dim, Dim):
                continue
            other = found.get(dim.name)
            if other is not None and other.range and dim.range and other.range != dim.range:
                raise DimError(
                    f"{name}: {dim.name}",
                    problem=f"has the range {dim.range} here and {other.range} in another input",
                    remedy="a dim of one name has one size: give it one range, or another name",
                )
            found[dim.name] = dim if other is None or dim.range else other
    return found
