"""TensorRT's timing cache in a file: a second build of a network like the first skips what was measured then."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from trtnn.backends.tensorrt.errors import LOG
from trtnn.errors import ArgumentError
from trtnn.files import write_whole


def load_timing_cache(config: Any, path: Path) -> None:
    """Gives the build the cache in the file, or an empty one where there is none or it does not fit: it is bound to
    the GPU and to TensorRT's version. Raises ArgumentError for a file that cannot be read."""
    if not path.parent.is_dir():
        raise ArgumentError("timing_cache", expected="a file in a folder that exists", got=str(path))
    try:
        contents = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise ArgumentError("timing_cache", problem=f"{path} cannot be read: {error.strerror}") from error
    if contents and _fits(config, contents):
        return
    if contents:
        LOG.warning("%s is for another GPU or another TensorRT: it is not used, and will be replaced", path)
    config.set_timing_cache(config.create_timing_cache(b""), False)


def save_timing_cache(config: Any, path: Path) -> None:
    """Writes the cache with what the build added; a reader sees the old file or the new one, never a part. Warns of a
    file that cannot be written: the plan is there, and must not be lost for it."""
    contents = memoryview(config.get_timing_cache().serialize())
    try:
        write_whole(path, contents)
    except OSError as error:
        warnings.warn(f"timing_cache: {path} cannot be written: {error.strerror or error}", stacklevel=2)


def _fits(config: Any, contents: bytes) -> bool:
    cache = config.create_timing_cache(contents)
    return cache is not None and bool(config.set_timing_cache(cache, False))
