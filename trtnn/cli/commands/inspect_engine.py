"""What is in an engine file: what its sidecar says, or, without one, what its name and size do."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import attrs

from trtnn import gpu
from trtnn.cli.console import Console, fields
from trtnn.cli.engines import signature_document, signature_fields
from trtnn.cli.wording import on_the_command_line
from trtnn.engine import Engine
from trtnn.errors import TrtnnError
from trtnn.saving.load import SavedEngineWarning, read_sidecar, require_file
from trtnn.saving.sidecar import Sidecar, sidecar_path
from trtnn.text import with_prefix


def inspect_engine(path: Path, target: str | None, console: Console) -> int:
    """Prints the sidecar's contents and whether the engine can be loaded here; ``target`` is what a file without a
    sidecar is for.

    Raises SavedEngineError for a folder and for a sidecar that is damaged, and OSError for a file that is not there.
    """
    size = path.stat().st_size
    require_file(path)
    sidecar = read_sidecar(path) if sidecar_path(path).is_file() else None
    engine, trouble = _load(path, target)
    if sidecar is None:
        shown, document = _bare(path, engine)
    else:
        shown, document = _described(sidecar)
        size = sum(file.bytes for file in sidecar.files)
    console.say(f"{path.name}: {document['target'] or 'TensorRT'} engine, {with_prefix(size, 'B')}")
    console.say(fields({**shown, "here": trouble or _usable(document["target"])}))
    if sidecar is not None and sidecar.module is not None:
        console.say(f"\n{on_the_command_line(str(sidecar.module.summary))}")
    console.finish({"kind": "engine", "bytes": size, **document, "loads": trouble is None, "problem": trouble})
    return 0


def _load(path: Path, target: str | None) -> tuple[Engine | None, str | None]:
    """The engine, or why it cannot be loaded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SavedEngineWarning)  # that there is no sidecar is said anyway
        try:
            return Engine.load(path, target=target), None
        except TrtnnError as error:
            return None, on_the_command_line(str(error))


def _usable(target: str) -> str:
    """What can be done with an engine that fits: a plan may be looked at without a GPU."""
    why_not = None if target == "onnxruntime" else gpu.why_not()
    return "can be loaded" if why_not is None else f"can be loaded, and needs a GPU to run: {why_not}"


def _described(sidecar: Sidecar) -> tuple[dict[str, Any], dict[str, Any]]:
    library, machine = sidecar.library, sidecar.machine
    capabilities = machine.compute_capabilities or ()
    signature = sidecar.signature
    shown = {
        "network": f"{signature.name}, {sidecar.choice.precision}",
        **signature_fields(signature.inputs, signature.outputs, sidecar.profiles),
        "computes": ", ".join(sidecar.summary.closing[:2]) if sidecar.summary is not None else "",
        "made by": f"trtnn {sidecar.trtnn}, {library.name} {library.version}",
        "made for": ", ".join([f"{machine.system} {machine.processor}", *(f"GPU {one}" for one in capabilities)]),
        "custom ops": ", ".join(sidecar.custom_ops),
        "files": [f"{file.name}, {with_prefix(file.bytes, 'B')}" for file in sidecar.files],
    }
    document = {
        "sidecar": True,
        "name": signature.name,
        "target": sidecar.choice.target,
        "precision": sidecar.choice.precision,
        **signature_document(signature.inputs, signature.outputs, sidecar.profiles),
        "trtnn": sidecar.trtnn,
        "library": {"name": library.name, "version": library.version},
        "machine": {
            "system": machine.system,
            "processor": machine.processor,
            "compute_capabilities": list(capabilities),
        },
        "custom_ops": dict(sidecar.custom_ops),
        "layers": [attrs.asdict(one) for one in sidecar.layers],
        "files": [{"name": file.name, "bytes": file.bytes, "sha256": file.sha256} for file in sidecar.files],
    }
    return shown, document


def _bare(path: Path, engine: Engine | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is known without a sidecar: what the loaded engine says."""
    shown: dict[str, Any] = {"sidecar": f"none: there is no {sidecar_path(path).name}"}
    document: dict[str, Any] = {"sidecar": False, "target": "onnxruntime" if path.suffix.lower() == ".onnx" else None}
    if engine is not None:
        shown |= signature_fields(engine.inputs, engine.outputs, engine.profiles)
        document["target"] = engine.target
        document |= signature_document(engine.inputs, engine.outputs, engine.profiles)
    return shown, document
