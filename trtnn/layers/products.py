"""Layers that are products of tensors: Einstein sums with weights, and dot products of two inputs."""

from __future__ import annotations

from trtnn import functional as F
from trtnn.layers.options import listed
from trtnn.module import Module
from trtnn.parameter import Parameter
from trtnn.tensor import Tensor

__all__ = ["Dot", "EinsumDense"]


class EinsumDense(Module):
    """``einsum(equation, x, kernel) + bias``, such as ``EinsumDense("abc,cd->abd", (64, 32), (32,))``.

    ``kernel_shape`` has the sizes of the equation's second operand. ``bias_shape`` broadcasts to the result, from the
    right, as Keras makes it of ``bias_axes``: from the first of these axes on, 1 for the others. None leaves the bias
    out. Raises ArgumentError or ShapeError while tracing for an equation that does not fit.
    """

    def __init__(
        self,
        equation: str,
        kernel_shape: tuple[int, ...],
        bias_shape: tuple[int, ...] | None = None,
        name: str | None = None,
    ) -> None:
        self.equation, self.name = equation, name
        self.kernel = Parameter(kernel_shape, layout=equation.partition("->")[0].rpartition(",")[2])
        self.bias = None if bias_shape is None else Parameter(bias_shape)

    def forward(self, x: Tensor) -> Tensor:
        """x as the equation's first operand."""
        y = F.einsum(self.equation, x, self.kernel)
        return y if self.bias is None else y + self.bias

    def describe(self) -> str:
        """Equation and shapes."""
        return listed(
            repr(self.equation), self.kernel.shape, bias_shape=(None if self.bias is None else self.bias.shape, None)
        )


class Dot(Module):
    """For every sample, the sum of products over an axis of each of two inputs; Keras's Dot, ``axes`` an int or a pair.

    ``normalize`` makes vectors along the axes of length 1 first: the cosine similarity. See `functional.batch_dot`.
    """

    def __init__(self, axes: int | tuple[int, int], normalize: bool = False) -> None:
        self.axes, self.normalize = axes, normalize

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """x (N, ...) and y (N, ...)."""
        left, right = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        if self.normalize:
            x, y = F.l2_normalize(x, left), F.l2_normalize(y, right)
        return F.batch_dot(x, y, (left, right))

    def describe(self) -> str:
        """The axes and whether vectors are normalized."""
        return listed(self.axes, normalize=(self.normalize, False))
