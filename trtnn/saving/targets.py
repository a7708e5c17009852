"""What each target does to save and load its engines: the modules ``save`` and ``load`` beside its emitter."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from trtnn.engine import Engine
from trtnn.errors import ArgumentError, SavedEngineError
from trtnn.saving.atomic import AtomicFiles
from trtnn.saving.sidecar import Library, Machine, Options, Sidecar, sidecar_path
from trtnn.text import did_you_mean

_HOMES = {
    "onnxruntime": "trtnn.backends.onnxruntime",
    "tensorrt": "trtnn.backends.tensorrt",
    "tensorrt-rtx": "trtnn.backends.tensorrt",
}
SUFFIXES = {
    "onnxruntime": (".onnx",),
    "tensorrt": (".plan", ".engine", ".trt"),
    "tensorrt-rtx": (".plan", ".engine", ".trt"),
}
"""How the files of a target's engines end; the first is the usual one."""
_COMMON = ("module", "calibration", "target", "check_nan", "verify_checksum")


class Saver(Protocol):
    """A target's module ``save``."""

    def write(self, engine: Engine, name: str, files: AtomicFiles) -> Options:
        """Writes the engine's files, the one called ``name`` and what belongs to it, and returns what `Loader.load`
        has to know of them (``Sidecar.needs``)."""

    def machine_of(self, engine: Engine) -> Machine:
        """What the engine is bound to."""


class Loader(Protocol):
    """A target's module ``load``."""

    PORTABLE: bool
    """Whether the files can be loaded by other versions of the library and on other machines."""

    def library(self, target: str) -> Library:
        """The installed library. Raises LibraryError."""

    def files_of(self, name: str, sidecar: Sidecar) -> tuple[str, ...]:
        """The names of the files that make up an engine called ``name``."""

    def load(self, path: Path, sidecar: Sidecar, **options: Any) -> Engine:
        """The engine. The keyword arguments are its run-time options."""

    def load_bare(self, path: Path, target: str, check_nan: bool, **options: Any) -> Engine:
        """The engine of a file without a sidecar, with what the file itself says."""


def saver_of(target: str) -> Saver:
    """The target's module ``save``."""
    module: Any = import_module(f"{_HOMES[target]}.save")
    return module  # type: ignore[no-any-return]


def loader_of(target: str) -> Loader:
    """The target's module ``load``. Raises SavedEngineError for an unknown target."""
    if target not in _HOMES:
        raise SavedEngineError(
            "$.target", expected=f"one of {', '.join(_HOMES)}", got=repr(target), remedy="update trtnn"
        )
    module: Any = import_module(f"{_HOMES[target]}.load")
    return module  # type: ignore[no-any-return]


def require_suffix(path: Path, target: str) -> None:
    """Raises ArgumentError unless the path ends as files of the target do."""
    if path.suffix.lower() not in SUFFIXES[target]:
        raise ArgumentError(
            "path",
            expected=f"a name that ends in {' or '.join(SUFFIXES[target])} for the target {target}",
            got=path.name,
        )


def require_options(loader: Loader, target: str, options: Iterable[str]) -> None:
    """Raises ArgumentError for a run-time option that the target's engines do not have."""
    known = _options_of(loader)
    for name in options:
        if name not in known:
            raise ArgumentError(
                "Engine.load",
                expected=f"a run-time option of the target {target}: {', '.join(known) or 'it has none'}",
                got=repr(name),
                remedy=did_you_mean(name, [*known, *_COMMON], most=1),
            )


def require_saved_options(path: Path, sidecar: Sidecar, loader: Loader) -> None:
    """Raises SavedEngineError for a saved run-time option that the target's engines do not have."""
    known = _options_of(loader)
    for name in sidecar.options:
        if name not in known:
            raise SavedEngineError(
                f"{sidecar_path(path)}: $.options",
                expected=f"options of the target {sidecar.choice.target}: {', '.join(known) or 'it has none'}",
                got=repr(name),
                remedy="update trtnn, or save the engine again",
            )


def _options_of(loader: Loader) -> list[str]:
    return [one.name for one in inspect.signature(loader.load).parameters.values() if one.kind is one.KEYWORD_ONLY]
