"""The sidecar: what stands beside a saved engine and says what it is, as data."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import attrs

from trtnn.calling import Ranges
from trtnn.engine import Choice, Signature
from trtnn.graph import DType, TensorType
from trtnn.measure.layer import Layer
from trtnn.summary import Summary

FORMAT = 1
"""Raised when a sidecar of the new form cannot be read by the old code."""
SUFFIX = ".json"
Options: TypeAlias = Mapping[str, Any]  # of what JSON has: None, bools, numbers, text, and lists and dicts of them


@attrs.frozen
class SavedFile:
    """One file of an engine: its name in the sidecar's folder, its size and its checksums.

    ``crc32c`` is what loading verifies, in a sixth of the time that SHA-256 would take; ``sha256`` is for other tools
    and for comparing files. Both are hexadecimal digits.
    """

    name: str
    bytes: int
    crc32c: str
    sha256: str


@attrs.frozen
class Library:
    """The library that made the engine: its package's name, such as "onnxruntime" or "tensorrt_rtx", and version."""

    name: str
    version: str


@attrs.frozen
class Machine:
    """What a plan is bound to: the operating system ("Linux"), the processor's architecture ("x86_64"), and the compute
    capabilities of GPUs ("9.0") that it was built for, None where it was built for none in particular.
    """

    system: str
    processor: str
    compute_capabilities: tuple[str, ...] | None = None

    @classmethod
    def this(cls, compute_capabilities: tuple[str, ...] | None = None) -> Machine:
        """The machine that this runs on."""
        processor = platform.machine().lower()
        return cls(
            platform.system(), {"amd64": "x86_64", "arm64": "aarch64"}.get(processor, processor), compute_capabilities
        )


@attrs.frozen
class SavedModule:
    """The module that an engine was compiled from, as far as a refit needs it: its inputs' types, the options of
    precision, its weights and its table.

    ``half`` is float16, bfloat16 or None; ``calibrated`` is "int8", "fp8" or None. ``weights_sha256`` is what
    `weights_digest` says of the TensorFlow weights.
    """

    inputs: Mapping[str, TensorType]
    half: DType | None
    calibrated: str | None
    int4: bool
    keep_fp32: tuple[str, ...]
    keep_fp16: tuple[str, ...]
    io_dtype: DType
    weights_sha256: str
    summary: Summary


@attrs.frozen
class Sidecar:
    """All that is known of a saved engine.

    ``trtnn`` is the version that saved it. ``options`` are the run-time options, which loading may override; ``needs``
    is what the target must be told to run the files rightly. ``module`` is None for an engine that was not compiled
    from one. ``summary`` is the engine's own table, None where it is not known, and ``layers`` are those that its
    builder reported. ``custom_ops`` has the names of its custom operations, and where each was defined.
    """

    trtnn: str
    choice: Choice
    library: Library
    machine: Machine
    signature: Signature
    profiles: tuple[Ranges, ...]
    check_nan: bool
    options: Options
    needs: Options
    module: SavedModule | None
    summary: Summary | None
    layers: tuple[Layer, ...]
    custom_ops: Mapping[str, str]
    files: tuple[SavedFile, ...]


def sidecar_path(path: Path) -> Path:
    """Where the sidecar of an engine stands: "model.plan.json" beside "model.plan"."""
    return path.with_name(path.name + SUFFIX)
