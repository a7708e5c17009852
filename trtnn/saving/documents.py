"""A sidecar as the JSON text that is written, and back, with every field checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, get_args

import attrs

from trtnn.calling import Ranges
from trtnn.engine import Choice, Signature
from trtnn.errors import SavedEngineError
from trtnn.graph import DType, TensorType
from trtnn.graph.graph import Returns
from trtnn.measure.layer import Layer
from trtnn.saving.fields import Field, parse
from trtnn.saving.sidecar import FORMAT, Library, Machine, SavedFile, SavedModule, Sidecar
from trtnn.saving.sizes import shape_from_json, shape_to_json
from trtnn.summary import Summary

DTYPES = [dtype.value for dtype in DType]
_SUMMARY = ("title", "header", "rows", "closing")
WIDTH = 120
MEMBERS = (
    *("format", "trtnn", "target", "reason", "precision", "library", "machine", "network", "profiles"),
    *("check_nan", "options", "needs", "module", "summary", "layers", "custom_ops", "files", "checksum"),
)


def to_json(sidecar: Sidecar) -> str:
    """The text of a sidecar. The last member is a checksum of the others, so that no change goes unseen."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "trtnn": sidecar.trtnn,
        "target": sidecar.choice.target,
        "reason": sidecar.choice.reason,
        "precision": sidecar.choice.precision,
        "library": attrs.asdict(sidecar.library),
        "machine": attrs.asdict(sidecar.machine),
        "network": _signature_to_json(sidecar.signature),
        "profiles": [{name: list(sizes) for name, sizes in ranges.items()} for ranges in sidecar.profiles],
        "check_nan": sidecar.check_nan,
        "options": dict(sidecar.options),
        "needs": dict(sidecar.needs),
        "module": None if sidecar.module is None else _module_to_json(sidecar.module),
        "summary": None if sidecar.summary is None else _summary_to_json(sidecar.summary),
        "layers": [attrs.asdict(one) for one in sidecar.layers],
        "custom_ops": dict(sidecar.custom_ops),
        "files": [attrs.asdict(one) for one in sidecar.files],
    }
    document = json.loads(json.dumps(document))  # as a reader will see it: lists for tuples
    return _laid_out({**document, "checksum": _digest(document)}) + "\n"


def from_json(text: bytes, file: str) -> Sidecar:
    """The sidecar in a file's text. Raises SavedEngineError with the path of what is not as it should be."""
    root = parse(text, file)
    version = root.mapping().get("format", root)
    if version is root or version.value != FORMAT:
        got = "no member of that name" if version is root else json.dumps(version.value)[:60]
        raise SavedEngineError(
            f"{file}: $.format",
            expected=str(FORMAT),
            got=got,
            remedy="it was saved by another version of trtnn: load it with that one, or save the engine again",
        )
    fields = dict(zip(MEMBERS, root.members(*MEMBERS), strict=True))
    sidecar = _sidecar(fields)
    others = {name: value for name, value in root.value.items() if name != "checksum"}
    if fields["checksum"].digits(64) != _digest(others):
        raise SavedEngineError(
            f"{file}: $.checksum",
            expected=_digest(others),
            got=fields["checksum"].text(),
            remedy="the file was changed after it was saved: save the engine again, "
            "or give other options to Engine.load(...)",
        )
    return sidecar


def _sidecar(fields: dict[str, Field]) -> Sidecar:
    name, version = fields["library"].members("name", "version")
    system, processor, capabilities = fields["machine"].members("system", "processor", "compute_capabilities")
    return Sidecar(
        trtnn=fields["trtnn"].text(),
        choice=Choice(fields["target"].text(), fields["reason"].text(), fields["precision"].text()),
        library=Library(name.text(), version.text()),
        machine=Machine(system.text(), processor.text(), capabilities.optional(Field.texts)),
        signature=_signature(fields["network"]),
        profiles=tuple(_ranges(ranges) for ranges in fields["profiles"].items()),
        check_nan=fields["check_nan"].flag(),
        options={name: field.value for name, field in fields["options"].mapping().items()},
        needs={name: field.value for name, field in fields["needs"].mapping().items()},
        module=fields["module"].optional(_module),
        summary=fields["summary"].optional(_summary),
        layers=tuple(_layer(layer) for layer in fields["layers"].items()),
        custom_ops={name: home.text() for name, home in fields["custom_ops"].mapping().items()},
        files=tuple(_file(file) for file in fields["files"].items()),
    )


