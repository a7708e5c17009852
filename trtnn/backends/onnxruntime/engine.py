"""An engine that runs on ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnxruntime as ort

from trtnn.backends.onnxruntime import (  # noqa: F401  # each registers its operations
    emit_control,
    emit_image,
    emit_normalization,
    emit_quantization,
    emit_sequence,
)
from trtnn.backends.onnxruntime.emit import emit
from trtnn.backends.onnxruntime.model import OnnxModel
from trtnn.backends.onnxruntime.recurrent import to_native
from trtnn.calling import Ranges
from trtnn.engine import Choice, Engine
from trtnn.errors import ArgumentError, BuildError, DeviceError
from trtnn.graph import Graph
from trtnn.graph.dims import is_int
from trtnn.passes.recurrent import lower_recurrent


class OnnxRuntimeEngine(Engine):
    """A network as an ONNX Runtime session on the CPU. Safe to call from several threads."""

    def __init__(
        self, graph: Graph, choice: Choice, profiles: Sequence[Ranges], check_nan: bool, session: ort.InferenceSession
    ) -> None:
        super().__init__(graph, choice, profiles, check_nan)
        self.session = session
        self._names = [output.name for output in session.get_outputs()]

    def _run(self, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        try:
            results: list[np.ndarray] = self.session.run(self._names, feeds)
        except Exception as error:  # ONNX Runtime's exceptions share no base of their own
            raise DeviceError(self.graph.name, problem=f"ONNX Runtime failed: {error}") from error
        return results


def build(
    graph: Graph, choice: Choice, profiles: Sequence[Ranges], *, check_nan: bool = True, threads: int = 0
) -> OnnxRuntimeEngine:
    """An engine for a lowered graph. ``threads`` = 0 takes one per core.

    Raises ArgumentError, UnsupportedError or BuildError.
    """
    if not is_int(threads) or threads < 0:
        raise ArgumentError("threads", expected="an int >= 0", got=repr(threads))
    model = emit(lower_recurrent(graph, to_native))
    try:
        session = make_session(model, threads)
    except Exception as error:  # likewise
        raise BuildError(graph.name, problem=f"ONNX Runtime refused the model: {error}") from error
    return OnnxRuntimeEngine(graph, choice, profiles, check_nan, session)


def make_session(model: OnnxModel, threads: int = 0) -> ort.InferenceSession:
    """A session on the CPU whose weights come from the model's arrays, not through the proto, which ends at 2 GB."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")  # int4 weights, float activations
    if model.weights:
        values = [ort.OrtValue.ortvalue_from_numpy(array) for array in model.weights.values()]
        options.add_external_initializers(list(model.weights), values)
    return ort.InferenceSession(
        model.proto.SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=model.disabled_optimizers,
    )
