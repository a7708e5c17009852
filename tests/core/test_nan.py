"""What counts as NaN in an input, by the bits: of every type that is computed in, however the array lies in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trtnn import calling
from trtnn.calling import Arguments
from trtnn.errors import InputError
from trtnn.graph import DType, TensorType
from trtnn.graph.dims import symbol

BITS = {DType.float32: np.uint32, DType.float16: np.uint16, DType.bfloat16: np.uint16}
INFINITY = {DType.float32: 0x7F800000, DType.float16: 0x7C00, DType.bfloat16: 0x7F80}
FLOATS = [pytest.param(dtype, id=dtype.name) for dtype in BITS]


def check(dtype: DType, array: np.ndarray) -> None:
    rows = TensorType(dtype, (symbol("n"),) + tuple(array.shape[1:]))
    Arguments({"x": rows}, ({"n": (1, 1, 1 << 24)},), True).check([array], {})


def of_bits(dtype: DType, bits: Any) -> np.ndarray:
    return np.array(bits, BITS[dtype]).view(dtype.numpy)


@pytest.mark.parametrize("dtype", FLOATS)
def test_infinity_zero_and_the_smallest_and_largest_numbers_are_none(dtype: DType) -> None:
    infinity = INFINITY[dtype]
    sign = 1 << infinity.bit_length()
    positive = [0, 1, infinity // 2, infinity - 1, infinity]  # from 0 and the smallest denormal to infinity
    check(dtype, of_bits(dtype, positive + [sign | bits for bits in positive]))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("above", [1, 0.5, -1], ids=["first", "quiet", "last"])
@pytest.mark.parametrize("negative", [False, True])
def test_every_kind_of_nan_is_found(dtype: DType, above: float, negative: bool) -> None:
    infinity = INFINITY[dtype]
    sign = 1 << infinity.bit_length()
    bits = {1: infinity + 1, 0.5: (infinity + sign) // 2, -1: sign - 1}[above] | (sign if negative else 0)
    array = of_bits(dtype, [0, sign, infinity, sign | infinity, bits, 1])
    with pytest.raises(InputError, match=r"x: expected numbers, got NaN at index \(4,\)"):
        check(dtype, array)
    strided = np.zeros((6, 3), dtype.numpy)
    strided[:, 1] = array
    check(dtype, strided[:, ::2])
    with pytest.raises(InputError, match=r"NaN at index \(4, 1\)"):
        check(dtype, strided[:, :2])


@pytest.mark.parametrize("dtype", [DType.float16, DType.bfloat16])
def test_all_16_bits(dtype: DType) -> None:
    bits = np.arange(1 << 16, dtype=np.uint16)
    every, is_nan = bits.view(dtype.numpy), bits & 0x7FFF > INFINITY[dtype]
    check(dtype, every[~is_nan])
    for array in every[is_nan].reshape(-1, 1):
        assert calling._holds_nan(array, INFINITY[dtype])


@pytest.mark.parametrize("dtype", FLOATS)
def test_large_arrays_are_looked_through_to_the_end(dtype: DType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling, "_LARGE", 1 << 10)
    array = np.ones(5_001, dtype.numpy)
    check(dtype, array)
    array[-1] = np.nan
    with pytest.raises(InputError, match=r"NaN at index \(5000,\)"):
        check(dtype, array)


@pytest.mark.parametrize("dtype", FLOATS)
def test_an_array_without_elements_holds_none(dtype: DType) -> None:
    check(dtype, np.empty((2, 0), dtype.numpy))
