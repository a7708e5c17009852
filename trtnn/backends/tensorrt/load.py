"""Engines from plans in files, which are mapped and not read."""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trtnn.backends.tensorrt import library as libraries
from trtnn.backends.tensorrt.data_types import DATA_TYPES
from trtnn.backends.tensorrt.engine import MAX_CONTEXTS, TensorRTEngine
from trtnn.backends.tensorrt.runtime.starting import deserialize
from trtnn.calling import Ranges
from trtnn.engine import Choice, Signature
from trtnn.errors import DeviceError, SavedEngineError
from trtnn.gpu import library as gpu
from trtnn.graph import DType, TensorType
from trtnn.graph.dims import symbol
from trtnn.saving.sidecar import Library, Sidecar, sidecar_path

PORTABLE = False
_DTYPES = {name: dtype for dtype, name in DATA_TYPES.items() if dtype not in (DType.float8, DType.int4)}
"""The types that an engine takes and gives."""


def library(target: str) -> Library:
    """TensorRT or TensorRT-RTX. Raises LibraryError."""
    found = libraries.load(target)
    return Library(found.trt.__name__, found.version)


def files_of(name: str, sidecar: Sidecar) -> tuple[str, ...]:
    """The plan."""
    return (name,)


def load(
    path: Path, sidecar: Sidecar, *, cuda_graphs: bool = False, max_contexts: int = MAX_CONTEXTS
) -> TensorRTEngine:
    """The engine of a saved plan, which is deserialized at its first call.

    Raises SavedEngineError for a file that cannot be read and for a sidecar's ``needs`` of another form.
    """
    kept: Any = sidecar.needs.get("kept_weights")
    if list(sidecar.needs) != ["kept_weights"] or not (kept is None or isinstance(kept, str)):
        raise SavedEngineError(
            f"{sidecar_path(path)}: $.needs",
            expected='{"kept_weights": a digest or null}',
            got=str(dict(sidecar.needs))[:60],
            remedy="save the engine again with this trtnn",
        )
    if sidecar.custom_ops:
        register_plugins(sidecar.choice.target)
    return TensorRTEngine(
        sidecar.signature,
        sidecar.choice,
        sidecar.profiles,
        map_file(path),
        check_nan=sidecar.check_nan,
        cuda_graphs=cuda_graphs,
        max_contexts=max_contexts,
        kept_weights=kept,
        layers=sidecar.layers,
    )


def load_bare(
    path: Path, target: str, check_nan: bool, *, cuda_graphs: bool = False, max_contexts: int = MAX_CONTEXTS
) -> TensorRTEngine:
    """The engine of any plan, whose signature TensorRT reads out of it.

    Raises DeviceError where there is no GPU: TensorRT reads plans only with one.
    """
    plan = map_file(path)
    why_not = gpu.why_not()
    if why_not is not None:
        raise DeviceError(
            str(path),
            problem=f"has no sidecar, and to look into a plan TensorRT needs a GPU: {why_not}",
            remedy=f"copy {sidecar_path(path).name} beside it, which was written together with it",
        )
    found = libraries.load(target)
    engine = deserialize(plan, found, path.name)
    signature, profiles = read_signature(engine, found.trt, path.stem)
    return TensorRTEngine(
        signature,
        Choice(target, f"{path.name} is a plan", "unknown"),
        profiles,
        plan,
        check_nan=check_nan,
        cuda_graphs=cuda_graphs,
        max_contexts=max_contexts,
    )


def register_plugins(target: str) -> None:
    """Makes known what custom ops of a plan may be: plugins that run in Python. TensorRT-RTX has none."""
    from trtnn.backends.tensorrt.plugins.runtime import register_creator  # plans without custom ops do without

    trt = libraries.load(target).trt
    if hasattr(trt.INetworkDefinition, "add_plugin_v3"):
        register_creator(trt)


def map_file(path: Path) -> memoryview:
    """A file's contents, mapped. A file that gets the name later does not change them. Raises SavedEngineError."""
    try:
        with path.open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise SavedEngineError(str(path), problem="is empty")
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise SavedEngineError(str(path), problem=f"cannot be read: {error.strerror or error}") from error


def read_signature(engine: Any, trt: Any, name: str) -> tuple[Signature, list[Ranges]]:
    """What an ``ICudaEngine`` takes and gives, and its profiles.

    A plan knows no names of dims: a size that is open gets one after its place, such as ``input_0_axis_1``. Those of
    outputs are not known before a call. Raises SavedEngineError for a data type that engines lack.
    """
    inputs: dict[str, TensorType] = {}
    outputs: dict[str, TensorType] = {}
    for number in range(engine.num_io_tensors):
        tensor = engine.get_tensor_name(number)
        is_input = engine.get_tensor_mode(tensor) == trt.TensorIOMode.INPUT
        types, kind = (inputs, "input") if is_input else (outputs, "output")
        types[tensor] = _type(engine, tensor, f"{kind}_{len(types)}")
    profiles = [_profile(engine, number, inputs) for number in range(engine.num_optimization_profiles)]
    returns: Any = "tensor" if len(outputs) == 1 else "dict"
    return Signature(engine.name or name, inputs, outputs, returns), profiles or [{}]


def _type(engine: Any, tensor: str, place: str) -> TensorType:
    dtype = engine.get_tensor_dtype(tensor).name
    if dtype not in _DTYPES:
        raise SavedEngineError(tensor, expected=f"one of {', '.join(_DTYPES)}", got=dtype, remedy="cast it")
    shape: Sequence[int] = tuple(engine.get_tensor_shape(tensor))
    sizes = (symbol(f"{place}_axis_{axis}") if size < 0 else size for axis, size in enumerate(shape))
    return TensorType(_DTYPES[dtype], tuple(sizes))


def _profile(engine: Any, number: int, inputs: dict[str, TensorType]) -> Ranges:
    ranges: dict[str, tuple[int, int, int]] = {}
    for tensor, type in inputs.items():
        low, best, high = (tuple(shape) for shape in engine.get_tensor_profile_shape(tensor, number))
        for axis, size in enumerate(type.shape):
            if not isinstance(size, int):
                ranges[str(size)] = (low[axis], best[axis], high[axis])
    return ranges
