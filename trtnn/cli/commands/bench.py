"""``trtnn bench``: this engine's latency and throughput, against whatever else is installed that runs the network."""

from __future__ import annotations

import json
import os
import platform
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from trtnn.cli.compile_options import PRECISIONS, target_options
from trtnn.cli.compiling import compile_keywords
from trtnn.cli.console import Console, table
from trtnn.cli.contestants import Contestant, of_engine, others
from trtnn.cli.engines import ENGINE_SUFFIXES
from trtnn.cli.failures import UsageError
from trtnn.cli.outputs import require_folder, require_picture
from trtnn.cli.race import ROUNDS, SETTLE_S, Row, plot_race, race
from trtnn.cli.sizes import dims_of, run_sizes
from trtnn.cli.source import import_modules, load_source
from trtnn.engine import Engine
from trtnn.measure.benchmark import random_inputs
from trtnn.measure.profile import Profile
from trtnn.module import Module

HEADER = ("", "batch", "p50 ms", "p90 ms", "p99 ms", "items/s", "time", "differs by")
OF_NETWORKS = (
    *("weights", "name_map", "arg", "input", "dim", "optimization_profile"),
    *(*PRECISIONS, "keep_fp32", "keep_fp16"),
)


def run(arguments: Namespace, console: Console) -> int:
    """Prints a table, and writes pictures and traces where asked."""
    require_picture("--plot", arguments.plot)
    if arguments.trace is not None:
        require_folder("--trace", arguments.trace)
    engine, model = _engine(arguments, console)
    contestants = [of_engine(engine)]
    if not arguments.alone:
        contestants += others(engine, arguments.source, model)
    rows: list[Row] = []
    all_sizes = _all_sizes(arguments, engine)
    for sizes in all_sizes:
        console.note(f"measuring {_shown(sizes)} ...")
        arrays = dict(zip(engine.inputs, random_inputs(engine.inputs, sizes), strict=True))
        rows += race(contestants, arrays, sizes, arguments.seconds)
    console.say(_text(rows, contestants))
    if arguments.plot is not None:
        console.note(f"wrote {plot_race(rows, repr(engine), arguments.plot)}")
    profile = _profile(arguments, engine, all_sizes[-1], console)
    console.finish(_document(engine, rows, contestants, profile))
    return 0


def _engine(arguments: Namespace, console: Console) -> tuple[Engine, Module | None]:
    """The engine, and the network that it was compiled from unless it comes from a file."""
    if Path(arguments.source).suffix.lower() in ENGINE_SUFFIXES:
        import_modules(arguments.imports)
        _require_nothing_to_compile(arguments)
        target = None if arguments.target == "auto" else arguments.target
        return Engine.load(arguments.source, target=target, **target_options(arguments)), None
    model = load_source(arguments, console)
    engine = model.compile(quiet=True, **compile_keywords(arguments, model))
    console.note(str(engine.choice))
    return engine, model


def _require_nothing_to_compile(arguments: Namespace) -> None:
    """Raises UsageError for an option that an engine, which is compiled already, cannot follow."""
    for name in OF_NETWORKS:
        if getattr(arguments, name):
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option}: is for a network, and {arguments.source} is an engine, compiled already")


def _all_sizes(arguments: Namespace, engine: Engine) -> list[dict[str, int]]:
    given, dims = dict(arguments.size), dims_of(engine.inputs)
    asked = [{"batch": batch} for batch in arguments.batch or ()] or [{}]
    return [run_sizes(dims, engine.profiles, given | one) for one in asked]


def _profile(arguments: Namespace, engine: Engine, sizes: Mapping[str, int], console: Console) -> Profile | None:
    if not arguments.profile and arguments.trace is None:
        return None
    profile = engine.profile(*random_inputs(engine.inputs, sizes))
    if arguments.profile:
        console.say(f"\nprofile{f' at {_shown(sizes)}' if sizes else ''}:\n{profile}")
    if arguments.trace is not None:
        console.note(f"wrote {profile.chrome_trace(arguments.trace)}")
    return profile


def _shown(sizes: Mapping[str, int]) -> str:
    return " ".join(f"{name}={size}" for name, size in sizes.items())


def _text(rows: Sequence[Row], contestants: Sequence[Contestant]) -> str:
    cells = [
        (
            row.name,
            str(row.timing.batch),
            *(f"{1e3 * seconds:.3f}" for seconds in (row.timing.p50, row.timing.p90, row.timing.p99)),
            f"{row.timing.throughput:,.0f}",
            f"{row.ratio:.2f}x",
            f"{row.difference:.1g}" if row.name != contestants[0].name else "",
        )
        for row in rows
    ]
    absent = [f"not measured: {one.name}: {one.absent}" for one in contestants if one.absent]
    how = f"{ROUNDS} turns each, after {SETTLE_S * 1e3:.0f} ms of warm-up; NumPy in, NumPy out; {_machine()}"
    return "\n".join([table(HEADER, cells), *absent, how])


def _machine() -> str:
    return f"{os.cpu_count()} CPU cores, {platform.system()} {platform.machine()}"


def _document(
    engine: Engine, rows: Sequence[Row], contestants: Sequence[Contestant], profile: Profile | None
) -> dict[str, Any]:
    return {
        "engine": {"name": engine.signature.name, "target": engine.target, "precision": engine.precision},
        "machine": {"cpu_cores": os.cpu_count(), "system": platform.system(), "processor": platform.machine()},
        "rows": [
            {
                "name": row.name,
                **attrs.asdict(row.timing),
                "throughput": row.timing.throughput,
                "ratio": row.ratio,
                "difference": row.difference,
            }
            for row in rows
        ],
        "absent": {one.name: one.absent for one in contestants if one.absent},
        **({"profile": json.loads(profile.to_json())} if profile is not None else {}),
    }
