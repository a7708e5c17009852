"""Values of a JSON document with their paths: what is not as expected is reported as ``$.files[0].bytes``."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any, NoReturn, TypeVar

import attrs

from trtnn.errors import SavedEngineError

T = TypeVar("T")
MAX_BYTES = 16 << 20
"""How large a document may be: the largest that is written has a few hundred kilobytes."""
_KINDS = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "true or false",
    int: "an integer",
    float: "a float",
}


@attrs.frozen
class Field:
    """One value of a document: what it is, and where."""

    value: Any
    path: str
    file: str

    def members(self, *names: str) -> list[Field]:
        """The members of an object that has just these, in this order."""
        held = self._of(dict)
        for name in names:
            if name not in held:
                self.fail(f"a member {json.dumps(name)}", ", ".join(held) or "an empty object")
        for name in held:
            if name not in names:
                self.fail(f"no members but {', '.join(names)}", json.dumps(name))
        return [Field(held[name], f"{self.path}.{name}", self.file) for name in names]

    def mapping(self) -> dict[str, Field]:
        """The members of an object that may have any."""
        return {name: Field(value, f"{self.path}.{name}", self.file) for name, value in self._of(dict).items()}

    def items(self, count: int | None = None) -> list[Field]:
        """The elements of a list, which must have ``count`` of them."""
        held = self._of(list)
        if count is not None and len(held) != count:
            self.fail(f"a list of {count}", f"a list of {len(held)}")
        return [Field(value, f"{self.path}[{i}]", self.file) for i, value in enumerate(held)]

    def texts(self) -> tuple[str, ...]:
        """A list of strings."""
        return tuple(item.text() for item in self.items())

    def text(self) -> str:
        """A string."""
        return str(self._of(str))

    def choice(self, known: Collection[str]) -> str:
        """One of some strings."""
        found = self.text()
        return found if found in known else self.fail(f"one of {', '.join(known)}", json.dumps(found))

    def digits(self, count: int) -> str:
        """A checksum of so many hexadecimal digits."""
        found = self.text()
        if len(found) != count or not set(found) <= set("0123456789abcdef"):
            self.fail(f"{count} hexadecimal digits", json.dumps(found))
        return found

    def flag(self) -> bool:
        """True or False."""
        return bool(self._of(bool))

    def integer(self, least: int, most: int = 2**63 - 1) -> int:
        """An integer from ``least`` to ``most``."""
        found = self.value
        if type(found) is not int or not least <= found <= most:
            self.fail(f"an integer from {least} to {most}", self._shown())
        return int(found)

    def optional(self, read: Callable[[Field], T]) -> T | None:
        """None for null, else what ``read`` makes of it."""
        return None if self.value is None else read(self)

    def fail(self, expected: str, got: str) -> NoReturn:
        """Raises SavedEngineError with the file and the path."""
        raise SavedEngineError(
            f"{self.file}: {self.path}", expected=expected, got=got, remedy="save the engine again with this trtnn"
        )

    def _of(self, kind: type) -> Any:
        if type(self.value) is not kind:
            self.fail(_KINDS[kind], self._shown())
        return self.value

    def _shown(self) -> str:
        shown = json.dumps(self.value)
        return shown if len(shown) <= 60 else f"{shown[:57]}..."


def parse(text: bytes, file: str) -> Field:
    """The root of a document, ``$``. Raises SavedEngineError with the line and column of what is not JSON."""
    if len(text) > MAX_BYTES:
        raise SavedEngineError(file, expected=f"at most {MAX_BYTES:,} bytes", got=f"{len(text):,}")
    try:
        return Field(json.loads(text.decode(), object_pairs_hook=_once, parse_constant=_no_constant), "$", file)
    except (ValueError, RecursionError) as error:  # JSON's and Unicode's errors are ValueErrors
        raise SavedEngineError(
            file, problem=f"is not the JSON that trtnn writes: {error}", remedy="save the engine again"
        ) from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    held = dict(pairs)
    if len(held) != len(pairs):
        twice = next(name for i, (name, _) in enumerate(pairs) if name in dict(pairs[:i]))
        raise ValueError(f"the member {json.dumps(twice)} comes twice")
    return held


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")
