"""Giving a loaded engine its module back, which a refit needs."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest

from trtnn.engine import Engine, Signature
from trtnn.errors import ArgumentError, SavedEngineError, TrtnnError
from trtnn.graph import Dim, TensorType
from trtnn.inputs import Input
from trtnn.module import Module
from trtnn.precision.calibration import Calibration
from trtnn.precision.options import Precision
from trtnn.recipe import Recipe
from trtnn.saving.sidecar import SavedModule
from trtnn.summary import Summary


def recipe_for(module: Module, engine: Engine, calibration: Calibration | None) -> Recipe:
    """How the loaded engine would be made from the module.

    Raises SavedEngineError for a module that is not like the one that the engine was compiled from and for an engine
    whose file does not say what that was, and ArgumentError for an int8 or fp8 engine without calibration.
    """
    saved = engine._sidecar.module if engine._sidecar is not None else None
    if saved is None:
        raise SavedEngineError(
            engine.signature.name,
            problem="its files do not say how it was compiled, so no module can be given to it",
            remedy="compile the module and save the engine again",
        )
    if saved.calibrated and calibration is None:
        raise ArgumentError(
            "calibration",
            expected=f"a trtnn.Calibration with its data: this engine is {saved.calibrated}, "
            "and new weights have new ranges",
            got="None",
            remedy="give Engine.load(..., calibration=trtnn.Calibration(data))",
        )
    inputs = {name: Input(*map(_dim, type.shape), dtype=type.dtype) for name, type in saved.inputs.items()}
    _require_like(module, inputs, saved, engine.signature)
    precision = Precision(
        half=saved.half,
        int8=calibration if saved.calibrated == "int8" else None,
        fp8=calibration if saved.calibrated == "fp8" else None,
        int4=saved.int4,
        keep_fp32=saved.keep_fp32,
        keep_fp16=saved.keep_fp16,
        io_dtype=saved.io_dtype,
    )
    options = {**engine.runtime_options, "check_nan": engine.check_nan}
    return Recipe(module, inputs, engine.profiles, precision, options, weights=None)


def _dim(size: object) -> int | Dim:
    return size if isinstance(size, int) else Dim(str(size))


def _require_like(module: Module, inputs: Mapping[str, Input], saved: SavedModule, signature: Signature) -> None:
    """Raises SavedEngineError unless the module traces to the signature and has the saved table."""
    try:
        traced = Signature.of(module.trace(inputs))
    except TrtnnError as error:
        wanted = ", ".join(f"{name}: {one}" for name, one in inputs.items())
        raise _unlike(module, f"the inputs {wanted}", str(error)) from error
    for kind, there, here in (
        ("input", signature.inputs, traced.inputs),
        ("output", signature.outputs, traced.outputs),
    ):
        if list(there) != list(here) or [one.shape for one in there.values()] != [one.shape for one in here.values()]:
            raise _unlike(module, f"the {kind}s {_shown(there)}", _shown(here))
    if signature.returns != traced.returns:
        raise _unlike(module, f"a forward that returns a {signature.returns}", f"a {traced.returns}")
    layers = zip_longest(_layers(saved.summary), _layers(module.summary(inputs)), fillvalue="nothing")
    for old, new in layers:
        if old != new:
            raise _unlike(module, f"the layer {old}", new)


def _layers(summary: Summary) -> list[str]:
    """The rows without what depends on sizes that are not known here."""
    columns = [
        place for place, name in enumerate(summary.header) if name in ("module", "class", "output", "parameters")
    ]
    return [" ".join(row[place] for place in columns) for row in summary.rows]


def _unlike(module: Module, expected: str, got: str) -> SavedEngineError:
    return SavedEngineError(
        type(module).__name__,
        expected=f"the module that the engine was compiled from, with {expected}",
        got=got,
        remedy="make the module as it was made then, or compile it",
    )


def _shown(types: Mapping[str, TensorType]) -> str:
    return ", ".join(f"{name}: {type}" for name, type in types.items())
