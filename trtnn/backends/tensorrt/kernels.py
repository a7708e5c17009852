"""The kernels of a plan, with the data types they work on: what the builder reports when it is done, without a GPU."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import attrs

from trtnn.backends.tensorrt.errors import KERNEL_REPORT, LOG
from trtnn.graph import Node
from trtnn.measure.layer import ROOT

_ENTRY = re.compile(r"^Name: (.*?), LayerType: (\w+)", re.MULTILINE)
_TENSOR = re.compile(r"Datatype: (\w+)")
_METADATA = re.compile(r"Metadata: (.+)$", re.MULTILINE)
_SEPARATOR = "\x1f"
"""Stands between the layers that became one kernel."""


@attrs.frozen
class Kernel:
    """One kernel: its name, its kind ("correlation", "gemm", or "kgen" for generated elementwise code), and TensorRT's
    names of the data types ("Int8", "Half", "Float") of its inputs, constants and outputs.

    ``layers`` are the layers of the network that it computes, none where it only prepares something.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    constants: tuple[str, ...]
    outputs: tuple[str, ...]
    layers: tuple[str, ...] = ()

    @property
    def computes_in(self) -> str:
        """The data type of the first operand, which for a convolution or product is that of its arithmetic."""
        return (*self.inputs, *self.constants, "")[0]

    def __str__(self) -> str:
        return f"{self.kind} ({', '.join(self.inputs)}) -> ({', '.join(self.outputs)}) {self.name}"


def kernels_by_module(kernels: Sequence[Kernel], nodes: Mapping[str, Node]) -> dict[str, list[str]]:
    """What each module's row in a summary says of the kernels, by the module's path: those of which it has the first
    layer, and of which others it is part. ``nodes`` are those behind the network's layers."""
    found: dict[str, list[str]] = {}
    for kernel in kernels:
        paths = list(dict.fromkeys(nodes[layer].origin.path for layer in kernel.layers if layer in nodes))
        for place, path in enumerate(paths):
            text = f"in {paths[0] or ROOT}" if place else f"{kernel.kind} {kernel.computes_in}".rstrip()
            found.setdefault(path, []).append(text)
    return found


@contextmanager
def recorded_kernels(wanted: bool = True) -> Iterator[list[Kernel]]:
    """A list that fills with the kernels of the plans built meanwhile, for builders with detailed profiling
    verbosity; one that stays empty unless they are ``wanted``."""
    found: list[Kernel] = []
    if not wanted:
        yield found
        return

    class Catcher(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            message = record.getMessage()
            if message.startswith(KERNEL_REPORT):
                found.extend(parse_report(message))

    catcher, level = Catcher(), LOG.level
    LOG.addHandler(catcher)
    LOG.setLevel(logging.DEBUG)
    try:
        yield found
    finally:
        LOG.setLevel(level)
        LOG.removeHandler(catcher)


def parse_report(message: str) -> list[Kernel]:
    """The kernels that a report lists."""
    starts = [match.start() for match in _ENTRY.finditer(message)]
    entries = [message[start:stop] for start, stop in zip(starts, [*starts[1:], len(message)], strict=True)]
    return [_kernel(entry) for entry in entries]


def _kernel(entry: str) -> Kernel:
    name, kind = _ENTRY.match(entry).groups()  # type: ignore[union-attr]  # the entry starts with it
    types: dict[str, tuple[str, ...]] = {}
    for role in ("Inputs", "Constants", "Outputs"):
        start = entry.find(f"{role}: [")
        types[role] = tuple(_TENSOR.findall(entry[start : _closing(entry, start)])) if start >= 0 else ()
    metadata = _METADATA.search(entry)
    layers = tuple(dict.fromkeys(metadata[1].strip(" ").split(_SEPARATOR))) if metadata else ()
    return Kernel(name, kind, types["Inputs"], types["Constants"], types["Outputs"], layers)


def _closing(text: str, start: int) -> int:
    """Where the list that begins at or after ``start`` ends; lists of numbers stand inside it."""
    depth = 0
    for place in range(text.index("[", start), len(text)):
        depth += {"[": 1, "]": -1}.get(text[place], 0)
        if depth == 0:
            return place
    return len(text)
