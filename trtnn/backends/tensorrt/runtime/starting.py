"""From a serialized plan to a runtime: what the machine must have, and the plan made an ``ICudaEngine``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trtnn import gpu
from trtnn.backends.tensorrt.errors import logger_of, readable, recorder_of
from trtnn.backends.tensorrt.library import Library, load
from trtnn.backends.tensorrt.runtime.runtime import Runtime
from trtnn.calling import Ranges
from trtnn.engine import Signature
from trtnn.errors import DeviceError
from trtnn.gpu.device import Device
from trtnn.gpu.library import compute_capability

_RTX_CAPABILITIES = ((7, 5), (8, 0), (8, 6), (8, 9))
_RTX_MAJOR = 12


def start(
    plan: memoryview,
    target: str,
    signature: Signature,
    profiles: Sequence[Ranges],
    *,
    max_contexts: int,
    cuda_graphs: bool,
) -> Runtime:
    """A runtime for a plan of the target, ``"tensorrt"`` or ``"tensorrt-rtx"``, on GPU 0.

    Raises DeviceError when no GPU can run it or TensorRT refuses the plan, and LibraryError.
    """
    problem = gpu.why_not() or why_unsupported(target)
    if problem is not None:
        raise DeviceError(
            signature.name,
            problem=f"running a TensorRT plan needs an NVIDIA GPU: {problem}",
            remedy='use engine.simulate(...) to evaluate the network in NumPy, or compile with target="onnxruntime"',
        )
    device, library = Device(), load(target)
    engine = deserialize(plan, library, signature.name)
    return Runtime(engine, library.trt, signature, profiles, device, max_contexts=max_contexts, cuda_graphs=cuda_graphs)


def deserialize(plan: memoryview, library: Library, name: str) -> Any:
    """The ``ICudaEngine`` of a serialized plan. Raises DeviceError with what TensorRT said."""
    runtime = library.trt.Runtime(logger_of(library.trt))  # the engine keeps it alive
    recorder = recorder_of(library.trt)
    runtime.error_recorder = recorder
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        said = "; ".join(dict.fromkeys(map(readable, recorder.take())))
        raise DeviceError(
            name,
            problem=f"{library.target} {library.version} cannot load the plan: {said or 'it did not say why'}",
            remedy="a plan runs only with the TensorRT version, the system and the kind of GPU it was built for",
        )
    return engine


def why_unsupported(target: str) -> str | None:
    """Why the library of the target cannot run on GPU 0, or None when it can. Raises DeviceError without a GPU."""
    if target != "tensorrt-rtx":
        return None
    capability = compute_capability()
    if capability in _RTX_CAPABILITIES or capability[0] == _RTX_MAJOR:
        return None
    return f"TensorRT-RTX does not run on compute capability {capability[0]}.{capability[1]}"
