"""How long calibrating ResNet-50 takes per 100 images, and that its memory does not grow with their number.

    python -m benchmarks.precision_calibration

Every calibration is a process of its own, so that its peak memory is too.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import trtnn as nn
from benchmarks.common import RESULTS, machine, markdown_table, report, run_program, text_table
from benchmarks.precision_networks import CASES

CASE = CASES["ResNet-50"]
COUNTS = (25, 100)
METHODS = ("minmax", "percentile", "entropy")


def calibrate(method: Any, count: int) -> None:
    """Calibrate on ``count`` images of a generator, one at a time, and report the seconds and the peak memory."""
    model = CASE.model()
    calibration = nn.Calibration((CASE.inputs(1, seed) for seed in range(count)), method)
    start = time.perf_counter()
    model.compile(target="onnxruntime", int8=calibration)
    report(seconds=time.perf_counter() - start)


def main() -> None:
    """Measure every method, each run in a process of its own."""
    rows = []
    for method in METHODS:
        for count in COUNTS:
            done = run_program("-m", "benchmarks.precision_calibration", method, str(count))
            seconds = done.report["seconds"]
            rows.append({"method": method, "images": count, "seconds": round(seconds, 1), "peak_mb": done.peak_mb})
    cells = [["method", "images", "s", "s per 100 images", "peak MB"]]
    for row in rows:
        per_hundred = 100 * row["seconds"] / row["images"]
        cells.append(
            [row["method"], str(row["images"]), str(row["seconds"]), f"{per_hundred:.1f}", f"{row['peak_mb']:.0f}"]
        )
    print(text_table(cells))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "precision_calibration.json").write_text(
        json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n"
    )
    title = "## Calibrating ResNet-50 for int8"
    (RESULTS / "precision_calibration.md").write_text(f"{title}\n\n{markdown_table(cells)}\n\n{machine()}\n")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        calibrate(sys.argv[1], int(sys.argv[2]))
    else:
        main()
