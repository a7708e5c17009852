"""What TensorRT says: its log goes to Python's logging, its errors are collected and become exceptions."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from trtnn.backends.tensorrt.layer_names import layers_in, region_in
from trtnn.errors import BuildError
from trtnn.graph import Node
from trtnn.graph.dims import names

LOG = logging.getLogger("trtnn.tensorrt")
LOG.addHandler(logging.NullHandler())  # silent unless the application asks to see it

REPORT = "this is a limit of the installed TensorRT or a bug of trtnn: please report it with this message"
KERNEL_REPORT = "Layers:"
"""How the one VERBOSE message starts that lists the kernels of a plan."""
_LEVELS = {"INTERNAL_ERROR": logging.ERROR, "ERROR": logging.ERROR, "WARNING": logging.WARNING, "INFO": logging.INFO}


@functools.cache
def logger_of(trt: Any) -> Any:
    """The one logger of a TensorRT library, which passes everything but VERBOSE on to the logger "trtnn.tensorrt",
    and of that the report of a plan's kernels.

    TensorRT holds the first logger of a process by its address and ignores all others, so it lives as long as the
    process.
    """

    class Logger(trt.ILogger):  # type: ignore[misc]  # the library is a value here
        def log(self, severity: Any, message: str) -> None:
            level = _LEVELS.get(severity.name)
            if level is not None:
                LOG.log(level, "%s", message)
            elif message.startswith(KERNEL_REPORT):
                LOG.debug("%s", message)

    return Logger()


def recorder_of(trt: Any) -> Any:
    """A new ``IErrorRecorder`` whose ``take()`` hands out the messages recorded since the last call."""

    class Recorder(trt.IErrorRecorder):  # type: ignore[misc]  # the library is a value here
        def __init__(self) -> None:
            super().__init__()
            self.errors: list[tuple[Any, str]] = []

        def num_errors(self) -> int:
            return len(self.errors)

        def get_error_code(self, index: int) -> Any:
            return self.errors[index][0]

        def get_error_desc(self, index: int) -> str:
            return self.errors[index][1]

        def has_overflowed(self) -> bool:
            return False

        def clear(self) -> None:
            self.errors.clear()

        def report_error(self, code: Any, description: str) -> bool:
            self.errors.append((code, description))
            return True

        def take(self) -> list[str]:
            texts = [
                text for _, text in self.errors if "catchCudaError" not in text
            ]  # noise on a machine without a GPU
            self.errors.clear()
            return texts

    return Recorder()


@attrs.frozen
class Blame:
    """Where in the user's model the library's messages point: the name of a layer, and the node it was emitted for.

    ``last`` is the node of the last layer, where the messages name a region of several.
    """

    layer: str
    node: Node
    last: Node | None = None

    @property
    def path(self) -> str:
        """The module path and the operation, as errors show it: "encoder.conv1: conv"; of a region, both ends."""
        first = _place(self.node)
        return first if self.last is None or _place(self.last) == first else f"{first} to {_place(self.last)}"

    @property
    def dims(self) -> frozenset[str]:
        """The named dims that the shapes around the node depend on."""
        values = (*self.node.inputs, *self.node.outputs)
        return frozenset(name for value in values for size in value.type.shape for name in names(size))


def find_blame(messages: Iterable[str], nodes: Mapping[str, Node]) -> Blame | None:
    """The layer that messages name, out of the layers and the nodes they were emitted for; the longest name wins, and
    a region goes before any layer."""
    text = "\n".join(messages)
    region = region_in(text, nodes)
    if region is not None:
        first, last = region
        return Blame(first, nodes[first], nodes[last])
    best = max(layers_in(text, nodes), key=len, default=None)
    return None if best is None else Blame(best, nodes[best])


def build_error(problem: str, messages: list[str], blame: Blame | None = None, remedy: str = REPORT) -> BuildError:
    """The exception for a network or layer that TensorRT refused, with the user's module path and line when they are
    known.
    """
    said = "; ".join(dict.fromkeys(map(readable, messages)))
    if blame is not None and blame.last is not None and blame.last.origin.line is not None:
        line = blame.last.origin.line
        said += f"; the region ends at {line.file}:{line.line}"
    return BuildError(
        blame.path if blame else None,
        problem=f"{problem}: {said}" if said else problem,
        remedy=remedy,
        line=blame.node.origin.line if blame else None,
    )


def _place(node: Node) -> str:
    return f"{node.origin.path}: {node.op.name}" if node.origin.path else node.op.name


def readable(message: str) -> str:
    """A message without the places in TensorRT's own sources."""
    return re.sub(r"\s+In \S+ at \S+?:\d+", "", " ".join(message.split()))
