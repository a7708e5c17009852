"""Loading: the sidecar is checked against the files, the library and the machine before the target gets the files."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from trtnn.backends.select import placed
from trtnn.engine import Engine
from trtnn.errors import ArgumentError, LibraryError, SavedEngineError
from trtnn.saving.checks import require_custom_ops, require_files, require_machine, this_gpu, verified
from trtnn.saving.documents import from_json
from trtnn.saving.fields import MAX_BYTES
from trtnn.saving.home import Home
from trtnn.saving.sidecar import SUFFIX, Sidecar, sidecar_path
from trtnn.saving.targets import SUFFIXES, loader_of, require_options, require_saved_options

if TYPE_CHECKING:
    from trtnn.module import Module
    from trtnn.precision.calibration import Calibration


class SavedEngineWarning(UserWarning):
    """An engine file that stands alone, of which less is known than of one with its sidecar."""


def load(
    path: str | os.PathLike[str],
    *,
    module: Module | None = None,
    calibration: Calibration | None = None,
    target: str | None = None,
    check_nan: bool | None = None,
    verify_checksum: bool = True,
    **options: Any,
) -> Engine:
    """The engine that was saved at ``path``. See `Engine.load`."""
    path = Path(path)
    require_file(path)
    arguments = {"target": target, "check_nan": check_nan, "verify_checksum": verify_checksum, **options}
    if sidecar_path(path).is_file():
        engine = _load(path, target, check_nan, verify_checksum, options)
    else:
        engine = _load_bare(path, target, check_nan, options)
    if module is not None:
        from trtnn.saving.module import recipe_for  # what only a refit needs

        engine.recipe = recipe_for(module, engine, calibration)
    engine._home = Home.at(path, **arguments)
    return engine


def _load(
    path: Path, target: str | None, check_nan: bool | None, verify_checksum: bool, options: dict[str, Any]
) -> Engine:
    sidecar = read_sidecar(path)
    made_for = sidecar.choice.target
    if target not in (None, made_for):
        raise SavedEngineError(f"{sidecar_path(path)}: $.target", expected=repr(target), got=repr(made_for))
    loader = loader_of(made_for)
    require_options(loader, made_for, options)
    library = loader.library(made_for)
    if not loader.PORTABLE:
        require_machine(path, sidecar, library, this_gpu())
    require_custom_ops(path, sidecar)
    require_saved_options(path, sidecar, loader)
    require_files(path, sidecar, loader.files_of(path.name, sidecar))
    with verified(path, sidecar) if verify_checksum else contextlib.nullcontext():
        engine = loader.load(path, _changed(sidecar, check_nan, options), **{**sidecar.options, **options})
    engine._sidecar = sidecar
    return engine


def _load_bare(path: Path, target: str | None, check_nan: bool | None, options: dict[str, Any]) -> Engine:
    made_for = target or _target_of(path)
    loader = loader_of(made_for)
    require_options(loader, made_for, options)
    engine = loader.load_bare(path, made_for, check_nan is not False, **options)
    warnings.warn(
        f"{path.name} has no sidecar {sidecar_path(path).name}: its precision, what it was compiled from, and the "
        "library and machine that it is for are not known; sizes without a name got one, and several outputs come as "
        "a dict",
        SavedEngineWarning,
        stacklevel=4,
    )
    return engine


def read_sidecar(path: Path) -> Sidecar:
    """The sidecar of the engine at ``path``. Raises SavedEngineError."""
    file = sidecar_path(path)
    try:
        with file.open("rb") as opened:
            text = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise SavedEngineError(str(file), problem=f"cannot be read: {error.strerror or error}") from error
    return from_json(text, str(file))


def _changed(sidecar: Sidecar, check_nan: bool | None, options: Mapping[str, Any]) -> Sidecar:
    """The sidecar with what loading says otherwise."""
    choice = placed(sidecar.choice, {**sidecar.options, **options})
    return attrs.evolve(sidecar, choice=choice, check_nan=sidecar.check_nan if check_nan is None else check_nan)


def require_file(path: Path) -> None:
    """Raises ArgumentError for a sidecar in the place of its engine, and SavedEngineError for what is no file."""
    if path.suffix == SUFFIX:
        raise ArgumentError(
            "path", expected="the engine", got=f"the sidecar {path.name}", remedy=f"load {path.with_suffix('').name}"
        )
    if not path.is_file():
        raise SavedEngineError(str(path), problem="is a folder" if path.is_dir() else "there is no such file")


def _target_of(path: Path) -> str:
    """The target that files of this name are for; the installed one of TensorRT's two libraries."""
    known = [target for target, suffixes in SUFFIXES.items() if path.suffix.lower() in suffixes]
    usable = [target for target in known if _is_installed(target)]
    if len(known) != 1 and len(usable) != 1:
        raise SavedEngineError(
            str(path),
            problem="has no sidecar, and its name does not tell which library it is for",
            remedy=f"give Engine.load(..., target=...): {', '.join(SUFFIXES)}",
        )
    return (usable or known)[0]


def _is_installed(target: str) -> bool:
    try:
        loader_of(target).library(target)
    except LibraryError:
        return False
    return True
