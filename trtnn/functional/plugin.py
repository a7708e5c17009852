"""Plugins that TensorRT has already, its own and a user's, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from trtnn.errors import ArgumentError
from trtnn.functional.operands import Operand, lift
from trtnn.graph.ops import TensorRTPlugin
from trtnn.graph.ops.plugin import FieldValue
from trtnn.tensor import Tensor

__all__ = ["tensorrt_plugin"]

FIELD_DTYPES = ("int8", "int16", "int32", "int64", "float16", "float32", "float64")


def tensorrt_plugin(
    name: str,
    version: str,
    fields: Mapping[str, Any],
    *inputs: Operand,
    infer: Callable[..., Any],
    namespace: str = "",
) -> Any:
    """A plugin of TensorRT's own or of a library that `trtnn.load_plugin_library` loaded: its result, or a tuple.

    ``name``, ``version`` and ``namespace`` are those of its creator. ``fields``: the plugin's fields by name; ints
    become INT32, floats FLOAT32, bools INT32, text CHAR, lists arrays of these, and NumPy arrays keep their type
    (int8 to int64, float16 to float64). ``infer``: the operands' `TensorType` to that of the result, or a tuple of
    them. Operands and results are as the plugin wants them: nothing converts their layout.

    Only target="tensorrt" has plugins; for all others compiling raises UnsupportedError. Raises ArgumentError for a
    field that cannot be one, and CustomOpError for an ``infer`` that fails or gives no type.
    """
    tracer, tensors = lift(*inputs)
    if not isinstance(fields, Mapping):
        raise ArgumentError(f"{name}: fields", expected="a dict of names and values", got=f"{fields!r:.80}")
    ready = {key: _field(f"{name}.{key}", value) for key, value in fields.items()}
    results: tuple[Tensor, ...] = tracer.apply_all(
        TensorRTPlugin(str(name), str(version), str(namespace), ready, infer), *tensors
    )
    return results[0] if len(results) == 1 else results


def _field(path: str, value: Any) -> FieldValue:
    if isinstance(value, str):
        return value
    array = value if isinstance(value, np.ndarray) else _plain_array(value)
    if array is None or array.dtype.name not in FIELD_DTYPES or array.ndim > 1:
        raise ArgumentError(
            path,
            expected=f"a number, text, or an array of one axis of {', '.join(FIELD_DTYPES)}",
            got=f"{type(value).__name__} {value!r}",
        )
    return np.atleast_1d(array)


def _plain_array(value: Any) -> np.ndarray | None:
    """Python's ints and bools as int32, floats as float32; None for what does not fit."""
    try:
        array = np.asarray(value)
    except ValueError:  # lists of different lengths
        return None
    if array.dtype.kind == "b":
        return array.astype(np.int32)
    if array.dtype.kind == "i" and (array.size == 0 or np.abs(array).max() < 2**31):
        return array.astype(np.int32)
    return array.astype(np.float32) if array.dtype.kind == "f" else None
