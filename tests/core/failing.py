"""What every test of an error asks: the right type, the text, the place, and in a trace the user's own line."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from typing import Any

import pytest

import trtnn as nn
from trtnn.errors import TrtnnError


def failure(kind: type[TrtnnError], text: str, call: Callable[[], Any]) -> TrtnnError:
    """The error that the call raises: exactly of the kind, with the text in its message, and with a path."""
    with pytest.raises(TrtnnError) as caught:
        call()
    error = caught.value
    assert type(error) is kind, f"{type(error).__name__}: {error}"
    assert text in str(error), str(error)
    assert error.path, f"no path: {error}"
    return error


class Step(nn.Module):
    """One function of one tensor."""

    def __init__(self, function: Callable[[nn.Tensor], Any]) -> None:
        self.function = function

    def forward(self, x: nn.Tensor = nn.Input("batch", 8, 8, 4)) -> Any:
        return self.function(x)


class Inner(nn.Module):
    """A network whose function runs two modules deep, under the path "blocks.1"."""

    def __init__(self, function: Callable[[nn.Tensor], Any]) -> None:
        self.blocks = [nn.ReLU(), Step(function)]

    def forward(self, x: nn.Tensor = nn.Input("batch", 8, 8, 4)) -> Any:
        return self.blocks[1](self.blocks[0](x))


def failure_inside(kind: type[TrtnnError], text: str, function: Callable[[nn.Tensor], Any]) -> TrtnnError:
    """The error that tracing the function inside a network raises: with the module's path in front of what is wrong,
    and with the line of the function behind it."""
    error = failure(kind, f"blocks.1: {text}", Inner(function).trace)
    assert error.line is not None
    code = linecache.getline(error.line.file, error.line.line).strip()
    assert error.line.file == function.__code__.co_filename
    assert str(error).endswith(f"\n  at {error.line.file}:{error.line.line}, in {error.line.function}\n    {code}")
    return error
