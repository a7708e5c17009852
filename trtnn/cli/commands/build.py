"""``trtnn build``: compiles a network and saves the engine."""

from __future__ import annotations

import os
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

from trtnn.backends.select import choose, options_of
from trtnn.cli.compiling import compile_keywords
from trtnn.cli.console import Console, fields
from trtnn.cli.engines import signature_document, signature_fields
from trtnn.cli.failures import UsageError
from trtnn.cli.outputs import require_folder
from trtnn.cli.source import load_source
from trtnn.engine import Engine
from trtnn.saving.load import read_sidecar
from trtnn.saving.targets import SUFFIXES
from trtnn.text import with_prefix


def run(arguments: Namespace, console: Console) -> int:
    """Compiles SOURCE and writes it to ``--output``."""
    output = _checked_output(arguments)
    model = load_source(arguments, console)
    keywords = compile_keywords(arguments, model)
    started = time.perf_counter()
    engine = model.compile(quiet=True, **_shown_progress(arguments.target), **keywords)
    built = time.perf_counter() - started
    engine.save(output)
    document = _document(engine, output, built)
    console.say(_text(engine, document))
    console.finish(document)
    return 0


def _shown_progress(target: str) -> dict[str, Any]:
    """Makes a target that can show its progress do so on a terminal."""
    return {"progress": None} if "progress" in options_of(choose(target)) else {}


def _checked_output(arguments: Namespace) -> Path:
    """``--output``, checked before anything that takes time."""
    output, choice = Path(arguments.output), choose(arguments.target)
    require_folder("--output", arguments.output)
    if not os.access(output.parent, os.W_OK):
        raise UsageError(f"--output: the folder {output.parent.resolve()} cannot be written to")
    suffixes = SUFFIXES[choice.target]
    if output.suffix.lower() not in suffixes:
        others = [target for target, known in SUFFIXES.items() if output.suffix.lower() in known]
        hint = f"; for {output.suffix} give --target {' or '.join(others)}" if others else ""
        raise UsageError(
            f"--output: expected a name that ends in {' or '.join(suffixes)} for the target {choice.target} "
            f"({choice.reason}), got {output.name}{hint}"
        )
    return output


def _document(engine: Engine, output: Path, seconds: float) -> dict[str, Any]:
    return {
        "name": engine.signature.name,
        "target": engine.target,
        "reason": engine.choice.reason,
        "precision": engine.precision,
        **signature_document(engine.inputs, engine.outputs, engine.profiles),
        "summary": list(engine.summary().closing),
        "file": str(output),
        "bytes": sum(file.bytes for file in read_sidecar(output).files),
        "seconds": round(seconds, 3),
    }


def _text(engine: Engine, document: dict[str, Any]) -> str:
    return fields(
        {
            "target": f"{engine.target}: {engine.choice.reason}",
            "network": f"{document['name']}, {document['precision']}",
            **signature_fields(engine.inputs, engine.outputs, engine.profiles),
            "computes": ", ".join(document["summary"][:2]),
            "file": f"{document['file']}, {with_prefix(document['bytes'], 'B')}, built in {document['seconds']:.1f} s",
        }
    )
