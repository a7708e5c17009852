"""NVRTC, NVIDIA's run-time compiler, through cuda-core; what was compiled once is found again in memory or on disk."""

from __future__ import annotations

import functools
import hashlib
import importlib
import os
from pathlib import Path
from typing import Any

import attrs

from trtnn.errors import KernelError, LibraryError, TrtnnError
from trtnn.files import write_whole
from trtnn.gpu import library


class CompilationError(TrtnnError):
    """NVRTC refused the source; ``log`` is what it said."""

    def __init__(self, log: str) -> None:
        super().__init__(problem=log)
        self.log = log


@attrs.frozen
class Request:
    """What to compile: the whole text, for which architecture (``"90"``), with which of cuda-core's options."""

    text: str
    architecture: str
    options: tuple[tuple[str, Any], ...] = ()

    def key(self, form: str) -> str:
        """A file's name for the result in a form: all that goes into it, and the compiler's version."""
        parts = (self.text, self.architecture, repr(self.options), _compiler_version())
        return f"{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()}.{form}"


@functools.lru_cache(maxsize=256)
def compile(request: Request, form: str) -> bytes:
    """The code as ``"ptx"`` or ``"cubin"``.

    Raises CompilationError with the compiler's log, KernelError for an option that there is not, and LibraryError when
    cuda-core is not installed.
    """
    file = cache_folder() / request.key(form)
    if file.is_file():
        return file.read_bytes()
    code = _compile(request, form)
    _write(file, code)
    return code


def cache_folder() -> Path:
    """Where compiled kernels are kept: ``trtnn/kernels`` in XDG_CACHE_HOME, or in ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trtnn" / "kernels"


def _compile(request: Request, form: str) -> bytes:
    core = library.load().core
    try:
        options = core.ProgramOptions(
            arch=f"sm_{request.architecture}", std="c++17", include_path=_include_folders(), **dict(request.options)
        )
    except (TypeError, ValueError) as error:
        raise KernelError("options", problem=f"cuda-core does not take them: {error}") from error
    program = core.Program(request.text, "c++", options)
    try:
        return bytes(program.compile(form).code)
    except Exception as error:  # cuda-core's errors have no public base
        _, marked, log = str(error).partition("compilation log:")
        if not marked:
            raise KernelError(problem=f"NVRTC cannot compile to {form}: {error}") from error
        raise CompilationError(log.strip("\n \0")) from error
    finally:
        program.close()


def _include_folders() -> list[str]:
    """The folders of CUDA's own headers, such as cuda_fp16.h."""
    find = importlib.import_module("cuda.pathfinder").find_nvidia_header_directory
    return [folder for name in ("cudart", "cccl") if (folder := find(name))]


@functools.cache
def _compiler_version() -> str:
    version = library.load().version
    try:
        return f"{version} {importlib.import_module('cuda.bindings.nvrtc').nvrtcVersion()}"
    except (ImportError, RuntimeError) as error:  # what cuda-pathfinder raises is a RuntimeError
        raise LibraryError(problem='NVRTC is not installed: pip install "trtnn[gpu]"') from error


def _write(file: Path, code: bytes) -> None:
    """Writes the whole file or nothing, so that two processes can compile the same at once."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, code)
    except OSError:
        return  # a cache that cannot be written, such as a read-only home, costs time and nothing else
