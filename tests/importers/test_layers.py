"""Every layer with its options: saved by Keras, imported, compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from importers.cases import CASES, Case, arrays
from importers.harness import check, functional


@pytest.mark.parametrize("case", [pytest.param(one, id=one.title) for one in CASES])
def test_layer(case: Case, tmp_path: Path) -> None:
    """On ONNX Runtime with two batch sizes, and for a share of the cases as TensorRT-RTX's network."""
    model = functional(case.make(), *case.shapes, dtype=case.dtype, **case.call)
    simulate = CASES.index(case) % 4 == 0
    check(model, tmp_path, arrays(case, 8, 2), arrays(case, 9, 1), simulate=simulate)
