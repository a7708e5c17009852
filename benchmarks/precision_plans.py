"""Plans of TensorRT-RTX in every precision: their size, the time to build them, and the data types of their kernels.

    python -m benchmarks.precision_plans

No GPU is needed: the kernels are those that the builder reports. Kernels that only move or combine elements are left
out of the count.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any

import trtnn as nn
from benchmarks.common import RESULTS, machine, markdown_table, text_table
from benchmarks.precision_networks import CASES, Case

COUNTED = ("correlation", "gemm", "runtime_fusion", "fusion", "maxpool", "avgpool", "loop", "mha")
SAMPLES = 8


def precisions(case: Case) -> dict[str, dict[str, Any]]:
    """The options of every precision by name."""
    calibration = nn.Calibration([case.inputs(1, seed) for seed in range(SAMPLES)], "minmax")
    return {
        "float32": {},
        "fp16": {"fp16": True},
        "bf16": {"bf16": True},
        "int8": {"int8": calibration},
        "int8 + fp16": {"int8": calibration, "fp16": True},
    }


def measure(name: str, case: Case) -> list[dict[str, Any]]:
    """One row per precision."""
    rows, model = [], case.model()
    for precision, options in precisions(case).items():
        start = time.perf_counter()
        engine: Any = model.compile(target="tensorrt-rtx", dims={"batch": 1}, kernels=True, **options)
        seconds = time.perf_counter() - start
        kernels = Counter(one.computes_in for one in engine.kernels if one.kind in COUNTED)
        rows.append(
            {
                "network": name,
                "precision": precision,
                "plan_mb": round(len(engine.plan) / 1e6, 1),
                "compile_s": round(seconds, 1),
                "kernels": dict(kernels.most_common()),
            }
        )
    return rows


def main() -> None:
    """Measure all networks, print a table and write the results."""
    rows = [row for name, case in CASES.items() for row in measure(name, case)]
    cells = [["network", "precision", "plan MB", "compile s", "kernels"]]
    for row in rows:
        kernels = ", ".join(f"{count} {dtype}" for dtype, count in row["kernels"].items())
        cells.append([row["network"], row["precision"], str(row["plan_mb"]), str(row["compile_s"]), kernels])
    print(text_table(cells))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "precision_plans.json").write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")
    title = "## TensorRT-RTX plans by precision"
    (RESULTS / "precision_plans.md").write_text(f"{title}\n\n{markdown_table(cells)}\n\n{machine()}\n")


if __name__ == "__main__":
    main()
