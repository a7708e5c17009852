"""What ``import trtnn`` costs: seconds in a fresh process, and the libraries that it loads.

    python -m benchmarks.import_time

The goal: 0.15 s at the most, and none of the libraries that only some users have. Names of trtnn are imported when
they are first used, so the time to the first layer stands beside it.
"""

from __future__ import annotations

import json
import statistics
import sys

from benchmarks.common import RESULTS, machine, markdown_table, run_program

ROUNDS = 15
GOAL_S = 0.15
IMPORT, FIRST_LAYER = "import trtnn", "import trtnn; trtnn.Conv2d(3, 8, 3)"
OTHERS = ("import numpy", "import attrs")
ALLOWED = {"attr", "attrs", "numpy", "trtnn"}
"""Top-level modules besides Python's own that trtnn may load."""
PROGRAM = """
import sys, time
before = set(sys.modules)
start = time.perf_counter()
{statement}
seconds = time.perf_counter() - start
modules = sorted({{name.split(".")[0] for name in set(sys.modules) - before}})
from benchmarks.common import report
report(seconds=seconds, modules=modules)
"""


def measure(statement: str) -> tuple[float, set[str]]:
    """The seconds that a statement takes in a fresh process, and the top-level modules that it loads."""
    said = run_program("-c", PROGRAM.format(statement=statement)).report
    return said["seconds"], set(said["modules"])


def main() -> None:
    """Measure trtnn beside its two dependencies, each alone."""
    foreign = measure(FIRST_LAYER)[1] - set(sys.stdlib_module_names) - ALLOWED  # also writes the byte code
    times: dict[str, list[float]] = {statement: [] for statement in (IMPORT, FIRST_LAYER, *OTHERS)}
    for _ in range(ROUNDS):
        for statement, taken in times.items():
            taken.append(measure(statement)[0])
    medians = {statement: statistics.median(taken) for statement, taken in times.items()}
    met = medians[IMPORT] <= GOAL_S and not foreign
    rows = [["", "median ms"], *([f"`{statement}`", f"{s * 1e3:.0f}"] for statement, s in medians.items())]
    text = f"## Import\n\n{markdown_table(rows)}\n\n"
    text += f"Optional libraries that trtnn loads: {', '.join(sorted(foreign)) or 'none'}.\n\n"
    text += f"{ROUNDS} rounds; {machine()}\n"
    print(f"{text}\ngoal: {GOAL_S * 1e3:.0f} ms, {'met' if met else 'NOT met'}")
    (RESULTS / "import_time.md").write_text(text)
    (RESULTS / "import_time.json").write_text(
        json.dumps({"median_s": medians, "foreign": sorted(foreign)}, indent=2) + "\n"
    )


if __name__ == "__main__":
    main()
