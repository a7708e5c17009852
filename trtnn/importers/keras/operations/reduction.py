"""Reductions of ``keras.ops``, positions of extremes, and order."""

from __future__ import annotations

from typing import Any

from trtnn import functional as F
from trtnn.errors import UnsupportedError
from trtnn.functional.operands import axes_of
from trtnn.importers.keras.operations.registry import as_float, as_number, operation
from trtnn.tensor import Tensor


@operation("Sum")
def sum_(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Over axes, all for None."""
    return F.sum(as_number(x), axis, keepdims)


@operation("Prod")
def prod(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Over axes, all for None."""
    return F.reduce_prod(as_number(x), axis, keepdims)


@operation("Max", "Amax")
def max_(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Over axes, all for None."""
    return F.max(x, axis, keepdims)


@operation("Min", "Amin")
def min_(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Over axes, all for None."""
    return F.min(x, axis, keepdims)


@operation("Mean")
def mean(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Over axes, all for None."""
    return F.mean(as_float(x), axis, keepdims)


@operation("Std")
def std(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Over axes, all for None."""
    return F.std(as_float(x), axis, keepdims)


@operation("Var")
def var(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Over axes, all for None."""
    return F.var(as_float(x), axis, keepdims)


@operation("Moments")
def moments(x: Tensor, axes: Any, keepdims: bool = False) -> tuple[Tensor, Tensor]:
    """(mean, variance)."""
    return F.mean(x, axes, keepdims), F.var(x, axes, keepdims)


@operation("Any")
def any_(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Over axes, all for None."""
    return F.any(x, axis, keepdims)


@operation("All")
def all_(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Over axes, all for None."""
    return F.all(x, axis, keepdims)


@operation("CountNonzero")
def count_nonzero(x: Tensor, axis: Any = None) -> Tensor:
    """Over axes, all for None; int32."""
    return F.count_nonzero(x, axis)


@operation("Logsumexp")
def logsumexp(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Over axes, all for None."""
    return F.logsumexp(as_float(x), axis, keepdims)


@operation("Norm")
def norm(x: Tensor, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tensor:  # Keras's name
    """The length of vectors, and of matrices in the Frobenius norm."""
    x = as_float(x)
    if ord in (None, "fro") or (ord == 2 and len(axes_of(axis, x.ndim)) == 1) or len(axes_of(axis, x.ndim)) == 1:
        return F.norm(x, ord, axis, keepdims)
    raise UnsupportedError(problem=f"the matrix norm {ord} is not supported")


@operation("Ptp")
def ptp(x: Tensor, axis: Any = None, keepdims: bool = False) -> Tensor:
    """The largest minus the smallest."""
    return F.max(x, axis, keepdims) - F.min(x, axis, keepdims)


@operation("Average")
def average(x: Tensor, weights: Any = None, axis: Any = None) -> Tensor:
    """The mean with weights of the same shape, or of the axis."""
    x = as_float(x)
    if weights is None:
        return F.mean(x, axis)
    weights = F.zeros_like(x) + _along(x, weights, axis)
    return F.sum(x * weights, axis) / F.sum(weights, axis)


def _along(x: Tensor, weights: Any, axis: Any) -> Any:
    rank = weights.ndim if hasattr(weights, "ndim") else 1
    if rank != 1 or x.ndim == 1:
        return weights
    place = axes_of(axis, x.ndim)[0]
    return weights.reshape(-1, *(1,) * (x.ndim - 1 - place))


def _place(function: Any, x: Tensor, axis: int | None, keepdims: bool) -> Tensor:
    """int32 positions, of the flattened tensor for None."""
    flat = x if axis is not None else F.reshape(x, (-1,))
    found = F.cast(function(flat, -1 if axis is None else axis), "int32")
    if not keepdims:
        return found
    return F.expand_dims(found, axis) if axis is not None else F.reshape(found, (1,) * x.ndim)


@operation("Argmax")
def argmax(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The position of the largest, int32."""
    return _place(F.argmax, x, axis, keepdims)


@operation("Argmin")
def argmin(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The position of the smallest, int32."""
    return _place(F.argmin, x, axis, keepdims)


@operation("Sort")
def sort(x: Tensor, axis: int = -1) -> Tensor:
    """Ascending."""
    return F.sort(x, axis)


@operation("Argsort")
def argsort(x: Tensor, axis: int = -1) -> Tensor:
    """The positions in ascending order, int32."""
    return F.cast(F.argsort(x, axis), "int32")


@operation("TopK")
def top_k(x: Tensor, k: int, sorted: bool = True) -> tuple[Tensor, Tensor]:  # Keras's name
    """The k largest along the last axis and their positions, int32."""
    best, places = F.top_k(x, k)
    return best, F.cast(places, "int32")


@operation("Cumsum")
def cumsum(x: Tensor, axis: int | None = None) -> Tensor:
    """Running sums, of the flattened tensor for None."""
    x = as_number(x)
    return F.cumsum(F.reshape(x, (-1,)), 0) if axis is None else F.cumsum(x, axis)


@operation("Diff")
def diff(a: Tensor, n: int = 1, axis: int = -1) -> Tensor:
    """Differences of neighbours, n times."""
    for _ in range(n):
        (place,) = axes_of(axis, a.ndim)
        front = (slice(None),) * place
        a = a[(*front, slice(1, None))] - a[(*front, slice(None, -1))]
    return a
