"""The paths that a command writes to, checked before anything that takes time."""

from __future__ import annotations

from pathlib import Path

from trtnn.cli.failures import UsageError
from trtnn.measure.pictures import SUFFIXES, figure_class


def require_folder(option: str, path: str) -> None:
    """Raises UsageError for a path in a folder that is not there, or that is a folder itself."""
    if not Path(path).parent.is_dir():
        raise UsageError(f"{option}: there is no folder {Path(path).parent}")
    if Path(path).is_dir():
        raise UsageError(f"{option}: expected a file, got the folder {path}")


def require_picture(option: str, path: str | None) -> None:
    """Raises UsageError for a path that no picture can be written to, and LibraryError without matplotlib."""
    if path is None:
        return
    require_folder(option, path)
    if Path(path).suffix.lower() not in SUFFIXES:
        raise UsageError(f"{option}: expected a path that ends in {' or '.join(SUFFIXES)}, got {path}")
    figure_class()
