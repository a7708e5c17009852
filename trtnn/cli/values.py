"""The values of options: text from the command line as what the Python interface takes.

Each function raises ArgumentTypeError, whose text argparse puts behind the option's name.
"""

from __future__ import annotations

import ast
import math
import re
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from trtnn.text import did_you_mean

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_DECLARED = re.compile(r"(?:(?P<dtype>\w+)\[(?P<inner>[^\]]*)\]|(?P<bare>[^\[\]]+))")


@attrs.frozen
class Declared:
    """An input as ``--input`` declares it: its sizes, ints and names of dims, and its data type."""

    sizes: tuple[int | str, ...]
    dtype: str


def near(text: str, known: Iterable[str]) -> str:
    """What a message on an unknown name ends with: the known names that are nearest to it, or nothing."""
    suggestion = did_you_mean(text, known)
    return f"; {suggestion}" if suggestion else ""


def one_of(*known: str) -> Callable[[str], str]:
    """One of some words."""

    def read(text: str) -> str:
        if text in known:
            return text
        raise ArgumentTypeError(f"expected {', '.join(known)}, got {text!r}{near(text, known)}")

    return read


def integer(least: int, most: int | None = None) -> Callable[[str], int]:
    """An integer in a range."""
    expected = f"an integer >= {least}" if most is None else f"an integer from {least} to {most}"

    def read(text: str) -> int:
        if text.lstrip("-").isdecimal() and int(text) >= least and (most is None or int(text) <= most):
            return int(text)
        raise ArgumentTypeError(f"expected {expected}, got {text!r}")

    return read


def batch_sizes(text: str) -> list[int]:
    """Batch sizes, one or several: "1,8,64"."""
    return [integer(1)(size.strip()) for size in text.split(",")]


def number(text: str) -> float:
    """A number that is not negative."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise ArgumentTypeError(f"expected a number >= 0, got {text!r}")
    return value


def byte_count(text: str) -> int:
    """A number of bytes: "4GiB", "512 MiB", "2GB", "1048576"."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    if found is None or found[2] not in _UNITS:
        raise ArgumentTypeError(f"expected a number of bytes such as 4GiB, 512MiB or 1048576, got {text!r}")
    return int(float(found[1]) * _UNITS[found[2]])


def dim_range(text: str) -> tuple[str, tuple[int, int, int]]:
    """A named dim with its range: "batch=1,8,64" (min, opt, max), "batch=1,64" (min, max) or "batch=8"."""
    name, _, spec = text.partition("=")
    sizes = [one.strip() for one in spec.split(",")]
    if not name.strip() or len(sizes) > 3 or not all(size.isdecimal() for size in sizes):
        raise ArgumentTypeError(f"expected NAME=MIN,OPT,MAX such as batch=1,8,64, got {text!r}")
    low, *rest = map(int, sizes)
    best, high = (low, low) if not rest else (rest[0], rest[-1])
    if not 1 <= low <= best <= high:
        raise ArgumentTypeError(f"expected 1 <= MIN <= OPT <= MAX, got {text!r}")
    return name.strip(), (low, best, high)


def dim_size(text: str) -> tuple[str, int]:
    """A named dim with one size: "time=8"."""
    name, _, size = (part.strip() for part in text.partition("="))
    if not name or not size.isdecimal():
        raise ArgumentTypeError(f"expected NAME=N such as time=8, got {text!r}")
    return name, integer(1)(size)


def declared_input(text: str) -> tuple[str, Declared]:
    """An input with its shape: "image=batch,224,224,3", or "tokens=int32[batch,time]" where it is not float32."""
    name, _, spec = text.partition("=")
    found = _DECLARED.fullmatch(spec.strip())
    if not name.strip() or found is None:
        raise ArgumentTypeError(f"expected NAME=DIM,DIM,... or NAME=DTYPE[DIM,DIM,...], got {text!r}")
    sizes = [size.strip() for size in (found["inner"] or found["bare"] or "").split(",") if size.strip()]
    return name.strip(), Declared(
        tuple(int(size) if size.isdecimal() else size for size in sizes), found["dtype"] or "float32"
    )


def argument(text: str) -> tuple[str, Any]:
    """A constructor's argument: "classes=10" or "name=resnet"; what reads as a Python literal is one."""
    name, is_given, value = text.partition("=")
    if not is_given or not name.isidentifier():
        raise ArgumentTypeError(f"expected NAME=VALUE such as classes=10, got {text!r}")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return name, value


def name_rule(text: str) -> tuple[str, str]:
    """A regular expression and its replacement, "^encoder=model/encoder". A name has no "=", so the last one counts."""
    pattern, is_given, replacement = text.rpartition("=")
    try:
        re.compile(pattern)
    except re.error as error:
        raise ArgumentTypeError(f"{pattern!r} is not a regular expression: {error}") from error
    if not is_given or not pattern:
        raise ArgumentTypeError(f"expected PATTERN=REPLACEMENT such as ^=resnet/, got {text!r}")
    return pattern, replacement
