"""The dense layer."""

from __future__ import annotations

from trtnn import functional as F
from trtnn.functional.operands import positive_int
from trtnn.module import Module
from trtnn.parameter import Parameter
from trtnn.tensor import Tensor

__all__ = [
    "Linear",
]


class Linear(Module):
    """``x @ kernel + bias``, TensorFlow's Dense: x (..., in), kernel (in, out), bias (out,), result (..., out).

    Raises ShapeError while tracing when the last axis of the input is not ``in_features`` long.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, name: str | None = None) -> None:
        shape = positive_int("in_features", in_features), positive_int("out_features", out_features)
        self.kernel = Parameter(shape, layout="in, out")
        self.bias = Parameter(shape[1:]) if bias else None
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        """x (..., in)."""
        return F.linear(x, self.kernel, self.bias)

    def describe(self) -> str:
        """Features in and out."""
        return f"{self.kernel.shape[0]}, {self.kernel.shape[1]}" + ("" if self.bias is not None else ", bias=False")
