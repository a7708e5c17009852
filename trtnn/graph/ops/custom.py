"""Operations that a user defined."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import attrs

from trtnn.errors import CustomOpError
from trtnn.graph.dims import DimExpr, Size, is_int
from trtnn.graph.named_dim import Dim
from trtnn.graph.ops.base import Op
from trtnn.graph.types import DType, TensorType, as_dtype


def inferred_types(found: Any) -> tuple[TensorType, ...]:
    """What a user's ``infer`` returned, a type or a tuple of them, with plain ints for sizes. Raises CustomOpError or
    DTypeError for anything else."""
    results = found if isinstance(found, tuple) else (found,)
    if not results or not all(isinstance(one, TensorType) and all(map(_is_size, one.shape)) for one in results):
        raise CustomOpError(
            expected="infer to return a TensorType or a tuple of them, with sizes of 0 and more",
            got=f"{type(found).__name__} {found!r}",
        )
    return tuple(TensorType(as_dtype(one.dtype), tuple(map(_plain, one.shape))) for one in results)


def _is_size(size: object) -> bool:
    return isinstance(size, DimExpr) or (is_int(size) and size >= 0)


def _plain(size: Size) -> Size:
    return int(size) if is_int(size) else size


class UserOp(Protocol):
    """What the graph and its passes ask of a user's operation; `trtnn.custom.CustomOp` is one."""

    @property
    def name(self) -> str:
        """``namespace::name``."""

    @property
    def attributes(self) -> Mapping[str, object]:
        """The attributes' values by name."""

    @property
    def elementwise(self) -> bool:
        """True when the operation means the same in every layout: one result, of the rank of every operand."""

    @property
    def dtypes(self) -> tuple[DType, ...]:
        """The floating-point types that it computes on."""

    @property
    def sizes(self) -> tuple[Dim, ...]:
        """The sizes of results that only running the operation tells."""

    @property
    def has_decomposition(self) -> bool:
        """True when `decompose` can be called."""

    def infer(self, *inputs: TensorType, sizes: Mapping[str, str]) -> tuple[TensorType, ...]:
        """The results' types; ``sizes`` are the names that the operation's own sizes have in the graph."""

    def decompose(self, *operands: Any) -> tuple[Any, ...]:
        """The results in terms of functions on tensors."""


@attrs.frozen(eq=False, repr=False)
class Custom(Op):
    """A user's operation with its attributes.

    Results may have sizes that only running it tells: named dims of its own. ``sizes`` has their names in this graph
    by the names that the definition gives them; such a size may be 0 at run time.
    """

    custom: UserOp
    sizes: Mapping[str, str] = attrs.field(factory=dict)

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        """What the definition infers. Raises what it raises."""
        return self.custom.infer(*inputs, sizes=self.sizes)

    @property
    def name(self) -> str:
        """The definition's name without its namespace."""
        return self.custom.name.rpartition("::")[2]

    @property
    def attributes(self) -> dict[str, object]:
        """The full name and the user's attributes."""
        return {"custom": self.custom.name, **self.custom.attributes}
