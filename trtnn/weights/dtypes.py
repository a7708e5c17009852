"""TensorFlow's data types as checkpoints number them."""

from __future__ import annotations

NAMES = {
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    7: "string",
    8: "complex64",
    9: "int64",
    10: "bool",
    11: "qint8",
    12: "quint8",
    13: "qint32",
    14: "bfloat16",
    15: "qint16",
    16: "quint16",
    17: "uint16",
    18: "complex128",
    19: "float16",
    20: "resource",
    21: "variant",
    22: "uint32",
    23: "uint64",
    24: "float8_e5m2",
    25: "float8_e4m3fn",
}

STORAGE = {
    **{name: name for name in ("float16", "float32", "float64", "complex64", "complex128", "bool")},
    **{f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **{name: name[1:] for name in ("qint8", "quint8", "qint16", "quint16", "qint32")},
    "bfloat16": "uint16",
}
"""Name -> the NumPy data type its little-endian bytes have in the file; types that are not here cannot be read."""

FLOATS = frozenset({"float16", "bfloat16", "float32", "float64"})
