"""From the parsed options to the keywords of ``compile``."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from trtnn.backends.select import choose, options_of
from trtnn.cli.arrays import read_samples
from trtnn.cli.compile_options import PRECISIONS, TARGET_OPTIONS, option_of, target_options
from trtnn.cli.failures import UsageError
from trtnn.cli.source import inputs_of
from trtnn.module import Module
from trtnn.precision.calibration import Calibration


def compile_keywords(arguments: Namespace, model: Module) -> dict[str, Any]:
    """Everything that ``model.compile`` takes. Raises UsageError for an option that the target does not have."""
    _require_known(arguments)
    return {
        "inputs": inputs_of(arguments),
        "target": arguments.target,
        "dims": _profiles(arguments),
        **precision_keywords(arguments, model),
        **target_options(arguments),
    }


def precision_keywords(arguments: Namespace, model: Module) -> dict[str, Any]:
    """The keywords of precision, with the calibrations read. Raises CalibrationError for samples that do not fit."""
    held: dict[str, Any] = {name: getattr(arguments, name) for name in PRECISIONS}
    for name in ("int8", "fp8"):
        if held[name] is not None:
            held[name] = _calibration(arguments, held[name], model)
    return held | {
        "keep_fp32": tuple(arguments.keep_fp32),
        "keep_fp16": tuple(arguments.keep_fp16),
        "io_dtype": arguments.io_dtype,
    }


def _require_known(arguments: Namespace) -> None:
    choice = choose(arguments.target)
    known = options_of(choice)
    for name in target_options(arguments):
        if name not in known:
            others = ", ".join(option_of(one) for one in TARGET_OPTIONS if one in known)
            raise UsageError(
                f"{option_of(name)}: the target {choice.target} ({choice.reason}) has no such option; it has {others}"
            )


def _calibration(arguments: Namespace, path: str, model: Module) -> Calibration:
    if path.endswith(".json"):
        return Calibration.load(path)
    samples = read_samples(path, list(inputs_of(arguments) or model.inputs))
    return Calibration(samples, arguments.calibration_method, percentile=arguments.percentile)


def _profiles(arguments: Namespace) -> list[dict[str, tuple[int, int, int]]] | None:
    shared = dict(arguments.dim)
    if not arguments.optimization_profile:
        return [shared] if shared else None
    return [shared, *(shared | dict(one) for one in arguments.optimization_profile)]
