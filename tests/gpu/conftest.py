"""What the tests on a real GPU share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(params=[False, True], ids=["enqueued", "graphs"])
def engine(request: pytest.FixtureRequest) -> Iterator[Any]:
    from gpu.real import make  # only where there is a GPU

    made = make(cuda_graphs=request.param)
    yield made
    made.close()


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch")
