"""The data types that a Keras config asks for.

A model that was trained in half or mixed precision is imported in float32: its variables are converted, and
``compile(fp16=True)`` chooses the precision of the engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from trtnn.errors import UnsupportedError
from trtnn.graph import DType
from trtnn.importers.keras.spec import LayerSpec

COMPUTED_IN_FLOAT32 = ("float32", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16")


def policy_of(layer: LayerSpec) -> str:
    """The name of a layer's data type or policy: "float32", "mixed_float16", "int32"."""
    dtype: Any = layer.config.get("dtype")
    while isinstance(dtype, Mapping):
        config = dtype.get("config")
        dtype = config.get("name", "float32") if isinstance(config, Mapping) else "float32"
    return str(dtype or "float32")


def require_float32(layer: LayerSpec) -> None:
    """Raises UnsupportedError for a layer that computes in float64, complex numbers, or quantized."""
    policy = policy_of(layer)
    if layer.class_name == "InputLayer":
        input_dtype(layer)
    elif policy not in (*COMPUTED_IN_FLOAT32, *DType.__members__):
        raise UnsupportedError(layer.title, problem=f"dtype={policy!r} is not supported")


def half_precision(layers: Iterable[LayerSpec]) -> str:
    """The half and mixed precisions of the layers, in words; empty when there are none."""
    found = {policy_of(layer) for layer in layers if layer.model is None}
    return ", ".join(sorted(found & set(COMPUTED_IN_FLOAT32[1:])))


def input_dtype(layer: LayerSpec) -> str:
    """The data type of an input; floats are float32. Raises UnsupportedError for one that no target has."""
    policy = policy_of(layer)
    if policy in COMPUTED_IN_FLOAT32:
        return "float32"
    if policy in DType.__members__:
        return policy
    raise UnsupportedError(layer.title, problem=f"dtype={policy!r} is not supported")
