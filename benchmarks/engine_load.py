"""Loading a saved engine of about 100 MB against the runtime's own time for the same file.

    python -m benchmarks.engine_load

ResNet-50 with random weights. For ONNX Runtime everything is in the system's cache, peers take turns in one process,
and then each once more in fresh processes, where the imports count. The goal: ``Engine.load`` takes 1.2 times as long
as ``onnxruntime.InferenceSession`` at the most, checksums included. TensorRT-RTX deserializes plans only where there is
a GPU, so of a plan there is only what trtnn adds to that: checking and mapping it.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path

import attrs
import numpy as np

import trtnn
from benchmarks.common import RESULTS, THREADS, Race, machine, markdown_table, race, run_program
from examples.resnet50 import ResNet50
from trtnn.backends.tensorrt import library
from trtnn.errors import DeviceError

GOAL = 1.2
SESSION, LOAD, UNCHECKED = "onnxruntime.InferenceSession", "Engine.load", "Engine.load, verify_checksum=False"
PROCESSES = 7
PROGRAM = """
import sys, time
start = time.perf_counter()
{statement}
seconds = time.perf_counter() - start
from benchmarks.common import report
report(seconds=seconds)
"""
STATEMENTS = {
    SESSION: "import onnxruntime\no = onnxruntime.SessionOptions()\no.intra_op_num_threads = {threads}\n"
    "onnxruntime.InferenceSession({path!r}, o, providers=['CPUExecutionProvider'])",
    LOAD: "import trtnn\ntrtnn.Engine.load({path!r})",
}


def resnet50() -> ResNet50:
    """The network with weights that are not all alike."""
    model, rng = ResNet50(logits=True), np.random.default_rng(0)
    for parameter in model.parameters():
        parameter.assign(rng.uniform(0.01, 0.1, parameter.shape).astype(np.float32))
    return model


def race_onnx(path: Path) -> Race:
    """The session alone, and the engine with and without the checksums."""
    import onnxruntime

    def session() -> object:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    contestants = {
        SESSION: session,
        LOAD: lambda: trtnn.Engine.load(path),
        UNCHECKED: lambda: trtnn.Engine.load(path, verify_checksum=False),
    }
    size = sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*")) / 1e6
    return race(contestants, title=f"Loading ResNet-50 for ONNX Runtime, {size:.0f} MB", rounds=21)


def fresh(path: Path) -> dict[str, float]:
    """Median milliseconds in fresh processes, imports included."""
    times: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for _ in range(PROCESSES):
        for name, statement in STATEMENTS.items():
            program = PROGRAM.format(statement=statement.format(path=str(path), threads=THREADS))
            times[name].append(run_program("-c", program).report["seconds"])
    return {name: statistics.median(taken) * 1e3 for name, taken in times.items()}


def race_plan(folder: Path) -> tuple[Race, str]:
    """What loading a plan costs, and what TensorRT-RTX says when it is to deserialize it here."""
    from trtnn.backends.tensorrt.runtime.starting import deserialize

    path = folder / "resnet50.plan"
    engine = resnet50().compile(target="tensorrt-rtx", optimization_level=0)
    engine.save(path)
    contestants = {
        LOAD: lambda: trtnn.Engine.load(path),
        UNCHECKED: lambda: trtnn.Engine.load(path, verify_checksum=False),
    }
    size = path.stat().st_size / 1e6
    found = race(contestants, title=f"Loading ResNet-50 for TensorRT-RTX, {size:.0f} MB", rounds=21)
    try:
        deserialize(memoryview(path.read_bytes()), library.load("tensorrt-rtx"), "resnet50")
        said = "TensorRT-RTX deserializes the plan here"
    except DeviceError as error:
        said = f"TensorRT-RTX does not deserialize the plan on this machine: {error.problem}"
    return found, said


def main() -> None:
    """Measure both targets and write the results."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "resnet50.onnx"
        resnet50().compile(target="onnxruntime", threads=THREADS).save(path)
        races = [race_onnx(path)]
        cold = fresh(path)
        said = ""
        if library.available("tensorrt-rtx"):
            plans, said = race_plan(Path(name))
            races.append(plans)
    ratio = next(row.ratio for row in races[0].rows if row.name == LOAD)
    cells = [["fresh process, imports included", "median ms"], *([name, f"{ms:.0f}"] for name, ms in cold.items())]
    goal = f"Goal: at most {GOAL} times the session alone; {'met' if ratio <= GOAL else 'NOT met'} with {ratio:.3f}."
    text = "\n".join([*(one.markdown() for one in races), said, "", markdown_table(cells), "", goal, machine(), ""])
    print(text)
    (RESULTS / "engine_load.md").write_text(text)
    document = {
        "races": [attrs.asdict(one) for one in races],
        "fresh_process_ms": cold,
        "goal": GOAL,
        "met": ratio <= GOAL,
    }
    (RESULTS / "engine_load.json").write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