def _laid_out(value: Any, indent: str = "") -> str:
    """JSON with a line for whatever fits into one."""
    line = json.dumps(value)
    if not isinstance(value, (dict, list)) or len(indent) + len(line) <= WIDTH:
        return line
    inner, brackets = f"{indent}  ", "{}" if isinstance(value, dict) else "[]"
    if isinstance(value, dict):
        parts = [f"{json.dumps(name)}: {_laid_out(one, inner)}" for name, one in value.items()]
    else:
        parts = [_laid_out(one, inner) for one in value]
    return f",\n{inner}".join([f"{brackets[0]}\n{inner}{parts[0]}", *parts[1:]]) + f"\n{indent}{brackets[1]}"


def _digest(document: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _signature_to_json(signature: Signature) -> dict[str, Any]:
    return {
        "name": signature.name,
        "inputs": _types_to_json(signature.inputs),
        "outputs": _types_to_json(signature.outputs),
        "returns": signature.returns,
    }


def _types_to_json(types: Mapping[str, TensorType]) -> list[dict[str, Any]]:
    return [
        {"name": name, "dtype": type.dtype.value, "shape": shape_to_json(type.shape)} for name, type in types.items()
    ]


def _signature(field: Field) -> Signature:
    name, inputs, outputs, returns = field.members("name", "inputs", "outputs", "returns")
    kind: Any = returns.choice(get_args(Returns))
    made = Signature(name.text(), _types(inputs, is_input=True), _types(outputs), kind)
    if kind == "tensor" and len(made.outputs) != 1:
        returns.fail(f'"tuple" or "dict" for {len(made.outputs)} outputs', '"tensor"')
    return made


def _types(field: Field, is_input: bool = False) -> dict[str, TensorType]:
    types: dict[str, TensorType] = {}
    for item in field.items():
        name, dtype, shape = item.members("name", "dtype", "shape")
        if name.text() in types:
            name.fail("a name that no other has", json.dumps(name.value))
        types[name.text()] = TensorType(DType(dtype.choice(DTYPES)), shape_from_json(shape))
        if is_input:
            for size in shape.items():
                size.text() if isinstance(size.value, str) else size.integer(1)
    return types


def _ranges(field: Field) -> Ranges:
    found: dict[str, tuple[int, int, int]] = {}
    for name, sizes in field.mapping().items():
        low, best, high = (size.integer(1) for size in sizes.items(3))
        if not low <= best <= high:
            sizes.fail("min <= opt <= max", str(sizes.value))
        found[name] = (low, best, high)
    return found


def _module_to_json(module: SavedModule) -> dict[str, Any]:
    return {
        "inputs": _types_to_json(module.inputs),
        "half": module.half.value if module.half else None,
        "calibrated": module.calibrated,
        "int4": module.int4,
        "keep_fp32": module.keep_fp32,
        "keep_fp16": module.keep_fp16,
        "io_dtype": module.io_dtype.value,
        "weights_sha256": module.weights_sha256,
        "summary": _summary_to_json(module.summary),
    }


def _module(field: Field) -> SavedModule:
    names = [one.name for one in attrs.fields(SavedModule)]
    fields = dict(zip(names, field.members(*names), strict=True))
    return SavedModule(
        inputs=_types(fields["inputs"], is_input=True),
        half=fields["half"].optional(lambda half: DType(half.choice(["float16", "bfloat16"]))),
        calibrated=fields["calibrated"].optional(lambda calibrated: calibrated.choice(["int8", "fp8"])),
        int4=fields["int4"].flag(),
        keep_fp32=fields["keep_fp32"].texts(),
        keep_fp16=fields["keep_fp16"].texts(),
        io_dtype=DType(fields["io_dtype"].choice(["float32", "float16", "bfloat16"])),
        weights_sha256=fields["weights_sha256"].digits(64),
        summary=_summary(fields["summary"]),
    )


def _file(field: Field) -> SavedFile:
    name, size, crc, digest = field.members("name", "bytes", "crc32c", "sha256")
    if not name.text() or set(name.text()) & set("/\\\0") or name.text() in (".", ".."):
        name.fail("the name of a file in the sidecar's folder", json.dumps(name.value))
    return SavedFile(name.text(), size.integer(0), crc.digits(8), digest.digits(64))


def _layer(field: Field) -> Layer:
    name, kind, modules = field.members("name", "kind", "modules")
    return Layer(name.text(), kind.text(), modules.texts())


def _summary_to_json(summary: Summary) -> dict[str, Any]:
    return {name: getattr(summary, name) for name in _SUMMARY}


def _summary(field: Field) -> Summary:
    title, header, rows, closing = field.members(*_SUMMARY)
    columns = header.texts()
    table = []
    for row in rows.items():
        row.items(len(columns))
        table.append(row.texts())
    return Summary(title.text(), columns, tuple(table), closing.texts())
