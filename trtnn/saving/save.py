"""Saving: the engine's files as its target wants them, and the sidecar."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

import trtnn
from trtnn.engine import Engine
from trtnn.errors import ArgumentError
from trtnn.recipe import Recipe
from trtnn.saving.atomic import AtomicFiles
from trtnn.saving.documents import to_json
from trtnn.saving.home import Home
from trtnn.saving.refit import CHANGING
from trtnn.saving.sidecar import Options, SavedModule, Sidecar, sidecar_path
from trtnn.saving.targets import loader_of, require_suffix, saver_of
from trtnn.summary import Summary


def save(engine: Engine, path: str | os.PathLike[str]) -> None:
    """Writes the engine to ``path`` and its sidecar beside it. See `Engine.save`."""
    path = Path(path)
    require_suffix(path, engine.target)
    if not path.parent.is_dir():
        raise ArgumentError("path", expected="a file in a folder that exists", got=str(path), remedy="make the folder")
    with CHANGING, AtomicFiles(path.parent) as files:
        needs = saver_of(engine.target).write(engine, path.name, files)
        text = to_json(_describe(engine, files, needs))
        with files.create(sidecar_path(path).name) as file:
            file.write(text.encode())
        files.commit()
        engine._home = Home.at(path)


def _describe(engine: Engine, files: AtomicFiles, needs: Options) -> Sidecar:
    known = engine._sidecar
    return Sidecar(
        trtnn=trtnn.__version__,
        choice=engine.choice,
        library=loader_of(engine.target).library(engine.target),
        machine=saver_of(engine.target).machine_of(engine),
        signature=engine.signature,
        profiles=engine.profiles,
        check_nan=engine.check_nan,
        options=engine.runtime_options,
        needs=needs,
        module=known.module if known is not None else _describe_module(engine.recipe),
        summary=known.summary if known is not None else _table(engine),
        layers=tuple(engine._reported_layers()),
        custom_ops=engine.custom_ops,
        files=tuple(files.written),
    )


def _table(engine: Engine) -> Summary | None:
    return None if engine._graph is None else engine.summary()


def _describe_module(recipe: Recipe | None) -> SavedModule | None:
    if recipe is None or recipe.weights is None:
        return None
    precision = recipe.precision
    best = {name: sizes[1] for name, sizes in recipe.profiles[0].items()}
    calibrated = "int8" if precision.int8 is not None else "fp8" if precision.fp8 is not None else None
    return SavedModule(
        inputs={name: declared.type for name, declared in recipe.inputs.items()},
        half=precision.half,
        calibrated=calibrated,
        int4=precision.int4,
        keep_fp32=precision.keep_fp32,
        keep_fp16=precision.keep_fp16,
        io_dtype=precision.io_dtype,
        weights_sha256=weights_digest(recipe.weights),
        summary=recipe.module.summary(recipe.inputs, dims=best),
    )


def weights_digest(weights: Mapping[str, np.ndarray]) -> str:
    """The SHA-256 of a module's weights by path: equal for equal weights, whichever file they came from."""
    digest = hashlib.sha256()
    for path, array in sorted(weights.items()):
        digest.update(f"{path} {array.dtype.name} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
