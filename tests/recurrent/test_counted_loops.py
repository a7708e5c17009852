"""Scans without a sequence, which run a number of times: built for real, stacked on any axis."""

from __future__ import annotations

import numpy as np
import pytest

import trtnn as nn
import trtnn.functional as F


class Counted(nn.Module):
    """Halves its state five times, or as often as the input has rows."""

    def __init__(self, axis: int, by_rows: bool) -> None:
        self.axis, self.by_rows = axis, by_rows

    def forward(self, x: nn.Tensor = nn.Input("batch", 3)):
        length = x.shape[0] if self.by_rows else 5
        return F.scan(lambda state, _: (state * 0.5, state + 1.0), None, x, axis=self.axis, length=length)


@pytest.mark.parametrize("by_rows", [False, True])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_values_are_stacked_on_the_axis(axis: int, by_rows: bool) -> None:
    pytest.importorskip("tensorrt_rtx")
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    steps = 4 if by_rows else 5
    values = np.stack([x * np.float32(0.5) ** step + 1 for step in range(steps)], axis)
    model = Counted(axis, by_rows)
    for state, stacked in (model.compile(target="tensorrt-rtx").simulate(x), model.compile(quiet=True)(x)):
        np.testing.assert_array_equal(state, x * np.float32(0.5) ** steps)
        np.testing.assert_array_equal(stacked, values)
