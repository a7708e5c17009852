"""TensorRT's names for data types."""

from __future__ import annotations

from trtnn.graph import DType

DATA_TYPES = {
    DType.float32: "FLOAT",
    DType.float16: "HALF",
    DType.bfloat16: "BF16",
    DType.int64: "INT64",
    DType.int32: "INT32",
    DType.int8: "INT8",
    DType.uint8: "UINT8",
    DType.bool: "BOOL",
    DType.float8: "FP8",
    DType.int4: "INT4",
}
"""The members of ``trt.DataType`` that networks are made of."""
