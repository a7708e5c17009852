"""Arrays that the command line reads from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trtnn.cli.arrays import read_samples
from trtnn.precision.calibration import BATCH


def test_samples_for_several_inputs_come_in_small_batches_to_the_last(tmp_path: Path) -> None:
    x, y = np.arange(2 * BATCH + 1), np.arange(2 * BATCH + 1) * 2.0
    np.savez(tmp_path / "samples.npz", x=x, y=y)
    batches = read_samples(str(tmp_path / "samples.npz"), ["x", "y"])
    assert isinstance(batches, list) and [len(one["x"]) for one in batches] == [BATCH, BATCH, 1]
    for name, array in (("x", x), ("y", y)):
        np.testing.assert_array_equal(np.concatenate([one[name] for one in batches]), array)
