"""A named dimension of an input, with the range of sizes that it may take."""

from __future__ import annotations

import attrs

from trtnn.errors import ArgumentError
from trtnn.graph.dims import DimExpr, is_int, symbol


@attrs.frozen
class Dim:
    """A named dimension of an input and the range of sizes it may take at run time.

    ``min``, ``opt`` and ``max`` are element counts; ``opt`` is the size that TensorRT tunes for. All three may be
    None: then the range is given to ``compile(dims={name: (min, opt, max)})``. Raises ArgumentError unless 1 <= min
    <= opt <= max.
    """

    name: str
    min: int | None = None
    opt: int | None = None
    max: int | None = None

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise ArgumentError(
                f"Dim({self.name!r})", expected="a name such as 'batch' or 'width'", got=repr(self.name)
            )
        if self.min is None and self.opt is None and self.max is None:
            return
        low, high = (1 if self.min is None else self.min), self.max
        best = self.opt if self.opt is not None else high
        if not (is_int(low) and is_int(best) and is_int(high) and 1 <= low <= best <= high):
            raise ArgumentError(
                f"Dim({self.name!r})",
                expected="1 <= min <= opt <= max",
                got=f"min={self.min}, opt={self.opt}, max={self.max}",
                remedy="give at least max; min is 1 and opt is max unless given",
            )
        for field, value in (("min", low), ("opt", best)):
            object.__setattr__(self, field, value)

    @property
    def range(self) -> tuple[int, int, int] | None:
        """(min, opt, max), or None when the dim has no range yet."""
        if self.min is None or self.opt is None or self.max is None:
            return None
        return self.min, self.opt, self.max

    @property
    def symbol(self) -> DimExpr:
        """The dim as an expression, for arithmetic and shapes."""
        return symbol(self.name)

    def __str__(self) -> str:
        return self.name if self.range is None else f"{self.name}={self.min}..{self.max}"
