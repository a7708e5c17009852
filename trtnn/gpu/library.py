"""Finding the GPU: the one place where cuda-core is imported."""

from __future__ import annotations

import ctypes
import functools
import importlib
import os
import re
from typing import Any

import attrs

from trtnn.errors import DeviceError, LibraryError

OLDEST = (1, 0)
_INSTALL = 'pip install "trtnn[gpu]"'
_NO_GPU = "no NVIDIA GPU was found"
_DRIVER = "nvcuda.dll" if os.name == "nt" else "libcuda.so.1"
_NO_DRIVER = ("NO_DEVICE", "libcuda", "NVIDIA driver", "DynamicLibNotFound", "NotFoundError")


@attrs.frozen(eq=False)
class CudaLibrary:
    """cuda-core, imported: ``core`` is the module ``cuda.core`` and ``version`` its version as text."""

    core: Any
    version: str


@functools.cache
def load() -> CudaLibrary:
    """Imports cuda-core. Raises LibraryError when it is not installed, cannot be imported or is older than 1.0."""
    try:
        core = importlib.import_module("cuda.core")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "cuda":
            raise _broken(error) from error
        raise LibraryError(problem=f"cuda-core is not installed: {_INSTALL}") from error
    except (ImportError, OSError, RuntimeError) as error:
        raise _broken(error) from error
    version = str(core.__version__)
    if tuple(int(number) for number in re.findall(r"\d+", version)) < OLDEST:
        raise LibraryError(
            "cuda-core",
            expected=f"version {'.'.join(map(str, OLDEST))} or newer",
            got=version,
            remedy='pip install --upgrade "trtnn[gpu]"',
        )
    return CudaLibrary(core, version)


def device(ordinal: int = 0) -> Any:
    """The ``cuda.core.Device`` with that number, current in the calling thread.

    Raises LibraryError as `load` does, and DeviceError when there is no such GPU or it cannot be used.
    """
    core = load().core
    try:
        found = core.Device(ordinal)
        found.set_current()
    except Exception as error:  # a missing driver, no GPU and a GPU in trouble have no base of their own
        raise DeviceError(f"GPU {ordinal}", problem=_said(error)) from error
    return found


@functools.cache
def why_not() -> str | None:
    """Why no GPU can be used here, in one line, or None when one can."""
    try:
        device()
    except LibraryError as error:
        return str(error) if _has_driver() else _NO_GPU
    except DeviceError as error:
        return error.problem
    return None


def _has_driver() -> bool:
    """Whether NVIDIA's driver is here: without it nobody need install cuda-core to learn that there is no GPU."""
    try:
        ctypes.CDLL(_DRIVER)
    except OSError:
        return False
    return True


def available() -> bool:
    """Whether cuda-core is installed and there is a GPU that it can use."""
    return why_not() is None


def compute_capability(ordinal: int = 0) -> tuple[int, int]:
    """The GPU's compute capability, such as (9, 0). Raises what `device` does."""
    found = device(ordinal).compute_capability
    return int(found[0]), int(found[1])


def _said(error: Exception) -> str:
    """What an error of the driver means."""
    text = f"{type(error).__name__}: {error}"
    if any(sign in text for sign in _NO_DRIVER):
        return _NO_GPU
    return f"the GPU cannot be used: {' '.join(str(error).split())}"


def _broken(error: Exception) -> LibraryError:
    return LibraryError(
        problem=f"cuda-core is installed but cannot be imported: {error}",
        remedy=f"reinstall it: {_INSTALL} --force-reinstall",
    )
