"""Parameters: weights in TensorFlow's own layout and under TensorFlow's own names."""

from __future__ import annotations

from typing import Any

import numpy as np

from trtnn.errors import ArgumentError, DTypeError, ShapeError, TraceError
from trtnn.graph import DType, as_dtype, shape_text
from trtnn.graph.dims import is_int

# Other names under which TensorFlow programs keep the same variable.
ALIASES = {
    "kernel": ("W", "weights", "w", "weight", "kernels", "filter"),
    "bias": ("b", "biases"),
    "gamma": ("scale",),
    "beta": ("offset",),
    "moving_mean": ("mean", "running_mean"),
    "moving_variance": ("variance", "running_var"),
}


class Parameter:
    """One weight of a module: its shape and data type, and its values once they are loaded.

    ``layout`` names the axes for messages ("HWIO"; "in, out"). ``aliases`` are other names of the variable in
    TensorFlow files; the usual ones of ``kernel``, ``bias`` and the BatchNorm statistics are known. A parameter
    without values can be traced but not compiled.
    """

    def __init__(
        self, shape: tuple[int, ...], *, dtype: object = "float32", layout: str = "", aliases: tuple[str, ...] = ()
    ) -> None:
        if not isinstance(shape, (tuple, list)) or not all(is_int(size) and size > 0 for size in shape):
            raise ArgumentError("Parameter", expected="a shape of positive ints", got=repr(shape))
        self.shape = tuple(int(size) for size in shape)
        self.dtype: DType = as_dtype(dtype)
        self.layout, self.aliases = layout, aliases
        self.data: np.ndarray | None = None

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    def assign(self, array: Any) -> None:
        """Takes over values without a copy where the data type fits. Raises ShapeError or DTypeError and keeps the
        old values otherwise."""
        values = np.asarray(array)
        if values.shape != self.shape:
            raise ShapeError(
                "parameter", expected=shape_text(self.shape), got=shape_text(values.shape), remedy=self._layout_hint()
            )
        if (values.dtype.kind == "f") != self.dtype.is_float or values.dtype.kind not in "fiub":
            raise DTypeError("parameter", expected=str(self.dtype), got=str(values.dtype))
        converted = values.astype(self.dtype.numpy, copy=False)
        self.data = converted.view(
            self.dtype.numpy
        )  # an array that states its byte order is equal, but TensorRT refuses it

    def _layout_hint(self) -> str | None:
        return f"the layout is {self.layout}" if self.layout else None

    def _tensor_only(self, other: Any = None, *_: Any, **__: Any) -> Any:
        if hasattr(other, "tracer"):
            return NotImplemented  # parameter * tensor becomes Tensor.__rmul__
        raise TraceError(
            problem="a Parameter on its own is not a traced tensor",
            remedy="use it together with one, as in `x * self.scale` or functional.matmul(x, self.kernel)",
        )

    __add__ = __sub__ = __mul__ = __truediv__ = __matmul__ = __pow__ = __neg__ = __getitem__ = _tensor_only
    __radd__ = __rsub__ = __rmul__ = __rtruediv__ = __rmatmul__ = __rpow__ = __float__ = __array__ = _tensor_only
    __array_priority__ = 1000

    def __repr__(self) -> str:
        return f"Parameter({shape_text(self.shape)}, {self.dtype}{'' if self.data is not None else ', not loaded'})"
