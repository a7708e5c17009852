"""Networks of one function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trtnn as nn


class Network(nn.Module):
    """A function of one tensor."""

    def __init__(self, function: Callable[[nn.Tensor], Any]) -> None:
        self.function = function

    def forward(self, x: nn.Tensor = nn.Input("batch", 4)) -> Any:
        return self.function(x)


def engine_of(function: Callable[[nn.Tensor], Any]) -> Any:
    return Network(function).compile(target="onnxruntime", threads=1)
