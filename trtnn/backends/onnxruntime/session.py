"""Sessions of ONNX Runtime: how they are opened, and with what options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import onnxruntime as ort

from trtnn.backends.onnxruntime.placement import FATAL
from trtnn.errors import BuildError, TrtnnError

if TYPE_CHECKING:
    from trtnn.backends.onnxruntime.model import OnnxModel

OpenSession: TypeAlias = Callable[[ort.SessionOptions, Sequence[Any]], ort.InferenceSession]


def opened(
    name: str, open_session: OpenSession, options: ort.SessionOptions, providers: Sequence[Any]
) -> ort.InferenceSession:
    """The session of a network called ``name``. Raises BuildError when ONNX Runtime refuses the model."""
    try:
        return open_session(options, providers)
    except TrtnnError:
        raise
    except Exception as error:  # ONNX Runtime's exceptions share no base of their own
        raise BuildError(name, problem=f"ONNX Runtime refused the model: {error}") from error


def session_options(threads: int = 0) -> ort.SessionOptions:
    """How sessions run."""
    options = ort.SessionOptions()
    options.log_severity_level = FATAL  # what ONNX Runtime would log of an error, its exception says
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")  # int4 weights, float activations
    return options


def make_session(model: OnnxModel, options: ort.SessionOptions, providers: Sequence[Any]) -> ort.InferenceSession:
    """A session whose weights come from the model's arrays, not through the proto, which ends at 2 GB."""
    if model.weights:
        values = [ort.OrtValue.ortvalue_from_numpy(array) for array in model.weights.values()]
        options.add_external_initializers(list(model.weights), values)
    return ort.InferenceSession(
        model.proto.SerializeToString(),
        options,
        providers=providers,
        disabled_optimizers=model.disabled_optimizers,
        enable_fallback=0,  # without it, what fails on CUDA would run on the CPU
    )
