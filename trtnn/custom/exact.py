"""The decomposition of a custom op in float64: the numeric truth for its other forms.

The graph has no float64, so the decomposition is emitted to ONNX and every float32 in it becomes a float64. ONNX
Runtime runs that, or, where it has no float64 kernel for an operation (a convolution, GELU), the evaluator of the onnx
package, which is NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from trtnn.custom.definition import CustomOp
from trtnn.custom.evaluation import graph_of
from trtnn.custom.lowering import lower_custom
from trtnn.errors import LibraryError
from trtnn.graph import DType, as_dtype
from trtnn.passes import lower
from trtnn.passes.recurrent import lower_recurrent


def decompose_float64(op: CustomOp, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """The results of the decomposition, computed in float64 from operands of any floating-point type.

    Raises LibraryError when onnx is not installed, and UnsupportedError for an op without a decomposition.
    """
    try:
        from trtnn.backends.onnxruntime.emit import emit
    except ImportError as error:
        raise LibraryError("custom ops", problem="comparing forms needs ONNX", remedy="pip install onnx") from error
    singles = [array.astype(np.float32) if is_float(array) else array for array in arrays]
    single = attrs.evolve(op.definition, dtypes=(DType.float32,))  # an op for half precision alone has a truth as well
    graph = lower(graph_of(CustomOp(single, op.options), singles))
    model = emit(lower_recurrent(lower_custom(graph, "float64", ("decompose",))))
    _widen_graph(model.proto.graph, model.weights)
    wide = [array.astype(np.float64) if is_float(array) else array for array in arrays]
    names = [one.name for one in model.proto.graph.input]
    return tuple(_run(model.proto, dict(zip(names, wide, strict=True))))


def _run(model: Any, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    import onnxruntime as ort
    from onnx.reference import ReferenceEvaluator
    from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernel

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL  # fused kernels have no float64
    options.log_severity_level = 4  # a missing kernel is no news
    try:
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except NoKernel:
        with np.errstate(all="ignore"):
            found: list[np.ndarray] = ReferenceEvaluator(model, new_ops=_precise_ops()).run(None, dict(feeds))
    else:
        found = session.run(None, dict(feeds))
    return found


def _precise_ops() -> list[type]:
    """The error function and GELU in float64: the evaluator's own round to float32 on the way."""
    from onnx.reference.op_run import OpRun

    def erf(x: np.ndarray) -> np.ndarray:
        values: np.ndarray = np.vectorize(math.erf, otypes=[x.dtype])(x)
        return values

    class Erf(OpRun):  # type: ignore[misc]  # onnx has no types
        def _run(self, x: np.ndarray) -> tuple[np.ndarray]:
            return (erf(x),)

    class Gelu(OpRun):  # type: ignore[misc]
        def _run(self, x: np.ndarray, approximate: str = "none") -> tuple[np.ndarray]:
            inner = np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
            return (x / 2 * (1 + (inner if approximate == "tanh" else erf(x / math.sqrt(2)))),)

    return [Erf, Gelu]


def is_float(array: np.ndarray) -> bool:
    """True for an array of floating-point numbers, ml_dtypes' included."""
    return array.dtype == np.float64 or as_dtype(array.dtype).is_float


def _widen_graph(graph: Any, weights: Mapping[str, np.ndarray]) -> None:
    """Every float32 of an ONNX graph and its subgraphs as a float64, with the weights inside."""
    from onnx import TensorProto, numpy_helper

    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
    for tensor in graph.initializer:
        array = weights[tensor.name] if tensor.name in weights else numpy_helper.to_array(tensor)
        if tensor.data_type == TensorProto.FLOAT or tensor.name in weights:
            wide = array.astype(np.float64) if array.dtype == DType.float32.numpy else array
            tensor.CopyFrom(numpy_helper.from_array(np.asarray(wide), tensor.name))
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.DOUBLE
            if attribute.HasField("g"):
                _widen_graph(attribute.g, weights)
