"""Every kernel there is with operands of odd sizes, for the tests on a GPU and for compute-sanitizer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from custom_ops.bias_swish import BiasSwish
from custom_ops.deformable_conv import DeformableConv

from custom_kernels.ops import Requantize, RowSums, Scale
from trtnn.custom.definition import custom_of
from trtnn.custom.kernels import Kernel

HALVES = (np.float32, np.float16)
SHAPES = [(1, 1), (3, 5), (7, 33), (2, 3, 129), (1000, 255), (64, 256), (5, 2, 8), (1, 100_003), (1, 4096), (0, 8)]
"""Of x in the bias and swish; the last axis are the channels."""

Case = tuple[str, Kernel, Any, tuple[np.ndarray, ...]]


def cases() -> Iterator[Case]:
    """(name, kernel, op, operands) of every kernel, data type and shape."""
    random = np.random.default_rng(0)

    def normal(*shape: int, dtype: type = np.float32, scale: float = 1.0) -> np.ndarray:
        return (scale * random.normal(size=shape)).astype(dtype)

    for dtype in HALVES:
        for shape in SHAPES:
            operands = normal(*shape, dtype=dtype, scale=3), normal(shape[-1], dtype=dtype)
            yield from _named(BiasSwish(beta=1.3), custom_of(BiasSwish()).kernels, operands)
        yield from _named(Scale(factor=-0.7), custom_of(Scale()).kernels, (normal(11, 7, dtype=dtype),))
        yield from _named(RowSums(factor=1.5), custom_of(RowSums()).kernels, (normal(13, 77, dtype=dtype),))
    bytes_ = random.integers(-128, 128, (17, 19)).astype(np.int8)
    yield from _named(Requantize(), custom_of(Requantize()).kernels, (bytes_, np.float32([1.7])))
    for stride, (height, width) in ((1, (6, 7)), (2, (9, 5))):
        rows, columns = (height - 1) // stride + 1, (width - 1) // stride + 1
        operands = (
            normal(2, height, width, 3),
            normal(2, rows, columns, 18, scale=3),  # places far outside the image, too
            normal(2, rows, columns, 9),
            normal(3, 3, 3, 5),
        )
        yield from _named(DeformableConv(stride=stride), custom_of(DeformableConv()).kernels, operands)


def _named(op: Any, kernels: tuple[Kernel, ...], operands: tuple[np.ndarray, ...]) -> Iterator[Case]:
    for kernel in kernels:
        shape = "x".join(map(str, operands[0].shape))
        yield f"{kernel.name} {operands[0].dtype} {shape}", kernel, op, operands
