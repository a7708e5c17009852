"""Matrix products and Einstein sums."""

from __future__ import annotations

import numpy as np

from trtnn.backends.tensorrt.simulate.element_types import Array
from trtnn.backends.tensorrt.simulate.reading import Evaluator, LayerView, reads


@reads("MATRIX_MULTIPLY", "IMatrixMultiplyLayer")
def matrix_multiply(layer: LayerView) -> Evaluator:
    """A product over the last two axes, or the last one of an operand taken as vectors; leading axes broadcast."""
    left, right = layer.raw.op0.name, layer.raw.op1.name

    def evaluate(a: Array, b: Array) -> Array:
        a = a[..., None, :] if left == "VECTOR" else a.swapaxes(-1, -2) if left == "TRANSPOSE" else a
        b = b[..., :, None] if right == "VECTOR" else b.swapaxes(-1, -2) if right == "TRANSPOSE" else b
        result: Array = np.matmul(a, b)
        if right == "VECTOR":
            result = result[..., 0]
        if left == "VECTOR":
            result = result[..., 0] if right == "VECTOR" else result[..., 0, :]
        return result

    return evaluate


@reads("EINSUM", "IEinsumLayer")
def einsum(layer: LayerView) -> Evaluator:
    """A sum of products by an equation such as ``bij,bjk->bik``."""
    equation = layer.raw.equation
    return lambda *operands: np.einsum(equation, *operands, optimize=True)
