"""``trtnn verify``: what compiling in a precision costs, against the float32 network."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from trtnn.cli.arrays import read_arrays
from trtnn.cli.compile_options import PRECISIONS
from trtnn.cli.compiling import compile_keywords
from trtnn.cli.console import Console
from trtnn.cli.engines import short
from trtnn.cli.failures import FAILED, UsageError
from trtnn.cli.outputs import require_picture
from trtnn.cli.sizes import dims_of, run_sizes
from trtnn.cli.source import inputs_of, load_source
from trtnn.compile import make_profiles
from trtnn.measure.benchmark import random_inputs
from trtnn.module import Module
from trtnn.precision.compare import verify
from trtnn.precision.report import PrecisionReport


def run(arguments: Namespace, console: Console) -> int:
    """Prints a table of errors per precision; 1 when an output is beyond the tolerance."""
    require_picture("--plot", arguments.plot)
    model = load_source(arguments, console)
    keywords = compile_keywords(arguments, model)
    variants = list(_one_by_one(keywords)) if arguments.each else [keywords]
    arrays = _inputs(arguments, model, keywords)
    reference = _reference(arguments, model)
    reports = []
    for number, variant in enumerate(variants):
        report = verify(model, *arrays, reference=reference, tolerance=arguments.tolerance, **variant)
        reports.append(report)
        console.say(("\n" if number else "") + str(report))
        console.say(_verdict(report))
        if arguments.plot is not None:
            console.note(f"wrote {report.plot(_plot_path(arguments.plot, report, len(variants)))}")
    console.finish({"reports": [_document(report) for report in reports]})
    return 0 if all(report.is_within_tolerance for report in reports) else FAILED


def _one_by_one(keywords: dict[str, Any]) -> Iterator[dict[str, Any]]:
    given = {name: keywords[name] for name in PRECISIONS if keywords[name]}
    if not given:
        raise UsageError(f"--each: give the precisions to try: {', '.join(f'--{name}' for name in PRECISIONS)}")
    for chosen, value in given.items():
        off = {name: None if name in ("int8", "fp8") else False for name in PRECISIONS}
        yield keywords | off | {chosen: value}


def _inputs(arguments: Namespace, model: Module, keywords: dict[str, Any]) -> list[np.ndarray]:
    graph = model.trace(inputs_of(arguments))
    types = {value.name: value.type for value in graph.inputs}
    if arguments.inputs is not None:
        if arguments.size:
            raise UsageError("--size is for random inputs; --inputs has its own")
        return list(read_arrays(arguments.inputs, list(types)).values())
    profiles = make_profiles(graph, keywords["dims"], required=False)
    return random_inputs(types, run_sizes(dims_of(types), profiles, dict(arguments.size)))


def _reference(arguments: Namespace, model: Module) -> dict[str, np.ndarray] | None:
    if arguments.reference is None:
        return None
    outputs = model.trace(inputs_of(arguments)).outputs
    return read_arrays(arguments.reference, [name for name, _ in outputs])


def _verdict(report: PrecisionReport) -> str:
    worst = max(row.relative for row in report.outputs)
    passed = "passed" if report.is_within_tolerance else "failed"
    return f"{passed}: the largest relative error of an output is {worst:.2g}, and the tolerance {report.tolerance:g}"


def _plot_path(path: str, report: PrecisionReport, count: int) -> Path:
    """The path itself, or with the precision before its suffix where there are several."""
    if count == 1:
        return Path(path)
    return Path(path).with_stem(f"{Path(path).stem}-{short(report.precision).replace(' ', '-')}")


def _document(report: PrecisionReport) -> dict[str, Any]:
    return {
        "precision": report.precision,
        "reference": report.reference,
        "tolerance": report.tolerance,
        "passed": report.is_within_tolerance,
        "rows": report.as_dicts(),
    }
