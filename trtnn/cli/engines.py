"""An engine's inputs, outputs and sizes as fields to print, and what else commands say of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from trtnn.calling import Ranges
from trtnn.graph import TensorType
from trtnn.saving.targets import SUFFIXES

ENGINE_SUFFIXES = tuple(dict.fromkeys(suffix for suffixes in SUFFIXES.values() for suffix in suffixes))
"""How the files of engines end."""


def signature_fields(
    inputs: Mapping[str, TensorType], outputs: Mapping[str, TensorType], profiles: Iterable[Ranges]
) -> dict[str, list[str]]:
    """A line per input, per output and per optimization profile."""
    return {
        "inputs": _typed(inputs),
        "outputs": _typed(outputs),
        "sizes": [text for text in map(_ranges, profiles) if text],
    }


def signature_document(
    inputs: Mapping[str, TensorType], outputs: Mapping[str, TensorType], profiles: Iterable[Ranges]
) -> dict[str, Any]:
    """The same for ``--json``."""
    return {
        "inputs": {name: str(type) for name, type in inputs.items()},
        "outputs": {name: str(type) for name, type in outputs.items()},
        "profiles": [{name: list(sizes) for name, sizes in one.items()} for one in profiles],
    }


def short(precision: str) -> str:
    """A precision without what it says in brackets."""
    return precision.partition(" (")[0]


def _typed(types: Mapping[str, TensorType]) -> list[str]:
    return [f"{name}: {type}" for name, type in types.items()]


def _ranges(ranges: Ranges) -> str:
    return "; ".join(
        f"{name} {low}" if low == high else f"{name} {low} to {high}, best at {best}"
        for name, (low, best, high) in ranges.items()
    )
