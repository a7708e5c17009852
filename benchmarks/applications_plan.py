"""One application of Keras, from its ``.keras`` file to a TensorRT-RTX plan, in a process of its own.

    python -m benchmarks.applications prepare          # once, writes the files
    python -m benchmarks.applications_plan NAME [kernels]

prints the seconds from the start to the plan and those of every phase, and the peak memory, as one line of JSON; with
"kernels" the number of kernels in the plan too, whose report costs a little time.
"""

from __future__ import annotations

import sys
import time

START = time.perf_counter()

import trtnn as nn  # noqa: E402
from benchmarks.common import FILES, report  # noqa: E402

IMPORTED = time.perf_counter()


def main(name: str, *wanted: str) -> None:
    """Import, compile, and print what it took."""
    model = nn.from_keras(FILES / f"{name}.keras")
    loaded = time.perf_counter()
    options = {"kernels": True} if wanted else {}
    engine = model.compile(target="tensorrt-rtx", dims={"batch": (1, 8, 16)}, **options)
    end = time.perf_counter()
    report(
        wall_s=round(end - START, 3),
        import_s=round(IMPORTED - START, 3),
        from_keras_s=round(loaded - IMPORTED, 3),
        compile_s=round(end - loaded, 3),
        plan_mb=round(engine.plan.nbytes / 1e6, 1),
        kernels=len(engine.kernels),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
