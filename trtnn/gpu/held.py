"""Memory of others that the GPU still uses: who keeps it until the work is done."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any


class Held:
    """Keeps owners of memory alive as long as streams work with it. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owners: deque[tuple[Any, Any]] = deque()

    def hold(self, stream: Any, owners: Any) -> None:
        """Keeps the owners alive until the stream's work so far is done."""
        self._owners.append((stream.record(), owners))

    def let_go(self) -> None:
        """Lets go of those whose work is done, the oldest first."""
        if self._owners:
            with self._lock:
                while self._owners and self._owners[0][0].is_done:
                    self._owners.popleft()

    def clear(self) -> None:
        """Lets go of all, once somebody has waited for the streams."""
        self._owners.clear()
