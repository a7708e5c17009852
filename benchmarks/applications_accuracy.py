"""Every family of ``keras.applications`` against Keras, on ONNX Runtime and as TensorRT-RTX's network, simulated.

    PYTHONPATH=tests python -m benchmarks.applications_accuracy

writes ``results/applications.md``: the relative errors, max|got - want| / max|want|, of logits for two images that the
weights were not calibrated on; how much these two differ; and the layers of the import. The bound of the tests is 5e-5.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import trtnn as nn
from benchmarks.common import RESULTS, machine, markdown_table
from tests.importers.applications import APPLICATIONS, Application
from tests.oracle import relative_error


def measure(application: Application) -> list[str]:
    """One row of the table."""
    theirs = application.build()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        theirs.save(path)
        ours = nn.from_keras(path)
        images = application.images(2)
        want = np.asarray(theirs(images, training=False))
        on_cpu = ours.compile(target="onnxruntime")(images)
        engine: Any = ours.compile(target="tensorrt-rtx", dims={"batch": (1, 2, 4)}, kernels=True)
        simulated = engine.simulate(images)
    return [
        application.name,
        f"{application.size}",
        f"{len(ours.layers)}",
        f"{relative_error(on_cpu, want):.1e}",
        f"{relative_error(simulated, want):.1e}",
        f"{relative_error(want[:1], want[1:]):.2f}",
        f"{len(engine.plan) / 1e6:.1f}",
        f"{len(engine.kernels)}",
    ]


def main() -> None:
    """Measure all, print and store."""
    rows = [["", "input", "layers", "ONNX Runtime", "TensorRT-RTX, simulated", "images differ", "plan MB", "kernels"]]
    for application in APPLICATIONS:
        rows.append(measure(application))
        print("  ".join(rows[-1]), flush=True)
    head = "## keras.applications, imported from `.keras`: relative error of the logits"
    (RESULTS / "applications.md").write_text(f"{head}\n\n{markdown_table(rows)}\n\n{machine()}\n")


if __name__ == "__main__":
    main()
