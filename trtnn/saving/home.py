"""Where an engine is on disk: what it is pickled as."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from trtnn.engine import Engine
from trtnn.errors import SavedEngineError
from trtnn.saving.sidecar import sidecar_path


@attrs.frozen
class Home:
    """The absolute path of a saved engine, the checksum of its sidecar, None where it has none, and the arguments of
    `Engine.load` that it was loaded with."""

    path: str
    checksum: str | None
    arguments: Mapping[str, Any]

    @classmethod
    def at(cls, path: Path, **arguments: Any) -> Home:
        """The home of an engine that was just saved or loaded."""
        return cls(str(path.resolve()), _checksum(path), arguments)

    def require_unchanged(self) -> None:
        """Raises SavedEngineError when another engine, or none, is there now."""
        if _checksum(Path(self.path)) != self.checksum or not Path(self.path).is_file():
            raise SavedEngineError(
                self.path,
                expected="the files of the engine that was saved or loaded there",
                got="others, or none",
                remedy="save each engine under a name of its own, and keep its files while it is in use",
            )


def restored(home: Home) -> Engine:
    """The engine of a pickle. Raises SavedEngineError, also when another engine was saved there since."""
    home.require_unchanged()
    return Engine.load(home.path, **home.arguments)


def _checksum(path: Path) -> str | None:
    sidecar = sidecar_path(path)
    return hashlib.sha256(sidecar.read_bytes()).hexdigest() if sidecar.is_file() else None
