"""A progress bar of one line on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from trtnn.text import is_terminal

WIDTH = 30
Item = TypeVar("Item")


def with_progress(items: Iterable[Item], title: str, show: bool = True) -> Iterator[Item]:
    """The items, with a bar on standard error that counts them; silent where that is not a terminal."""
    total = len(items) if isinstance(items, Sized) else None
    show = show and is_terminal(sys.stderr)
    for count, item in enumerate(items):
        if show:
            _draw(title, count, total)
        yield item
    if show:
        sys.stderr.write("\r" + " " * (len(title) + WIDTH + 24) + "\r")
        sys.stderr.flush()


def _draw(title: str, count: int, total: int | None) -> None:
    filled = 0 if not total else WIDTH * count // total
    bar = f"[{'#' * filled}{'.' * (WIDTH - filled)}] {count}/{total}" if total else str(count)
    sys.stderr.write(f"\r{title} {bar}")
    sys.stderr.flush()
