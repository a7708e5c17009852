"""How the simulator holds TensorRT's data types in NumPy, and how values are rounded to them."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from trtnn.errors import UnsupportedError

Array = npt.NDArray[Any]

_STORAGE: dict[str, npt.DTypeLike] = {
    "FLOAT": np.float32,
    "HALF": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "FP8": ml_dtypes.float8_e4m3fn,
    "INT8": np.int8,
    "UINT8": np.uint8,
    "INT4": ml_dtypes.int4,
    "INT32": np.int32,
    "INT64": np.int64,
    "BOOL": np.bool_,
}
_COMPUTED_IN: dict[np.dtype[Any], np.dtype[Any]] = {
    np.dtype(np.float16): np.dtype(np.float32),
    np.dtype(ml_dtypes.bfloat16): np.dtype(np.float32),
    np.dtype(ml_dtypes.float8_e4m3fn): np.dtype(np.float32),
    np.dtype(ml_dtypes.int4): np.dtype(np.int8),
}

FP8_MAX = 448.0
"""The largest finite value of FP8, which is E4M3 without infinities."""


def storage(data_type: str) -> np.dtype[Any]:
    """The NumPy data type of a TensorRT data type, such as ``ml_dtypes.bfloat16`` for ``"BF16"``.

    Raises UnsupportedError for the types that the simulator does not have (FP4, E8M0).
    """
    if data_type not in _STORAGE:
        raise UnsupportedError(data_type, problem="the simulator has no such data type")
    return np.dtype(_STORAGE[data_type])


def conform(values: npt.ArrayLike, data_type: str) -> Array:
    """Rounds values to a TensorRT data type: floating point to nearest even, integers wrap."""
    return np.asarray(values).astype(storage(data_type), copy=False)


def widened(array: Array) -> Array:
    """The array in the type that layers compute in: half precision and FP8 as float32, INT4 as int8, others as is."""
    wide = _COMPUTED_IN.get(array.dtype)
    return array if wide is None else array.astype(wide)
