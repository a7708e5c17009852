"""Checkpoints that TensorFlow really wrote, and the comparison with TensorFlow's own reader."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trtnn.weights.bundle import Bundle


def save(tf: Any, prefix: Path, arrays: Mapping[str, Any]) -> Path:
    """Writes ``arrays`` (NumPy arrays or tensors) with TensorFlow's SaveV2."""
    tensors = [tf.convert_to_tensor(value) for value in arrays.values()]
    tf.raw_ops.SaveV2(
        prefix=str(prefix), tensor_names=list(arrays), shape_and_slices=[""] * len(arrays), tensors=tensors
    )
    return prefix


def assert_as_tensorflow(tf: Any, prefix: Path) -> Bundle:
    """Every entry has the name, dtype, shape and value that ``tf.train.load_checkpoint`` gives it."""
    reader, bundle = tf.train.load_checkpoint(str(prefix)), Bundle.open(prefix)
    shapes, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    assert sorted(bundle.entries) == sorted(shapes)
    for name, entry in bundle.entries.items():
        assert list(entry.shape) == shapes[name]
        assert entry.dtype == tf.dtypes.as_dtype(types[name]).name.replace("half", "float16")
        assert_same(bundle.read(name), np.asarray(reader.get_tensor(name)))
    return bundle


def assert_same(got: np.ndarray, expected: np.ndarray) -> None:
    """Equal bit for bit (strings: equal); bfloat16 compares as the float32 it is widened to."""
    assert got.shape == expected.shape
    if expected.dtype.kind in "OS":
        assert got.tolist() == expected.tolist()
        return
    if expected.dtype.name == "bfloat16":
        expected = expected.astype(np.float32)
    if expected.dtype.names:  # quantized types come as records of one field
        expected = expected.view(expected.dtype[0])
    assert got.dtype == expected.dtype
    assert got.tobytes() == expected.tobytes()
    assert not got.flags.writeable
