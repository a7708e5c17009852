"""Loading libraries of plugins."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

from trtnn.backends.tensorrt.errors import logger_of
from trtnn.backends.tensorrt.library import load
from trtnn.errors import LibraryError


def load_plugin_library(path: str | Path) -> tuple[str, ...]:
    """Loads a shared library with TensorRT plugins, for `functional.tensorrt_plugin` and for plans that hold them.

    Gives the plugins that it registered, as ``"name version"`` or ``"namespace::name version"``. It stays loaded as
    long as the process. Raises LibraryError when there is no such file, when it cannot be loaded, when it registers no
    plugin that was not there before, and when TensorRT is not installed.
    """
    file = Path(path)
    if not file.is_file():
        raise LibraryError(str(path), problem="there is no such file")
    trt = load("tensorrt").trt
    trt.init_libnvinfer_plugins(logger_of(trt), "")
    registry = trt.get_plugin_registry()
    before = _creators(registry)
    try:
        ctypes.CDLL(str(file.resolve()), mode=ctypes.RTLD_GLOBAL)  # older libraries register themselves when loaded
    except OSError as error:
        raise LibraryError(str(path), problem=f"cannot be loaded: {error}") from error
    if _creators(registry) == before:
        registry.load_library(str(file.resolve()))
    found = _creators(registry) - before
    if not found:
        raise LibraryError(
            str(path),
            problem="registers no plugin that was not there before",
            remedy="it needs REGISTER_TENSORRT_PLUGIN, or setLoggerFinder and getCreators as TensorRT's guide has them",
        )
    return tuple(sorted(found))


def _creators(registry: Any) -> set[str]:
    return {
        f"{one.plugin_namespace}::{one.name} {one.plugin_version}".removeprefix("::") for one in registry.all_creators
    }
