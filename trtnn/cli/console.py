"""Where a command writes: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import math
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import attrs

from trtnn.cli.failures import Failure
from trtnn.text import table_text


@attrs.frozen
class Console:
    """What a command prints.

    `say` is for people: the result, which ``--json`` leaves out. `finish` is for programs: with ``--json`` it prints
    the one document that standard output then has.
    """

    command: str
    as_json: bool = False

    def say(self, text: str = "") -> None:
        """Prints a part of the result for people."""
        if not self.as_json:
            _write(sys.stdout, text)

    def note(self, text: str) -> None:
        """Prints what is no result, on standard error."""
        _write(sys.stderr, text)

    def finish(self, document: Mapping[str, Any]) -> None:
        """Prints the result as JSON where that was asked for. Numbers that JSON lacks become null."""
        if self.as_json:
            _write(sys.stdout, json.dumps(_plain(document), indent=2, allow_nan=False))

    def fail(self, failure: Failure) -> int:
        """Prints an error and returns the exit code."""
        self.note(f"trtnn {self.command}: error: {failure.message}")
        self.finish({"error": {"kind": failure.kind, "message": failure.message}})
        return failure.code

    @contextmanager
    def warnings(self) -> Iterator[None]:
        """Prints warnings in one line each meanwhile, without the line of code that gave them."""
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: self.note(f"warning: {message}")
            yield


def fields(rows: Mapping[str, str | Sequence[str]]) -> str:
    """Names and texts in two columns; a sequence takes a line each under its name, and what is empty is left out."""
    width = max(map(len, rows), default=0)
    lines = []
    for name, held in rows.items():
        texts = [held] if isinstance(held, str) else list(held)
        parts = [part for text in texts for part in text.splitlines()]
        lines += [f"{name if i == 0 else '':{width}}  {part}" for i, part in enumerate(parts)]
    return "\n".join(lines)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns under a header and a rule."""
    return "\n".join(table_text(header, rows))


def _write(stream: Any, text: str) -> None:
    """Writes a line; characters that the stream's encoding lacks as their numbers, and nothing where it is closed."""
    if stream is None:
        return
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    stream.flush()


def _plain(value: Any) -> Any:
    """The value in JSON's own types."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)
