"""The names that TensorRT gives to what it made of a network's layers, and the layers that they stand for.

A kernel is called after a layer, with something behind it ("stem.conv_U0_myl0_2"), after several ("conv + relu",
"PWN(add, relu)"), or after the first and the last layer of a region, "{ForeignNode[first...last]}". Our layers are
called after the nodes of the graph, which lead to modules and lines.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

_REGION = "ForeignNode["
_DECORATION = r"_U\d+|_myl\d+|_clone_\d+"
_WORD = re.compile(r"[^\s,;:+'\"(){}\[\]]+")


def layers_in(text: str, known: Collection[str]) -> list[str]:
    """The known layers that a text names, in its order: the longest name wins where several could be meant."""
    return [name for word in _WORD.findall(text.replace("...", " ")) if (name := _undecorated(word, known)) is not None]


def region_in(text: str, known: Collection[str]) -> tuple[str, str] | None:
    """The first and the last layer of the first region that a text names by both, else None."""
    start = text.find(_REGION)
    while start >= 0:
        inside = _bracketed(text, start + len(_REGION))
        for place in (match.start() for match in re.finditer(r"\.\.\.", inside)):
            first, last = inside[:place], inside[place + 3 :]
            if first in known and last in known:
                return first, last
        start = text.find(_REGION, start + 1)
    return None


def _undecorated(word: str, known: Collection[str]) -> str | None:
    """The layer that a word names: the word itself, or what is left without decorations and a full stop."""
    for candidate in _candidates(word):
        if candidate in known:
            return candidate
    return None


def _candidates(word: str) -> Iterable[str]:
    yield word
    stripped = word.rstrip(".").rpartition("^")[2]  # myelin puts the loop before a layer, with a caret between
    yield stripped
    for match in reversed(list(re.finditer(_DECORATION, stripped))):
        yield stripped[: match.start()]


def _bracketed(text: str, start: int) -> str:
    """The text from ``start`` to the bracket that closes there; brackets may stand inside."""
    depth = 1
    for place in range(start, len(text)):
        depth += {"[": 1, "]": -1}.get(text[place], 0)
        if depth == 0:
            return text[start:place]
    return text[start:]
