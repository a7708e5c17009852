"""The kernels of a plan, with the data types they work on: what the builder reports when it is done, without a GPU."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import attrs

from trtnn.backends.tensorrt.errors import KERNEL_REPORT, LOG

_ENTRY = re.compile(r"^Name: (.*?), LayerType: (\w+)", re.MULTILINE)
_TENSOR = re.compile(r"Datatype: (\w+)")


@attrs.frozen
class Kernel:
    """One kernel: its name, its kind ("correlation", "gemm", or "kgen" for generated elementwise code), and TensorRT's
    names of the data types ("Int8", "Half", "Float") of its inputs, constants and outputs.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    constants: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def computes_in(self) -> str:
        """The data type of the first operand, which for a convolution or product is that of its arithmetic."""
        return (*self.inputs, *self.constants, "")[0]

    def __str__(self) -> str:
        return f"{self.kind} ({', '.join(self.inputs)}) -> ({', '.join(self.outputs)}) {self.name}"


@contextmanager
def recorded_kernels() -> Iterator[list[Kernel]]:
    """A list that fills with the kernels of the plans built meanwhile, for builders with detailed profiling
    verbosity."""
    found: list[Kernel] = []

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
    return Kernel(name, kind, types["Inputs"], types["Constants"], types["Outputs"])


def _closing(text: str, start: int) -> int:
    """Where the list that begins at or after ``start`` ends; lists of numbers stand inside it."""
    depth = 0
    for place in range(text.index("[", start), len(text)):
        depth += {"[": 1, "]": -1}.get(text[place], 0)
        if depth == 0:
            return place
    return len(text)
