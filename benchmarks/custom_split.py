"""What it costs to run a graph in segments around an operation in NumPy, beyond the operation itself.

    python -m benchmarks.custom_split

One network with a custom op in its middle is compiled twice: with the op as a decomposition, which is one session, and
as a reference, which is two sessions with NumPy between them. The overhead is the time of the second, less that of the
first, less that of the bare NumPy function on an array of the same shape. What crosses from one to the other is copied
by ONNX Runtime, so large arrays cost more; the goal is for small ones, where the split itself shows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import trtnn as nn
from benchmarks.common import Race, race, write_results
from trtnn import functional as F
from trtnn.graph import TensorType

GOAL_US = 50
SIZES = ((1, 16, 2000), (8, 64, 1000), (64, 256, 200))  # batch, width, calls


@nn.custom_op("benchmark::double")
class Double:
    """Twice the operand, in NumPy and in nothing else."""

    def infer(self, x: TensorType) -> TensorType:
        """The operand's type."""
        return x

    def reference(self, x: np.ndarray) -> np.ndarray:
        """x + x."""
        return x + x


@nn.custom_op("benchmark::double_decomposed")
def double_decomposed(x: nn.Tensor) -> nn.Tensor:
    """The same in a function of trtnn."""
    return x + x


class Network(nn.Module):
    """Two dense layers with the op between them."""

    def __init__(self, width: int, op: Callable[[nn.Tensor], nn.Tensor]) -> None:
        self.first, self.second, self.op = nn.Linear(width, width), nn.Linear(width, width), op

    def forward(self, x: nn.Tensor) -> nn.Tensor:
        """(batch, width) to (batch, width)."""
        return self.second(F.relu(self.op(F.relu(self.first(x)))))


def measure(batch: int, width: int, calls: int) -> tuple[Race, float]:
    """The race of one size, and the overhead in microseconds."""
    rng = np.random.default_rng(0)
    weights = {f"{layer}/kernel": rng.normal(size=(width, width)) / width**0.5 for layer in ("first", "second")}
    weights |= {f"{layer}/bias": rng.normal(size=width) for layer in ("first", "second")}
    engines = []
    for op in (double_decomposed, Double()):
        model = Network(width, op)
        model.load_weights(weights)
        engines.append(model.compile({"x": nn.Input("batch", width)}, target="onnxruntime", threads=1))
    whole, split = engines
    x = rng.normal(size=(batch, width)).astype(np.float32)
    np.testing.assert_allclose(split(x), whole(x), rtol=1e-5, atol=1e-5)
    bare: Any = Double().reference
    contestants = {"one session": lambda: whole(x), "two and NumPy": lambda: split(x), "NumPy alone": lambda: bare(x)}
    result = race(contestants, title=f"A network split in two, ({batch}, {width})", rounds=15, calls=calls)
    one, two, numpy = (row.median_ms * 1e3 for row in result.rows)
    return result, two - one - numpy


def main() -> None:
    """Race the two forms for some sizes."""
    races = []
    for batch, width, calls in SIZES:
        result, overhead = measure(batch, width, calls)
        verdict = "met" if overhead <= GOAL_US else "NOT met"
        said = f"; overhead of the split: {overhead:.1f} us; goal: {GOAL_US} us, {verdict}"
        races.append(Race(result.title, result.rows, result.rounds, result.machine + said))
        print(races[-1])
    write_results("custom_split", races)


if __name__ == "__main__":
    main()
