"""Tries one target on a tiny network: ``python -m trtnn.cli.trial TARGET`` prints the `Trial` as JSON.

``trtnn doctor`` runs it in a process of its own, since a library that does not fit the machine may end its process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs

TIMEOUT_S = 180


TARGETS: dict[str, dict[str, Any]] = {
    "onnxruntime": {"target": "onnxruntime"},
    "onnxruntime on CUDA": {"target": "onnxruntime", "device": "cuda"},
    "tensorrt": {"target": "tensorrt"},
    "tensorrt-rtx": {"target": "tensorrt-rtx"},
}
"""What is tried, and the options of ``compile`` that choose it."""


@attrs.frozen
class Trial:
    """What became of the tiny network: the target ``builds`` it, the engine ``runs`` and gives the right numbers, and
    if not, what the ``problem`` is, and the kind of error that said so ("LibraryError").

    ``simulated`` says that the network that TensorRT was given is right, computed without a GPU.
    """

    target: str
    builds: bool = False
    runs: bool = False
    simulated: bool = False
    problem: str = ""
    error: str = ""


def try_apart(target: str) -> Trial:
    """`try_target` in a process of its own; what ends that process is a problem of the target."""
    paths = [str(Path(__file__).resolve().parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__, target],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
        return Trial(**json.loads(done.stdout.splitlines()[-1]))
    except subprocess.TimeoutExpired:
        return Trial(target, problem=f"did not finish within {TIMEOUT_S} s")
    except (IndexError, ValueError, TypeError):
        said = done.stderr.strip().splitlines()
        last = f": {said[-1]}" if said else ""
        return Trial(target, problem=f"the process that tried it ended with code {done.returncode}{last}")


def try_target(target: str) -> Trial:
    """Builds the network for a target and runs it, or simulates it where the plan cannot run."""
    import numpy as np

    import trtnn
    from trtnn.errors import DeviceError, TrtnnError

    class Tiny(trtnn.Module):
        """One layer, (2, 4) to (2, 3)."""

        def __init__(self) -> None:
            self.layer = trtnn.Linear(4, 3)

        def forward(self, x: Any) -> Any:
            """x @ kernel + bias."""
            return self.layer(x)

    kernel, bias = np.arange(12, dtype=np.float32).reshape(4, 3), np.ones(3, np.float32)
    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    expected = x @ kernel + bias
    model = Tiny()
    model.load_weights({"layer/kernel": kernel, "layer/bias": bias})
    engine = None
    try:
        engine = model.compile(trtnn.Input(2, 4), **TARGETS[target])
        right = np.allclose(engine(x), expected, rtol=1e-2)
    except TrtnnError as error:
        simulate = getattr(engine, "simulate", None) if isinstance(error, DeviceError) else None
        simulated = simulate is not None and bool(np.allclose(simulate(x), expected, rtol=1e-2))
        problem = str(error) if engine is None else error.problem or str(error)  # without the tiny network's name
        return Trial(target, engine is not None, simulated=simulated, problem=problem, error=type(error).__name__)
    return Trial(target, builds=True, runs=bool(right), problem="" if right else "gives wrong numbers")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(attrs.asdict(try_target(sys.argv[1]))) + "\n")
