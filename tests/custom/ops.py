"""Custom ops that the tests share, and the same in TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
from oracle import tensorflow

import trtnn as nn
import trtnn.functional as F
from trtnn.errors import ShapeError
from trtnn.graph import DType, TensorType


@nn.custom_op("tests::swish")
def swish(x: nn.Tensor, *, beta: float = 1.0) -> nn.Tensor:
    """A decomposition and nothing else."""
    return x * F.sigmoid(beta * x)


@nn.custom_op("tests::swish_class")
class SwishClass:
    """The same as a class."""

    beta: float = 1.0

    def decompose(self, x: nn.Tensor) -> nn.Tensor:
        return swish(x, beta=self.beta)


@nn.custom_op("tests::free_swish", elementwise=True, dtypes=("float32", "float16"))
def free_swish(x: nn.Tensor, *, beta: float = 1.0) -> nn.Tensor:
    """The same for every layout, and in half precision."""
    return x * F.sigmoid(beta * x)


@nn.custom_op("tests::bias_swish", dtypes=("float32", "float16", "bfloat16"))
class BiasSwish:
    """All forms that a CPU has."""

    beta: float = 1.0

    def infer(self, x: TensorType, bias: TensorType) -> TensorType:
        if bias.shape != x.shape[-1:]:
            raise ShapeError("bias", expected=f"({x.shape[-1]},)", got=str(bias.shape))
        return x

    def decompose(self, x: nn.Tensor, bias: nn.Tensor) -> nn.Tensor:
        return swish(x + bias, beta=self.beta)

    def reference(self, x: np.ndarray, bias: np.ndarray) -> np.ndarray:
        z = x + bias
        return np.asarray(z / (1 + np.exp(-self.beta * z)))


@nn.custom_op("tests::reference_swish")
class ReferenceSwish:
    """A reference and nothing else."""

    beta: float = 1.0

    def infer(self, x: TensorType) -> TensorType:
        return x

    def reference(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(x / (1 + np.exp(-self.beta * x)))


@nn.custom_op("tests::positive_rows")
class PositiveRows:
    """The rows of (..., channels) with a positive sum: as many as there are, and where they were."""

    sizes = (nn.Dim("kept"),)

    def infer(self, x: TensorType) -> tuple[TensorType, TensorType]:
        kept = self.sizes[0].symbol
        return TensorType(x.dtype, (kept, x.shape[-1])), TensorType(DType.int64, (kept,))

    def reference(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = x.reshape(-1, x.shape[-1])
        found = np.flatnonzero(rows.sum(1) > 0)
        return rows[found], found


def tf_swish(x: Any, beta: float = 1.0) -> Any:
    """TensorFlow's."""
    return x * tensorflow().sigmoid(beta * x)
