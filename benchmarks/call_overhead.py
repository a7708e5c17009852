"""What an engine's call costs beyond ONNX Runtime's own ``session.run``, on a network that does next to nothing.

    python -m benchmarks.call_overhead

The goal: 30 microseconds at the most, for checking the count, data type, rank, sizes and range of the inputs, and that
they hold no NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import trtnn as nn
from benchmarks.common import race, write_results
from trtnn.backends.onnxruntime.engine import OnnxRuntimeEngine

GOAL_US = 30
CALLS = 2000


class Tiny(nn.Module):
    """One dense layer of 16 by 16."""

    def __init__(self) -> None:
        self.fc = nn.Linear(16, 16)

    def forward(self, x: nn.Tensor = nn.Input("batch", 16)) -> nn.Tensor:
        """(batch, 16) to (batch, 16)."""
        return self.fc(x)


def main() -> None:
    """Race a call of the engine against a call of its session."""
    model, rng = Tiny(), np.random.default_rng(0)
    model.load_weights({"fc/kernel": rng.normal(size=(16, 16)), "fc/bias": rng.normal(size=16)})
    engine: Any = model.compile(target="onnxruntime", threads=1)
    assert isinstance(engine, OnnxRuntimeEngine)
    x = rng.normal(size=(1, 16)).astype(np.float32)
    names, feeds = list(engine.outputs), {"x": x}
    contestants = {"session.run": lambda: engine.session.run(names, feeds), "engine(x)": lambda: engine(x)}
    result = race(contestants, title="A call of a tiny network", rounds=15, calls=CALLS)
    print(result)
    bare, ours = (row.median_ms * 1e3 for row in result.rows)
    print(f"overhead: {ours - bare:.1f} us; goal: {GOAL_US} us, {'met' if ours - bare <= GOAL_US else 'NOT met'}")
    write_results("call_overhead", [result])


if __name__ == "__main__":
    main()
