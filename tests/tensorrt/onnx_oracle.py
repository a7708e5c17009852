"""One ONNX operation, computed by ONNX Runtime: the oracle for what TensorFlow does not have."""

from __future__ import annotations

import functools

import numpy as np
import onnx.helper
import onnxruntime


def onnx_operation(
    name: str, *inputs: np.ndarray | None, outputs: int = 1, output: int = 0, **attributes: object
) -> np.ndarray:
    """One of the outputs of ``name`` on the inputs (None where an optional one is absent)."""
    arrays = {f"x{index}": array for index, array in enumerate(inputs) if array is not None}
    arguments = [f"x{index}" if array is not None else "" for index, array in enumerate(inputs)]
    kinds = tuple((key, str(array.dtype), array.shape) for key, array in arrays.items())
    session = _session(name, tuple(arguments), kinds, outputs, tuple(sorted(attributes.items())))
    return session.run(None, arrays)[output]


@functools.lru_cache(maxsize=64)
def _session(
    name: str, arguments: tuple, kinds: tuple, outputs: int, attributes: tuple
) -> onnxruntime.InferenceSession:
    results = [f"y{index}" for index in range(outputs)]
    node = onnx.helper.make_node(name, arguments, results, **dict(attributes))
    values = [
        onnx.helper.make_tensor_value_info(key, onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind)), shape)
        for key, kind, shape in kinds
    ]
    wanted = [onnx.helper.make_empty_tensor_value_info(result) for result in results]
    graph = onnx.helper.make_graph([node], name, values, wanted)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 21)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
