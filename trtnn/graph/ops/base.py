"""What every operation of the graph is: frozen attributes and a typing rule."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

import attrs

from trtnn.errors import DTypeError, ShapeError
from trtnn.graph.dims import Size, is_int
from trtnn.graph.types import DType, Shape, TensorType, shape_text

Inferred: TypeAlias = TensorType | tuple[TensorType, ...]

NUMBERS = (DType.float32, DType.float16, DType.bfloat16, DType.int32, DType.int64)
"""What arithmetic takes."""


@attrs.frozen(eq=False, repr=False)
class Op:
    """An operation without its operands: what it does is its class and its fields, all known before anything runs.

    Ops compare by identity and share one ``repr``: writing one per class would be a good part of importing them. What
    a target does with an op lives in that target's backend.
    """

    def infer(self, *inputs: TensorType) -> Inferred:
        """The types of the results for operands of these types. Raises ShapeError or DTypeError when they do not
        fit."""
        raise NotImplementedError(type(self).__name__)  # every op says what it makes

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.attributes.items())
        return f"{type(self).__name__}({shown})"

    @property
    def name(self) -> str:
        """The op's name in a graph's text, in snake case."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()

    @property
    def attributes(self) -> dict[str, object]:
        """The fields that a graph's text shows: all but those that have their default, or are the op's name."""
        fields = {field.name: field.default for field in attrs.fields(type(self))}
        values = {name: getattr(self, name) for name in fields}
        named = {name for name, value in values.items() if name == "kind" and self.name.endswith(value)}
        return {name: value for name, value in values.items() if value != fields[name] and name not in named}


def require_rank(what: str, got: TensorType, expected: int) -> None:
    """Raises ShapeError unless the operand has the rank."""
    if got.rank != expected:
        raise ShapeError(expected=f"{what} of rank {expected}", got=f"rank {got.rank}, shape {shape_text(got.shape)}")


def require_same_dtype(inputs: Sequence[TensorType]) -> None:
    """Raises DTypeError unless all operands have one data type."""
    found = {one.dtype for one in inputs}
    if len(found) > 1:
        raise DTypeError(
            expected="operands of one data type",
            got=" and ".join(str(one.dtype) for one in inputs),
            remedy="convert one with .cast(...); nothing is converted silently",
        )


def require_float(what: str, got: TensorType) -> None:
    """Raises DTypeError unless the operand is of a floating-point type."""
    if not got.dtype.is_float:
        raise DTypeError(expected=f"{what} of a floating-point type", got=str(got.dtype), remedy='use .cast("float32")')


def require_dtype(what: str, got: TensorType, *expected: DType) -> None:
    """Raises DTypeError unless the operand has one of the data types."""
    if got.dtype not in expected:
        names = " or ".join(map(str, expected))
        raise DTypeError(expected=f"{what} of {names}", got=str(got.dtype), remedy=f'use .cast("{expected[0]}")')


def broadcast(*shapes: Shape) -> Shape:
    """The common shape of operands of one rank, where a size of 1 stretches. Raises ShapeError when sizes differ."""
    if len({len(shape) for shape in shapes}) > 1:
        raise ShapeError(expected="operands of one rank", got=" and ".join(map(shape_text, shapes)))
    return tuple(_common(sizes, shapes) for sizes in zip(*shapes, strict=True))


def _common(sizes: tuple[Size, ...], shapes: tuple[Shape, ...]) -> Size:
    distinct = list(dict.fromkeys(size for size in sizes if size != 1))
    if len(distinct) > 1:
        raise ShapeError(
            expected="shapes that broadcast",
            got=" and ".join(map(shape_text, shapes)),
            remedy=f"{distinct[0]} and {distinct[1]} must be equal, or one of them 1",
        )
    return distinct[0] if distinct else 1


def normalize_axis(axis: int, rank: int) -> int:
    """An axis counted from the front. Raises ShapeError when it lies outside the rank."""
    if not is_int(axis) or not -rank <= axis < rank:
        raise ShapeError(expected=f"an axis from {-rank} to {rank - 1}", got=repr(axis))
    return int(axis) % rank
