"""What compiling leaves as it was."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import trtnn as nn
from trtnn.errors import ShapeError


class Wrong(nn.Module):
    def forward(self, x=nn.Input("batch", 3)):
        return x @ np.ones((4, 2), np.float32)


@pytest.mark.parametrize("was_on", [True, False])
def test_the_collector_is_as_it_was_after_an_error(was_on):
    before = gc.isenabled()
    (gc.enable if was_on else gc.disable)()
    try:
        with pytest.raises(ShapeError, match="expected 4 features"):
            Wrong().compile(quiet=True)
        assert gc.isenabled() == was_on
    finally:
        (gc.enable if before else gc.disable)()


def test_folding_to_a_number_keeps_an_array():
    class Number(nn.Module):
        def forward(self, x=nn.Input("batch", dtype="int32")):
            return nn.functional.zeros_like(x[0]) + 1

    pytest.importorskip("tensorrt_rtx")
    got = Number().compile(target="tensorrt-rtx").simulate(np.ones(2, np.int32))
    assert got == 1 and got.shape == () and got.dtype == np.int32
