"""Modules that hold modules: in a row, or in a list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, overload

from trtnn.module import Module


class Sequential(Module):
    """Modules and functions of one tensor, called one after the other."""

    def __init__(self, *steps: Any) -> None:
        self.steps = list(steps)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """("0", module), ("1", module) and so on."""
        return ((str(i), step) for i, step in enumerate(self.steps) if isinstance(step, Module))

    def forward(self, x: Any) -> Any:
        """The last step's result."""
        for step in self.steps:
            x = step(x)
        return x

    def __getitem__(self, index: int) -> Any:
        return self.steps[index]

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.steps)


class ModuleList(Module):
    """A list of modules, for `forward` to loop over. A plain list in an attribute does the same."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self._modules = list(modules)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """("0", module), ("1", module) and so on."""
        return ((str(i), module) for i, module in enumerate(self._modules))

    def append(self, module: Module) -> ModuleList:
        """Adds a module at the end and returns the list."""
        self._modules.append(module)
        return self

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> ModuleList: ...
    def __getitem__(self, index: int | slice) -> Module | ModuleList:
        found = self._modules[index]
        return ModuleList(found) if isinstance(found, list) else found

    def __setitem__(self, index: int, module: Module) -> None:
        self._modules[index] = module

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules)
