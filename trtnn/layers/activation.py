"""Functions of one tensor as layers, for `Sequential`. The formulas stand with the functions of the same names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trtnn import functional as F
from trtnn.functional.operands import positive_int
from trtnn.layers.options import listed
from trtnn.module import Module
from trtnn.parameter import Parameter
from trtnn.tensor import Tensor

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "CReLU",
    "Dropout",
    "Exponential",
    "HardShrink",
    "HardSigmoid",
    "HardSwish",
    "HardTanh",
    "Identity",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "Pad",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "SoftShrink",
    "Softmax",
    "Softplus",
    "Softsign",
    "SparsePlus",
    "SparseSigmoid",
    "Sparsemax",
    "Squareplus",
    "Swish",
    "Tanh",
    "TanhShrink",
    "Threshold",
]


class PReLU(Module):
    """x where it is not negative, else ``alpha * x``; ``shape`` of alpha is that of a sample, with 1 on shared axes."""

    def __init__(self, shape: int | tuple[int, ...], name: str | None = None) -> None:
        sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
        self.alpha = Parameter(tuple(positive_int("shape", size) for size in sizes))
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        """x (N, ...) whose sample the slopes broadcast to."""
        return F.prelu(x, self.alpha)

    def describe(self) -> str:
        """The shape of the slopes."""
        return repr(self.alpha.shape)


class Softmax(Module):
    """``exp(x) / sum(exp(x))`` along one axis or several; what a bool mask forbids is left out and gives 0."""

    def __init__(self, axis: int | tuple[int, ...] = -1) -> None:
        self.axis = axis

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """x of any shape; the mask broadcasts to it."""
        return F.masked_softmax(x, mask, self.axis)

    def describe(self) -> str:
        """The axis."""
        return listed(axis=(self.axis, -1))


class Identity(Module):
    """x itself: what layers that only train (noise, augmentation, "linear") are at inference."""

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        return x


class _Function(Module):
    """A layer that calls one function with the options it was made with."""

    function: Callable[..., Tensor]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args, self.kwargs = args, kwargs

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape that the function takes."""
        return type(self).function(x, *self.args, **self.kwargs)

    def describe(self) -> str:
        """The options as they were given."""
        return ", ".join([*map(repr, self.args), *(f"{name}={value!r}" for name, value in self.kwargs.items())])


def _layer(name: str, function: Callable[..., Tensor]) -> type[_Function]:
    return type(
        name, (_Function,), {"function": staticmethod(function), "__doc__": function.__doc__, "__module__": __name__}
    )


ReLU = _layer("ReLU", F.relu)
ReLU6 = _layer("ReLU6", F.relu6)
LeakyReLU = _layer("LeakyReLU", F.leaky_relu)
ELU = _layer("ELU", F.elu)
SELU = _layer("SELU", F.selu)
Sigmoid = _layer("Sigmoid", F.sigmoid)
HardSigmoid = _layer("HardSigmoid", F.hard_sigmoid)
Tanh = _layer("Tanh", F.tanh)
Softplus = _layer("Softplus", F.softplus)
Squareplus = _layer("Squareplus", F.squareplus)
Softsign = _layer("Softsign", F.softsign)
GELU = _layer("GELU", F.gelu)
Swish = SiLU = _layer("Swish", F.swish)
HardSwish = _layer("HardSwish", F.hard_swish)
Mish = _layer("Mish", F.mish)
CELU = _layer("CELU", F.celu)
CReLU = _layer("CReLU", F.crelu)
GLU = _layer("GLU", F.glu)
Exponential = _layer("Exponential", F.exponential)
HardShrink = _layer("HardShrink", F.hard_shrink)
HardTanh = _layer("HardTanh", F.hard_tanh)
LogSigmoid = _layer("LogSigmoid", F.log_sigmoid)
SoftShrink = _layer("SoftShrink", F.soft_shrink)
SparsePlus = _layer("SparsePlus", F.sparse_plus)
SparseSigmoid = _layer("SparseSigmoid", F.sparse_sigmoid)
Sparsemax = _layer("Sparsemax", F.sparsemax)
TanhShrink = _layer("TanhShrink", F.tanh_shrink)
Threshold = _layer("Threshold", F.threshold)
LogSoftmax = _layer("LogSoftmax", F.log_softmax)
Dropout = _layer("Dropout", F.dropout)
Pad = _layer("Pad", F.pad)
