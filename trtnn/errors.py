"""Every error trtnn raises on purpose.

An error says where (a module path, a weight, an input or a file), what was expected, what came instead, and the remedy;
errors found while tracing also show the user's own source line.
"""

from __future__ import annotations

import linecache
from typing import Any

import attrs


@attrs.frozen
class SourceLine:
    """One line of the user's code."""

    file: str
    line: int
    function: str

    @property
    def code(self) -> str:
        """The line's text, without its indentation; empty when the file cannot be read."""
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        code = self.code
        return f"{self.file}:{self.line}, in {self.function}" + (f"\n    {code}" if code else "")


class TrtnnError(Exception):
    """Base of all errors of trtnn.

    ``path`` names what is wrong, ``expected`` and ``got`` say how, ``remedy`` says what to do and ``line`` is the
    user's line, each None when it does not apply. ``str(error)`` has them all::

        encoder.conv1.kernel: expected (3, 3, 64, 128), got (128, 64, 3, 3); transpose it with (2, 3, 1, 0)
          at model.py:12, in forward
            x = self.conv1(x)
    """

    def __init__(
        self,
        path: str | None = None,
        *,
        expected: Any = None,
        got: Any = None,
        problem: str | None = None,
        remedy: str | None = None,
        line: SourceLine | None = None,
    ) -> None:
        self.path, self.expected, self.got = path, expected, got
        self.problem, self.remedy, self.line = problem, remedy, line
        self._placed = False
        super().__init__(path)

    def locate(self, place: str, line: SourceLine | None) -> None:
        """Puts the module's path before the path, and notes the line, unless an earlier call did."""
        if place and not self._placed:
            self._placed = True
            self.path = f"{place}: {self.path}" if self.path else place
        self.line = self.line or line

    def __str__(self) -> str:
        said = [] if self.problem is None else [self.problem]
        if self.expected is not None:
            said.append(f"expected {self.expected}" + ("" if self.got is None else f", got {self.got}"))
        elif self.got is not None:
            said.append(f"got {self.got}")
        if self.remedy is not None:
            said.append(self.remedy)
        text = "; ".join(said).replace("\n; ", "\n")  # a list of lines is followed by a line of its own
        if self.path:
            text = f"{self.path}: {text}"
        if self.line is not None:
            text += f"\n  at {self.line}"
        return text


class ShapeError(TrtnnError):
    """A shape, rank or axis that does not fit an operation."""


class DTypeError(TrtnnError):
    """A data type that an operation does not take."""


class DimError(TrtnnError):
    """A named dimension without a range, outside its range, or with two values."""


class ArgumentError(TrtnnError):
    """An option with a value that makes no sense (a stride of 0, an unknown padding)."""


class TraceError(TrtnnError):
    """``forward`` did something that cannot become a graph, such as branching on a tensor's value."""


class GraphError(TrtnnError):
    """A graph that breaks its own rules: a bug in a pass or in a hand-made graph."""


class CustomOpError(TrtnnError):
    """A custom op whose definition makes no sense, is not there, or does not do what it says."""


class WeightsError(TrtnnError):
    """Weights that are missing, have the wrong shape, or cannot be matched to the model."""


class FileFormatError(WeightsError):
    """A weights file that is missing, truncated, corrupted or not of a known format."""


class InputError(TrtnnError):
    """Arrays given to an engine that it cannot take: count, name, data type, rank, shape or values."""


class CalibrationError(TrtnnError):
    """Calibration data that is empty or not numbers, or a calibration that belongs to another network."""


class LibraryError(TrtnnError):
    """An optional library that is not installed, or too old."""


class UnsupportedError(TrtnnError):
    """An operation, option or data type that the chosen target does not have."""


class BuildError(TrtnnError):
    """The target's own compiler refused the network."""


class DeviceError(TrtnnError):
    """An engine that cannot run on this machine, or failed while running."""


class SavedEngineError(TrtnnError):
    """A saved engine whose files are missing or damaged, do not belong together, or were made for another machine."""


class KernelError(TrtnnError):
    """A custom kernel that does not compile, does not fit its op, or cannot be launched as it is described."""
