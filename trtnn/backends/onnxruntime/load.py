"""Engines from ONNX models in files, which are mapped and not read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnxruntime as ort

from trtnn.backends.onnxruntime.engine import OnnxRuntimeEngine, engine_of
from trtnn.backends.onnxruntime.placement import CPU, Placement
from trtnn.backends.onnxruntime.session import session_options
from trtnn.engine import Choice, Signature
from trtnn.errors import SavedEngineError
from trtnn.graph import DType, Size, TensorType
from trtnn.graph.dims import symbol
from trtnn.saving.checks import INTERRUPTED
from trtnn.saving.sidecar import Library, Sidecar, sidecar_path

PORTABLE = True
_DTYPES = {
    "tensor(float)": DType.float32,
    "tensor(float16)": DType.float16,
    "tensor(int64)": DType.int64,
    "tensor(int32)": DType.int32,
    "tensor(int8)": DType.int8,
    "tensor(uint8)": DType.uint8,
    "tensor(bool)": DType.bool,
}


def library(target: str) -> Library:
    """ONNX Runtime."""
    return Library("onnxruntime", ort.__version__)


def files_of(name: str, sidecar: Sidecar) -> tuple[str, ...]:
    """The model, behind its weights where these have a file of their own."""
    return (f"{name}.data", name) if len(sidecar.files) > 1 else (name,)


def load(
    path: Path,
    sidecar: Sidecar,
    *,
    threads: int = 0,
    device: str = "cpu",
    cuda_graphs: bool = False,
    prefer_nhwc: bool | None = None,
    tf32: bool = False,
) -> OnnxRuntimeEngine:
    """The engine of a saved model; the options are those of `Placement`. Raises SavedEngineError for a model that is
    not the one of the sidecar."""
    placement = Placement(device, threads, cuda_graphs, prefer_nhwc, tf32)
    disabled: Any = sidecar.needs.get("disabled_optimizers")
    if list(sidecar.needs) != ["disabled_optimizers"] or not _are_texts(disabled):
        raise SavedEngineError(
            f"{sidecar_path(path)}: $.needs",
            expected='{"disabled_optimizers": [names]}',
            got=str(dict(sidecar.needs))[:60],
            remedy="save the engine again",
        )

    def checked(options: ort.SessionOptions, providers: Sequence[Any]) -> ort.InferenceSession:
        session = _open(path, disabled, options, providers)
        _require_signature(path, sidecar.signature, session)
        return session

    return engine_of(sidecar.signature, sidecar.choice, sidecar.profiles, sidecar.check_nan, placement, checked)


def load_bare(path: Path, target: str, check_nan: bool, **options: Any) -> OnnxRuntimeEngine:
    """The engine of any ONNX model: the signature is what the session says of it, sizes without a name get one.

    ``options`` are those of `Placement`. Raises SavedEngineError for a file that is none, and for a data type that
    engines lack.
    """
    import onnx  # takes a while, and engines with a sidecar do without

    from trtnn.backends.onnxruntime.save import disabled_in

    placement = Placement(**options)
    try:
        disabled = disabled_in(onnx.load(path, load_external_data=False))
    except Exception as error:  # protobuf's errors depend on its implementation
        raise SavedEngineError(str(path), problem=f"is not an ONNX model: {error}") from error
    session = _open(path, disabled, session_options(placement.threads), [CPU])
    inputs = _types(path, "input", session.get_inputs())
    outputs = _types(path, "output", session.get_outputs())
    signature = Signature(path.stem, inputs, outputs, "tensor" if len(outputs) == 1 else "dict")
    choice = Choice(target, f"{path.name} is an ONNX model", "unknown")

    def opened(options: ort.SessionOptions, providers: Sequence[Any]) -> ort.InferenceSession:
        return session if placement.ordinal is None else _open(path, disabled, options, providers)

    return engine_of(signature, choice, [{}], check_nan, placement, opened)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _open(
    path: Path, disabled: Sequence[str], options: ort.SessionOptions, providers: Sequence[Any]
) -> ort.InferenceSession:
    try:
        return ort.InferenceSession(
            str(path), options, providers=providers, disabled_optimizers=disabled, enable_fallback=0
        )
    except Exception as error:  # ONNX Runtime's exceptions share no base of their own
        raise SavedEngineError(
            str(path), problem=f"ONNX Runtime {ort.__version__} refuses the model: {error}"
        ) from error


def _require_signature(path: Path, signature: Signature, session: ort.InferenceSession) -> None:
    """Raises SavedEngineError unless the model takes and gives what the sidecar says. What ONNX calls an output is left
    open: one that has an input's name is called otherwise there."""
    for member, types, values in (
        ("inputs", signature.inputs, session.get_inputs()),
        ("outputs", signature.outputs, session.get_outputs()),
    ):
        saved = [_described(name, type.dtype, type.shape) for name, type in types.items()]
        own = [value.name for value in values]
        names = own if member == "inputs" else [*types, *own[len(types) :]]
        found = [
            _described(name, _DTYPES.get(value.type), value.shape) for name, value in zip(names, values, strict=False)
        ]
        if saved != found:
            raise SavedEngineError(
                f"{sidecar_path(path)}: $.network.{member}",
                expected=f"what the model has: {', '.join(found)} ({len(values)})",
                got=f"{', '.join(saved)} ({len(types)})",
                remedy=INTERRUPTED,
            )


def _described(name: str, dtype: DType | None, shape: Sequence[Any]) -> str:
    """A name, a data type and the fixed sizes, with a question mark for each other one."""
    return f"{name}: {dtype}[{', '.join(str(size) if isinstance(size, int) else '?' for size in shape)}]"


def _types(path: Path, kind: str, values: Sequence[Any]) -> dict[str, TensorType]:
    """The session's types; a size without a name is called after its place, such as ``input_0_axis_1``."""
    types = {}
    for place, value in enumerate(values):
        if value.type not in _DTYPES:
            raise SavedEngineError(
                f"{path}: {value.name}", expected=f"one of {', '.join(_DTYPES)}", got=value.type, remedy="cast it"
            )
        shape = tuple(_size(size, f"{kind}_{place}_axis_{axis}") for axis, size in enumerate(value.shape))
        types[value.name] = TensorType(_DTYPES[value.type], shape)
    return types


def _size(size: Any, otherwise: str) -> Size:
    """A size of the session's: an int, a name, None, or the text of an expression, which counts as None."""
    if isinstance(size, int):
        return size
    return symbol(size if isinstance(size, str) and size.isidentifier() else otherwise)
