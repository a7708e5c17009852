"""What every source of weights looks like to the rest: variables with names, found by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self

import attrs
from numpy.typing import NDArray

from trtnn.weights.slot import Slot

_OUTPUT_NUMBER = re.compile(r":\d+$")


def plain_name(name: str) -> str:
    """``name`` without the ``:0`` that TensorFlow's variable.name ends with."""
    return _OUTPUT_NUMBER.sub("", name)


@attrs.frozen(eq=False)
class Variable:
    """One variable of a file. ``read`` gets its value, a read-only view of the file's bytes where that is possible.

    ``name`` is what messages call it. ``dtype`` is TensorFlow's name of the type. ``ignored`` says why no model can
    want it ("optimizer slot"), or is empty. ``parts`` are the pieces of a partitioned variable whose axis the file
    does not tell.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], NDArray[Any]] = attrs.field(repr=False)
    ignored: str = ""
    parts: tuple[Variable, ...] = attrs.field(default=(), repr=False)


@attrs.frozen(eq=False)
class Hit:
    """A variable that a name may mean.

    ``evidence`` says how it was found: by a "name" of its own, or by a "path" of attributes in an object graph.
    """

    variable: Variable
    evidence: str = "name"


class WeightsFile:
    """An open source of weights; a context manager, as some sources keep a file open.

    ``title`` is what messages call it. ``hint`` explains why something may be missing, or is empty.
    """

    def __init__(
        self, title: str, variables: Iterable[Variable], hint: str = "", close: Callable[[], None] | None = None
    ) -> None:
        self.title = title
        self.variables = tuple(variables)
        self.hint = hint
        self._close = close
        self._by_name: dict[str, list[Variable]] = {}
        for variable in self.variables:
            self.index(variable.name, variable)

    def index(self, name: str, variable: Variable) -> None:
        """Lets ``find`` find ``variable`` by ``name`` too."""
        found = self._by_name.setdefault(plain_name(name), [])
        if variable not in found:
            found.append(variable)

    def find(self, name: str) -> list[Hit]:
        """All variables that ``name``, such as ``conv1/kernel`` or ``conv1/kernel:0``, may mean; often none or one."""
        return [Hit(variable) for variable in self._by_name.get(plain_name(name), ())]

    def fitted(self, slots: Sequence[Slot]) -> WeightsFile:
        """The file as it looks to a model that wants ``slots``: this one, unless it has no names."""
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._close is not None:
            self._close()
