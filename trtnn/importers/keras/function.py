"""Functions as modules: what becomes of operations in a functional model, and of layers without weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from trtnn.module import Module


class Function(Module):
    """Calls one function with the options that the Keras file has for it."""

    def __init__(self, title: str, function: Callable[..., Any], options: Mapping[str, Any] | None = None) -> None:
        self.title, self.function, self.options = title, function, dict(options or {})

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the function gives for the tensors."""
        return self.function(*args, **self.options, **kwargs)

    def describe(self) -> str:
        """The function's name and options."""
        return ", ".join([self.title, *(f"{name}={value!r}" for name, value in self.options.items())])
