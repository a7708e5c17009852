"""Applications of Keras, from their files to TensorRT-RTX plans: `trtnn.from_keras` against the road by tf2onnx.

    python -m benchmarks.applications prepare [NAME ...]   # once: the files, and the other road; needs tf2onnx
    python -m benchmarks.applications [RUNS]               # the table, in results/applications_compile.md

Every run is a cold process. The goals: ResNet-50 in 2.0 s at the most, `from_keras` in 0.3 s, 1.3 times the bare
builder's memory at the most, and in every plan no more kernels than by the other road.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.applications_onnx import MEMORY_GB
from benchmarks.common import FILES, RESULTS, THREADS, Measured, machine, markdown_table, run_program

NAMES = ("ResNet50", "EfficientNetB0", "VGG16", "InceptionV3")
ROUTE = RESULTS / "applications_onnx.json"
BARE = RESULTS / "compile_resnet50.json"


def write(name: str) -> None:
    """The ``.keras`` file of an application with logits and calibrated random weights."""
    import numpy as np

    from tests.oracle import calibrate, keras, logits_model, randomize, varied_images

    model, rng = logits_model(getattr(keras(THREADS).applications, name)), np.random.default_rng(0)
    randomize(model, rng)
    for layer in model.layers:
        if hasattr(layer, "finalize_state"):  # Normalization computes with a copy of its weights
            layer.finalize_state()
    calibrate(model, varied_images(rng, 8, *model.input_shape[1:3]) * np.float32(scale(name)))
    model.save(FILES / f"{name}.keras")


def scale(name: str) -> float:
    """What varied images are multiplied with to be what the model takes: EfficientNet takes 0 to 255."""
    return 60.0 if name.startswith("EfficientNet") else 1.0


def prepare(names: Sequence[str]) -> None:
    """Write the files and go the other road once for each, in processes of their own."""
    FILES.mkdir(exist_ok=True)
    route: dict[str, Any] = json.loads(ROUTE.read_text()) if ROUTE.exists() else {}
    for name in names:
        if not (FILES / f"{name}.keras").exists():
            subprocess.run([sys.executable, "-m", "benchmarks.applications", "write", name], check=True)
        try:
            done = run_program("-m", "benchmarks.applications_onnx", name)
            route[name] = {**done.report, "peak_mb": done.peak_mb}
        except subprocess.CalledProcessError:  # what it said is above
            route[name] = {"failed": f"with {MEMORY_GB} GB"}
        print(name, route[name], flush=True)
        ROUTE.write_text(json.dumps({**route, "machine": machine()}, indent=2) + "\n")


def measure(name: str, runs: int) -> dict[str, Any]:
    """Medians of our road, after a run that is not counted, and the kernels of one more."""
    done: list[Measured] = [run_program("-m", "benchmarks.applications_plan", name) for _ in range(runs + 1)][1:]
    keys = ("wall_s", "import_s", "from_keras_s", "compile_s")
    medians = {key: statistics.median(run.report[key] for run in done) for key in keys}
    kernels = run_program("-m", "benchmarks.applications_plan", name, "kernels").report["kernels"]
    return {**medians, "peak_mb": statistics.median(run.peak_mb for run in done), "kernels": kernels}


def table(ours: dict[str, dict[str, Any]], route: dict[str, Any]) -> str:
    """Both roads side by side."""
    rows = [
        ["", "trtnn s", "of it from_keras", "peak MB", "kernels", "tf2onnx s", "peak MB", "kernels", "times as fast"]
    ]
    for name, mine in ours.items():
        seconds = [f"{mine['wall_s']:.2f}", f"{mine['from_keras_s']:.2f}"]
        rows.append([name, *seconds, f"{mine['peak_mb']:.0f}", str(mine["kernels"]), *_other(mine, theirs=route[name])])
    return markdown_table(rows)


def _other(mine: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    if "failed" in theirs:
        return ["failed", theirs["failed"], "", ""]
    times = theirs["wall_s"] / mine["wall_s"]
    return [f"{theirs['wall_s']:.1f}", f"{theirs['peak_mb']:.0f}", str(theirs["kernels"]), f"{times:.0f}"]


def verdicts(ours: dict[str, dict[str, Any]], route: dict[str, Any]) -> list[str]:
    """Every goal, and whether it is met."""
    bare = json.loads(BARE.read_text())["bare"]["peak_mb"]
    checks = [
        ("ResNet50, file to plan, s", ours["ResNet50"]["wall_s"], 2.0),
        ("ResNet50, memory / bare builder", ours["ResNet50"]["peak_mb"] / bare, 1.3),
        *((f"{name}, from_keras s", mine["from_keras_s"], 0.3) for name, mine in ours.items()),
        *(
            (f"{name}, kernels", mine["kernels"], route[name]["kernels"])
            for name, mine in ours.items()
            if "kernels" in route[name]
        ),
    ]
    return [f"- {what}: {got:.4g}; goal {goal:.4g} at the most: {_met(got <= goal)}" for what, got, goal in checks]


def _met(is_met: bool) -> str:
    return "met" if is_met else "NOT met"


def main(runs: int) -> None:
    """Measure, print and store."""
    route = json.loads(ROUTE.read_text())
    ours = {name: measure(name, runs) for name in NAMES}
    head = "## Applications of Keras, `.keras` file to TensorRT-RTX plan"
    said = "\n\n".join([head, table(ours, route), "\n".join(verdicts(ours, route)), f"{runs} runs; {machine()}"]) + "\n"
    print(said)
    (RESULTS / "applications_compile.md").write_text(said)
    (RESULTS / "applications_compile.json").write_text(json.dumps({"machine": machine(), **ours}, indent=2) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["prepare"]:
        prepare(sys.argv[2:] or NAMES)
    elif sys.argv[1:2] == ["write"]:
        write(sys.argv[2])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
