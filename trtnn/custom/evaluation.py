"""Custom ops on a CPU, one call at a time: what stands in for a kernel where there is no GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from trtnn.custom.definition import CustomOp, custom_of
from trtnn.custom.lowering import custom_nodes, require_decomposition
from trtnn.engine import Choice, Engine
from trtnn.graph import DType, Graph, GraphBuilder, TensorType, Value, as_dtype
from trtnn.graph.ops import Cast, Custom
from trtnn.passes import lower

Results = tuple[np.ndarray, ...]


def graph_of(op: CustomOp, arrays: Sequence[np.ndarray]) -> Graph:
    """A network of nothing but the op, for arrays of these types and shapes; bfloat16 goes in and out as float32, since
    ONNX Runtime has no arrays of it. Raises what `CustomOp.infer` raises."""
    builder = GraphBuilder(op.name, {})
    inputs = []
    for place, one in enumerate(_types(arrays)):
        outer = TensorType(DType.float32, one.shape) if one.dtype is DType.bfloat16 else one
        inputs.append(_cast(builder, builder.input(f"operand_{place}", outer), one.dtype))
    results = [
        _cast(builder, value, DType.float32) if value.type.dtype is DType.bfloat16 else value
        for value in builder.add_all(Custom(op, {dim.name: dim.name for dim in op.sizes}), inputs)
    ]
    return builder.finish([(f"result_{place}", value) for place, value in enumerate(results)], "tuple")


def _types(arrays: Sequence[np.ndarray]) -> list[TensorType]:
    return [TensorType(as_dtype(array.dtype), array.shape) for array in arrays]


def _cast(builder: GraphBuilder, value: Value, dtype: DType) -> Value:
    return value if value.type.dtype is dtype else builder.add(Cast(dtype), [value])


def decompose_float32(op: CustomOp, *arrays: np.ndarray) -> Results:
    """The results of the decomposition as ONNX Runtime computes it.

    Raises UnsupportedError for an op without a decomposition, and LibraryError when ONNX Runtime is not installed.
    """
    return _called(_engine_of(op, arrays), op, arrays)


def evaluator_of(op: Any) -> Callable[..., Results]:
    """A function of the operands' arrays that gives the op's results: its reference, else its decomposition, which is
    compiled once for every new set of shapes.

    ``op`` is what `custom_of` takes. Raises UnsupportedError, when called, for an op that has neither.
    """
    custom = custom_of(op)
    engines: dict[object, Engine] = {}

    def evaluate(*arrays: np.ndarray) -> Results:
        if custom.has_reference:
            return custom.reference(*arrays)
        key = tuple((array.dtype.name, array.shape) for array in arrays)
        if key not in engines:
            engines[key] = _engine_of(custom, arrays)
        return _called(engines[key], custom, arrays)

    return evaluate


def _called(engine: Engine, op: CustomOp, arrays: Sequence[np.ndarray]) -> Results:
    """The results of `graph_of`'s network, in the types that the op infers."""
    feeds = [array.astype(np.float32) if as_dtype(array.dtype) is DType.bfloat16 else array for array in arrays]
    types = op.infer(*_types(arrays))
    return tuple(result.astype(one.dtype.numpy, copy=False) for result, one in zip(engine(*feeds), types, strict=True))


def _engine_of(op: CustomOp, arrays: Sequence[np.ndarray]) -> Engine:
    from trtnn.backends.select import builder_of  # imports the target when it is needed

    graph = graph_of(op, arrays)
    for node in custom_nodes(graph):
        require_decomposition(node, "onnxruntime", ("decompose",))
    choice = Choice("onnxruntime", "to evaluate a custom op")
    return builder_of(choice)(lower(graph), choice, [{}], check_nan=False)
