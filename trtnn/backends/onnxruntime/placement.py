"""Where a session runs, and how: the options that say so, checked, and what ONNX Runtime is told."""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import re
from typing import Any

import attrs
import onnxruntime as ort

from trtnn.errors import ArgumentError, LibraryError
from trtnn.graph.dims import is_int

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
INSTALL = (
    'pip install "trtnn[gpu]", and put onnxruntime-gpu in the place of onnxruntime, whose files it has under the same '
    "names: pip uninstall -y onnxruntime && pip install --force-reinstall --no-deps onnxruntime-gpu"
)
INSTALL_CUDA = 'pip install "onnxruntime-gpu[cuda,cudnn]", or import torch first, which brings these libraries'
FATAL = 4


@attrs.frozen
class Placement:
    """The run-time options of an engine.

    ``device``: "cpu", "cuda" or "cuda:1". ``threads``: on the CPU, 0 for one per core. The others are for CUDA alone:
    ``cuda_graphs`` captures each combination of input shapes at its first call and replays it from then on;
    ``prefer_nhwc`` convolves channels last, which half precision wants and float32 does not: None is "where the network
    computes in half precision"; ``tf32`` lets float32 products round their operands to 10 bits, as TensorFlow does on
    a GPU.
    """

    device: str = "cpu"
    threads: int = 0
    cuda_graphs: bool = False
    prefer_nhwc: bool | None = None
    tf32: bool = False

    def __attrs_post_init__(self) -> None:
        """Raises ArgumentError for a value that makes no sense, and for an option that the CPU does not have."""
        if not is_int(self.threads) or self.threads < 0:
            raise ArgumentError("threads", expected="an int >= 0", got=repr(self.threads))
        for name in ("cuda_graphs", "prefer_nhwc", "tf32"):
            value = getattr(self, name)
            if not isinstance(value, bool) and not (value is None and name == "prefer_nhwc"):
                raise ArgumentError(name, expected="True or False", got=repr(value))
            if value and self.ordinal is None:
                raise ArgumentError(name, problem="is an option of CUDA", remedy='compile with device="cuda"')

    @property
    def ordinal(self) -> int | None:
        """The GPU's number, None on the CPU."""
        return ordinal_of(self.device)


def ordinal_of(device: Any) -> int | None:
    """The number of the GPU that "cuda" or "cuda:1" names, None for "cpu". Raises ArgumentError for anything else."""
    found = re.fullmatch(r"cpu|cuda(?::(\d+))?", device) if isinstance(device, str) else None
    if found is None:
        raise ArgumentError("device", expected='"cpu", "cuda" or "cuda:1"', got=repr(device))
    return None if device == "cpu" else int(found[1] or 0)


def require_cuda() -> None:
    """Raises LibraryError unless the installed ONNX Runtime is one for CUDA."""
    if CUDA in ort.get_available_providers():
        return
    problem = f"ONNX Runtime {ort.__version__} as installed here has no {CUDA}"
    if {"onnxruntime", "onnxruntime-gpu"} <= _installed():
        problem += ": onnxruntime and onnxruntime-gpu are both installed, and one has replaced files of the other"
    raise LibraryError("onnxruntime", problem=problem, remedy=INSTALL)


def _installed() -> set[str]:
    found = importlib.metadata.distributions()
    return {name for one in found if (name := one.metadata["Name"]) and name.startswith("onnxruntime")}


def providers_for(placement: Placement, stream: int | None, nhwc: bool, capturable: bool) -> list[Any]:
    """ONNX Runtime's providers with their options; ``stream`` is the one that all work goes to.

    Without graphs ONNX Runtime finds the convolutions' kernels anew whenever shapes change: then by rules and not by
    trying them all, which for ResNet-50 on an H200 found none that were faster.

    ``capturable`` is more than permission to capture graphs: ONNX Runtime then refuses a network of which it would
    run parts on the CPU, and frees page-locked buffers when the stream is done instead of in callbacks on it, where
    CUDA does not allow it.
    """
    options = {
        "device_id": str(placement.ordinal),
        "use_tf32": str(int(placement.tf32)),
        "prefer_nhwc": str(int(nhwc)),
        "enable_cuda_graph": str(int(capturable)),
        "cudnn_conv_algo_search": "EXHAUSTIVE" if placement.cuda_graphs else "HEURISTIC",
    }
    if stream is not None:
        options["user_compute_stream"] = str(stream)
    return [(CUDA, options), CPU]


def prepare_cuda() -> None:
    """Loads the CUDA libraries of pip's packages where there are any, and stops ONNX Runtime from writing dozens of
    lines on standard error for each network: cuDNN's plans that do not fit are errors to its log, not to it."""
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find, which may be loaded already
        ort.preload_dlls()
    ort.set_default_logger_severity(FATAL)


def require_on_cuda(session: Any) -> None:
    """Raises LibraryError for a session that ONNX Runtime has put on the CPU since its CUDA provider does not load."""
    if CUDA not in session.get_providers():
        raise LibraryError(
            "onnxruntime-gpu",
            problem=f"version {ort.__version__} cannot load its CUDA provider: CUDA's or cuDNN's libraries of the "
            "version that it was built for are missing",
            remedy=INSTALL_CUDA,
        )
