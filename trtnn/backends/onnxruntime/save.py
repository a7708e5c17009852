"""An engine as an ONNX model in a file, with its weights in another one that can be mapped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx

from trtnn.backends.onnxruntime.emit import emit
from trtnn.backends.onnxruntime.engine import OnnxRuntimeEngine
from trtnn.backends.onnxruntime.lowering import lower_for
from trtnn.backends.onnxruntime.model import INLINE_BYTES
from trtnn.engine import Engine
from trtnn.errors import ArgumentError, UnsupportedError
from trtnn.saving.atomic import AtomicFiles
from trtnn.saving.sidecar import Machine

DATA_SUFFIX = ".data"
ALIGNMENT = 4096
"""Where weights start: at a multiple of a page, so that they can be used where the file is mapped."""
DISABLED = "trtnn.disabled_optimizers"
"""The model's own note of ONNX Runtime's optimizers that would break it, separated by commas."""


def write(engine: Engine, name: str, files: AtomicFiles) -> dict[str, Any]:
    """Writes ``name`` and, where the model has large weights, ``name.data``.

    Returns ``disabled_optimizers``, the optimizers that a session must do without. Raises UnsupportedError for an
    engine with custom ops in NumPy.
    """
    if not isinstance(engine, OnnxRuntimeEngine):
        raise UnsupportedError(
            engine.signature.name,
            problem="cannot be saved: its custom ops run in NumPy, between several ONNX models",
            remedy="give the ops a decompose form, or compile the module where it is needed",
        )
    _require_utf8(name)
    proto, weights, disabled = _model_of(engine)
    if weights:
        with files.create(name + DATA_SUFFIX) as file:
            for tensor in proto.graph.initializer:
                if tensor.name in weights:
                    file.align(ALIGNMENT)
                    start = file.position
                    file.write(np.ascontiguousarray(weights[tensor.name]).reshape(-1).view(np.uint8))
                    _point_to(tensor, name + DATA_SUFFIX, start, file.position - start)
    with files.create(name) as file:
        file.write(proto.SerializeToString())
    return {"disabled_optimizers": disabled}


def _require_utf8(name: str) -> None:
    """Raises ArgumentError for a file name that the model, which names the file of its weights, cannot hold."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ArgumentError("path", expected="a file name in UTF-8", got=ascii(name)) from error


def machine_of(engine: Engine) -> Machine:
    """The machine that saved it: an ONNX model is bound to none."""
    return Machine.this()


def _model_of(engine: OnnxRuntimeEngine) -> tuple[onnx.ModelProto, Mapping[str, np.ndarray], list[str]]:
    """The model, its large weights by name, and the optimizers that it must do without."""
    if engine._graph is None:
        return _read_model(engine)
    model = emit(lower_for(engine._graph))
    disabled = sorted(model.disabled_optimizers)
    if disabled:
        model.proto.metadata_props.add(key=DISABLED, value=",".join(disabled))
    return model.proto, model.weights, disabled


def _read_model(engine: OnnxRuntimeEngine) -> tuple[onnx.ModelProto, Mapping[str, np.ndarray], list[str]]:
    """The model that an engine was loaded from. Raises SavedEngineError when another one is there now."""
    assert engine._home is not None  # an engine without a graph is one that was loaded
    engine._home.require_unchanged()
    proto = onnx.load(engine._home.path)
    weights = {}
    for tensor in proto.graph.initializer:
        if len(tensor.raw_data) > INLINE_BYTES:
            weights[tensor.name] = np.frombuffer(tensor.raw_data, np.uint8)
            tensor.ClearField("raw_data")
    return proto, weights, disabled_in(proto)


def disabled_in(proto: onnx.ModelProto) -> list[str]:
    """The optimizers that a model says it must do without."""
    noted = {entry.key: entry.value for entry in proto.metadata_props}
    return noted[DISABLED].split(",") if noted.get(DISABLED) else []


def _point_to(tensor: onnx.TensorProto, location: str, offset: int, length: int) -> None:
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.ClearField("external_data")
    for key, value in (("location", location), ("offset", str(offset)), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
