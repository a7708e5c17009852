"""Building plans of LSTMs with TensorRT-RTX: seconds and network layers against time and depth, and against unrolling.

    python -m benchmarks.loop_build

Dynamic batch; 64 features to 64 units. "loop" is `trtnn.LSTM`, whose number of layers depends on neither the number of
steps nor their being dynamic; "unrolled" is the same arithmetic with one copy of the step's layers per step.
"""

from __future__ import annotations

import json
import statistics
import time
from typing import Any

import attrs
import numpy as np

import trtnn as nn
import trtnn.functional as F
from benchmarks.common import RESULTS, machine, markdown_table, text_table
from trtnn.backends.tensorrt.build import build
from trtnn.engine import Choice
from trtnn.functional.cells import lstm_step
from trtnn.passes import lower

UNITS, ROUNDS = 64, 3
STEPS, DEPTHS = (10, 80, 1000), (1, 2, 3, 4)
UNROLLED_STEPS = (10, 80)
BATCH = (1, 8, 16)


class Unrolled(nn.Module):
    """An LSTM for a fixed number of steps, written out step by step."""

    def __init__(self) -> None:
        self.lstm = nn.LSTM(UNITS, UNITS, return_sequences=True)

    def forward(self, x: nn.Tensor) -> nn.Tensor:
        rows = F.linear(x, self.lstm.kernel, self.lstm.bias)
        h = c = F.broadcast_to(x[:, 0] * 0.0, (x.shape[0], UNITS))
        outputs = []
        for t in range(int(x.shape[1])):
            h, c = lstm_step(rows[:, t], (h, c), self.lstm.recurrent_kernel)
            outputs.append(h)
        return F.stack(outputs, 1)


@attrs.frozen
class Row:
    """One network: what it is, the median seconds of a build, and the layers of the network."""

    name: str
    build_s: float
    layers: int


def stack(depth: int) -> nn.Module:
    """``depth`` layers on top of each other."""
    return nn.RecurrentStack(*(nn.LSTM(UNITS, UNITS, return_sequences=True) for _ in range(depth)))


def measure(name: str, module: Any, steps: int | str) -> Row:
    """Builds the module's plan a few times; a named time dim may be 1 to 1000 steps."""
    rng = np.random.default_rng(0)
    for parameter in module.parameters():
        parameter.assign(rng.normal(0, 0.1, parameter.shape).astype(np.float32))
    graph = lower(module.trace({"x": nn.Input("batch", steps, UNITS)}))
    ranges = {"batch": BATCH, "time": (1, 80, 1000)} if isinstance(steps, str) else {"batch": BATCH}
    seconds, layers = [], 0
    for _ in range(ROUNDS):
        start = time.perf_counter()
        engine = build(graph, Choice("tensorrt-rtx", "the benchmark"), [ranges])
        seconds.append(time.perf_counter() - start)
        layers = int(engine.network.definition.num_layers)
    row = Row(name, round(statistics.median(seconds), 2), layers)
    print(row, flush=True)
    return row


def main() -> None:
    """Build them all, print the table and store it."""
    rows = [measure(f"loop, {steps} steps", stack(1), steps) for steps in STEPS]
    rows += [measure(f"loop, 1 to 1000 steps, depth {depth}", stack(depth), "time") for depth in DEPTHS]
    rows += [measure(f"unrolled, {steps} steps", Unrolled(), steps) for steps in UNROLLED_STEPS]
    cells = [["", "build s", "layers"], *([row.name, f"{row.build_s:.2f}", str(row.layers)] for row in rows)]
    print(text_table(cells))
    said = {"rounds": ROUNDS, "machine": machine(), "rows": [attrs.asdict(row) for row in rows]}
    (RESULTS / "loop_build.json").write_text(json.dumps(said, indent=2) + "\n")
    title = f"## LSTM plans, {UNITS} to {UNITS}\n\n{markdown_table(cells)}\n\nmedians of {ROUNDS} builds; {machine()}\n"
    (RESULTS / "loop_build.md").write_text(title)


if __name__ == "__main__":
    main()
