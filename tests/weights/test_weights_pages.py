"""Mapped pages can be given back at any time; nothing that an array says changes by it."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import pytest

from trtnn.weights.pages import release_pages

VALUES = np.arange(1 << 22, dtype=np.float32)  # 16 MiB

pytestmark = pytest.mark.skipif(not hasattr(mmap.mmap, "madvise"), reason="no madvise here")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "values.npy"
    np.save(path, VALUES)
    return path


def mapped_mb() -> float:
    """The resident pages of mapped files in MB."""
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("no /proc here")
    line = next(line for line in status.read_text().splitlines() if line.startswith("RssFile"))
    return int(line.split()[1]) / 1e3


def test_the_pages_go_and_the_values_stay(file: Path) -> None:
    array = np.load(file, mmap_mode="r")
    assert array.sum(dtype=np.float64) == VALUES.sum(dtype=np.float64)
    before = mapped_mb()
    assert release_pages([array, array[1:], None, VALUES]) == 1
    assert before - mapped_mb() > 12
    np.testing.assert_array_equal(array, VALUES)


def test_a_mapping_that_can_be_changed_is_left_alone(file: Path) -> None:
    array = np.load(file, mmap_mode="c")
    array[0] = 42
    view = array.view()
    view.flags.writeable = False
    assert release_pages([view]) == 0
    assert array[0] == 42
