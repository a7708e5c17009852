"""An engine as its plan in a file."""

from __future__ import annotations

from typing import Any

from trtnn.backends.tensorrt.engine import TensorRTEngine
from trtnn.backends.tensorrt.options import CURRENT
from trtnn.engine import Engine
from trtnn.saving.atomic import AtomicFiles
from trtnn.saving.checks import this_gpu
from trtnn.saving.sidecar import Machine


def write(engine: Engine, name: str, files: AtomicFiles) -> dict[str, Any]:
    """Writes the plan, and notes the digest of what a refit leaves as it is."""
    assert isinstance(engine, TensorRTEngine)
    with files.create(name) as file:
        file.write(engine.plan)
    return {"kept_weights": engine.kept_weights}


def machine_of(engine: Engine) -> Machine:
    """The machine that the plan is for.

    TensorRT builds for the GPU that it runs on. TensorRT-RTX builds for the compute capabilities that it is told, and
    for no GPU in particular otherwise.
    """
    if engine._sidecar is not None:
        return engine._sidecar.machine
    if engine.target == "tensorrt":
        gpu = this_gpu()
        return Machine.this((gpu,) if gpu else None)
    given = engine.recipe.options.get("compute_capabilities", ()) if engine.recipe is not None else ()
    wanted = (given,) if isinstance(given, str) else tuple(given)
    built_for = tuple(dict.fromkeys(this_gpu() or one if one == CURRENT else one for one in wanted))
    return Machine.this(built_for or None)
