"""ResNet-50, from the file that Keras wrote to a TensorRT-RTX plan: trtnn against a bare script, each a cold process.

    python -m benchmarks.resnet50               # once, writes the files; needs TensorFlow
    python -m benchmarks.tf2onnx_route          # once, stores its own result
    python -m benchmarks.compile_resnet50 [RUNS]

trtnn starts from the checkpoint; the bare script from arrays that are transposed and folded already. They take turns.
The goals: at most 1.3 times the script's wall time and 1.2 times its peak memory, and against the road by tf2onnx at
least 20 times as fast and with at most an eighth of its memory.
"""

from __future__ import annotations

import json
import statistics
import sys
from typing import Any

from benchmarks.common import RESULTS, Measured, machine, markdown_table, run_program
from benchmarks.tf2onnx_route import RESULT

GOALS = {"wall / bare": 1.3, "peak / bare": 1.2, "wall / tf2onnx": 1 / 20, "peak / tf2onnx": 1 / 8}
PHASES = ("import_s", "load_s", "compile_s")


def turns(runs: int) -> tuple[list[Measured], list[Measured]]:
    """The runs of the bare script and of trtnn, alternating, after one of each that is not counted."""
    bare: list[Measured] = []
    ours: list[Measured] = []
    for _ in range(runs + 1):
        bare.append(run_program("-m", "benchmarks.bare_tensorrt"))
        ours.append(run_program("-m", "benchmarks.trtnn_tensorrt"))
    return bare[1:], ours[1:]


def median(runs: list[Measured], key: str) -> float:
    """The median of a reported number."""
    return statistics.median(run.report[key] for run in runs)


def paired(ours: list[float], theirs: list[float]) -> float:
    """The median over the rounds of ours / theirs."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def summary(bare: list[Measured], ours: list[Measured], route: dict[str, Any]) -> dict[str, Any]:
    """Medians of both, the other road's stored figures, and the ratios."""
    wall, peak = median(ours, "wall_s"), statistics.median(run.peak_mb for run in ours)
    return {
        "bare": {
            **{key: median(bare, key) for key in ("wall_s", "cpu_s")},
            "fastest_s": min(run.report["wall_s"] for run in bare),
            "peak_mb": statistics.median(run.peak_mb for run in bare),
        },
        "trtnn": {
            **{key: median(ours, key) for key in ("wall_s", "cpu_s", *PHASES)},
            "fastest_s": min(run.report["wall_s"] for run in ours),
            "peak_mb": peak,
        },
        "tf2onnx": {"wall_s": route["wall_s"], "peak_mb": route["peak_mb"]},
        "ratios": {
            "wall / bare": paired([run.report["wall_s"] for run in ours], [run.report["wall_s"] for run in bare]),
            "cpu / bare": paired([run.report["cpu_s"] for run in ours], [run.report["cpu_s"] for run in bare]),
            "peak / bare": paired([run.peak_mb for run in ours], [run.peak_mb for run in bare]),
            "wall / tf2onnx": wall / route["wall_s"],
            "peak / tf2onnx": peak / route["peak_mb"],
        },
        "runs": len(ours),
        "machine": machine(),
    }


def markdown(said: dict[str, Any]) -> str:
    """The summary as a table and a sentence of ratios."""
    rows = [["", "wall s", "fastest s", "CPU s", "peak MB"]]
    titles = {
        "trtnn": "trtnn, from the checkpoint",
        "bare": "bare script, from ready arrays",
        "tf2onnx": "tf2onnx + ONNX parser",
    }
    for key, title in titles.items():
        seconds = [f"{said[key][what]:.2f}" if what in said[key] else "" for what in ("wall_s", "fastest_s", "cpu_s")]
        rows.append([title, *seconds, f"{said[key]['peak_mb']:.0f}"])
    ratios = said["ratios"]
    sentence = (
        f"trtnn takes {ratios['wall / bare']:.2f} times the wall time, {ratios['cpu / bare']:.2f} times the CPU time "
        f"and {ratios['peak / bare']:.2f} times the memory of the bare script; it is "
        f"{1 / ratios['wall / tf2onnx']:.0f} times as fast as the road by tf2onnx, with "
        f"{1 / ratios['peak / tf2onnx']:.0f} times less memory."
    )
    head, foot = "## ResNet-50, file to TensorRT-RTX plan", f"{said['runs']} runs; {said['machine']}"
    return f"{head}\n\n{markdown_table(rows)}\n\n{sentence}\n\n{foot}\n"


def verdict(name: str, ratio: float, goal: float) -> str:
    """One line: the ratio, its goal, and whether it is met."""
    return f"- {name}: {ratio:.3f}; goal {goal:.3f} at the most: {'met' if ratio <= goal else 'NOT met'}"


def main() -> None:
    """Run, print and store."""
    said = summary(*turns(int(sys.argv[1]) if len(sys.argv) > 1 else 7), json.loads(RESULT.read_text()))
    print(markdown(said))
    print("\n".join(verdict(name, said["ratios"][name], goal) for name, goal in GOALS.items()))
    (RESULTS / "compile_resnet50.md").write_text(markdown(said))
    (RESULTS / "compile_resnet50.json").write_text(json.dumps(said, indent=2) + "\n")


if __name__ == "__main__":
    main()
