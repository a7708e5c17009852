"""``trtnn inspect``: what is in an engine, a weights file or a Keras file."""

from __future__ import annotations

import math
from argparse import Namespace
from pathlib import Path

import numpy as np

from trtnn.cli.commands.inspect_engine import inspect_engine
from trtnn.cli.commands.inspect_keras import inspect_keras, is_keras_model
from trtnn.cli.console import Console, table
from trtnn.cli.engines import ENGINE_SUFFIXES
from trtnn.cli.failures import UsageError
from trtnn.cli.source import import_modules
from trtnn.saving.sidecar import SUFFIX
from trtnn.text import with_prefix
from trtnn.weights import list_weights
from trtnn.weights.dtypes import STORAGE


def run(arguments: Namespace, console: Console) -> int:
    """Prints what the file holds; 1 for a Keras model that cannot be converted. Raises UsageError for a sidecar."""
    import_modules(arguments.imports)
    path = Path(arguments.file)
    if path.suffix.lower() in ENGINE_SUFFIXES:
        return inspect_engine(path, arguments.target, console)
    if path.suffix == SUFFIX and Path(path.stem).suffix.lower() in ENGINE_SUFFIXES:
        raise UsageError(f"{path} is the sidecar of an engine: inspect {path.with_suffix('')}")
    if is_keras_model(path):
        return inspect_keras(path, console)
    return _inspect_weights(path, console)


def _inspect_weights(path: Path, console: Console) -> int:
    """The variables of a checkpoint or another source of weights, with totals."""
    held = list_weights(path)
    counts = [math.prod(variable.shape) for variable in held]
    rows = [
        (variable.name, str(variable.shape), variable.dtype, f"{count:,}")
        for variable, count in zip(held, counts, strict=True)
    ]
    size = sum(count * _itemsize(variable.dtype) for variable, count in zip(held, counts, strict=True))
    console.say(
        f"{held.title}: {len(held)} variable{'s' * (len(held) != 1)}, {sum(counts):,} values, {with_prefix(size, 'B')}"
    )
    console.say(table(("name", "shape", "dtype", "values"), rows))
    console.finish(
        {
            "kind": "weights",
            "title": held.title,
            "variables": [variable._asdict() for variable in held],
            "values": sum(counts),
            "bytes": size,
        }
    )
    return 0


def _itemsize(dtype: str) -> int:
    """Bytes of one value; none of what has no fixed size, such as strings."""
    return np.dtype(STORAGE[dtype]).itemsize if dtype in STORAGE else 0
