"""The sidecar as untrusted input: whatever is changed in it has a message of its own."""

from __future__ import annotations

import copy
import json
import platform
import re
from pathlib import Path
from typing import Any

import pytest

import trtnn as nn
from saving.networks import NEEDS_RTX, TARGETS, assert_same, filled, images, saved, vision
from trtnn.errors import CustomOpError, SavedEngineError, TrtnnError
from trtnn.saving import checks
from trtnn.saving.documents import _digest, from_json, to_json
from trtnn.saving.load import read_sidecar
from trtnn.saving.sidecar import sidecar_path

INTERRUPTED = "saving it was interrupted"
EDITED = r"\$\.checksum: expected .*; the file was changed after it was saved"
AGAIN = "save it again on this machine"

# Every member of a sidecar: its path, a value of the right type that is wrong, and what is said of that once the
# document's checksum fits again; None where only the checksum can tell.
MEMBERS: list[tuple[str, Any, str | None]] = [
    ("$.format", 2, r"\$\.format: expected 1, got 2; it was saved by another version of trtnn"),
    ("$.trtnn", "0.0.9", None),
    ("$.target", "tensorflow", r"\$\.target: expected one of onnxruntime, .*, got 'tensorflow'; update trtnn"),
    ("$.reason", "because", None),
    ("$.precision", "int1", None),
    ("$.library.name", "tensorrt", r"\$\.library\.name: expected tensorrt, .*load it where tensorrt is installed"),
    ("$.library.version", "1.2", r'\$\.library\.version: expected 1\.2, .*pip install "tensorrt_rtx==1\.2"'),
    ("$.machine.system", "Plan9", rf"\$\.machine\.system: expected Plan9, .*got {platform.system()} here; .*{AGAIN}"),
    ("$.machine.processor", "vax", rf"\$\.machine\.processor: expected vax, .*{AGAIN}"),
    (
        "$.machine.compute_capabilities",
        ["8.6"],
        rf"expected a GPU of compute capability 8\.6, got one of 9\.0; .*{AGAIN}",
    ),
    ("$.network.name", "Other", None),
    ("$.network.inputs", [], r"\$\.network\.inputs: expected what the model has"),
    ("$.network.inputs[0].name", "picture", r"\$\.network\.inputs: expected what the model has: image: "),
    ("$.network.inputs[0].dtype", "float16", r"got image: float16\[\?, 6, \?, 3\] \(1\)"),
    ("$.network.inputs[0].shape", ["batch", 7, "width", 3], r"got image: float32\[\?, 7, \?, 3\] \(1\)"),
    ("$.network.outputs", [], r"\$\.network\.outputs: expected what the model has: scores.*\(2\), got  \(0\)"),
    ("$.network.outputs[0].name", "map", r"outputs\[1\]\.name: expected a name that no other has, got \"map\""),
    ("$.network.outputs[0].dtype", "int64", r"got scores: int64"),
    ("$.network.outputs[0].shape", ["batch", 6], r"\$\.network\.outputs: .*got scores: float32\[\?, 6\]"),
    ("$.network.returns", "tensor", r'\$\.network\.returns: expected "tuple" or "dict" for 2 outputs'),
    ("$.profiles", [{"batch": [3, 2, 1]}], r"\$\.profiles\[0\]\.batch: expected min <= opt <= max, got \[3, 2, 1\]"),
    ("$.check_nan", False, None),
    ("$.options", {"turbo": True}, r"\$\.options: expected options of the target onnxruntime: .*, got 'turbo'"),
    ("$.needs", {"more": 1}, r"\$\.needs: expected "),
    ("$.module", None, None),
    ("$.module.inputs", [], None),
    ("$.module.half", "float32", r'\$\.module\.half: expected one of float16, bfloat16, got "float32"'),
    ("$.module.calibrated", "int2", r'\$\.module\.calibrated: expected one of int8, fp8, got "int2"'),
    ("$.module.int4", True, None),
    ("$.module.keep_fp32", ["conv"], None),
    ("$.module.keep_fp16", ["conv"], None),
    ("$.module.io_dtype", "int8", r"\$\.module\.io_dtype: expected one of float32"),
    ("$.module.weights_sha256", "abc", r"\$\.module\.weights_sha256: expected 64 hexadecimal digits"),
    ("$.module.summary.title", "Other", None),
    ("$.module.summary.header", ["module"], r"\$\.module\.summary\.rows\[0\]: expected a list of 1"),
    ("$.module.summary.rows", [["x"]], r"\$\.module\.summary\.rows\[0\]: expected a list of \d, got a list of 1"),
    ("$.module.summary.closing", ["nothing"], None),
    ("$.summary.title", "Other", None),
    ("$.summary.header", ["module"], r"\$\.summary\.rows\[0\]: expected a list of 1"),
    ("$.summary.rows", [["x"]], r"\$\.summary\.rows\[0\]: expected a list of \d, got a list of 1"),
    ("$.summary.closing", ["nothing"], None),
    (
        "$.layers",
        [{"name": "x", "kind": "y", "modules": [1]}],
        r"\$\.layers\[0\]\.modules\[0\]: expected a string, got 1",
    ),
    ("$.custom_ops", {"my::op": "my_ops"}, r"needs the custom op my::op, not registered here; import .*my_ops"),
    ("$.files", [], r"\$\.files: expected .*model\.onnx, got none; files that were renamed"),
    ("$.files[0].name", "other", r"\$\.files: expected model\.onnx\.data and model\.onnx, got other and model\.onnx"),
    ("$.files[0].bytes", 5, rf"\$\.files\[0\]\.bytes: expected 5 bytes in model\.onnx\.data, got .*{INTERRUPTED}"),
    ("$.files[0].crc32c", "0" * 8, rf"\$\.files\[0\]\.crc32c: expected model\.onnx\.data with .*{INTERRUPTED}"),
    ("$.files[0].sha256", "0" * 64, None),
    ("$.checksum", "0" * 64, EDITED),
]
PATHS = [path for path, _, _ in MEMBERS]
PLANS_ONLY = ("$.library", "$.machine")


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A saved engine of each kind."""
    names = ["onnxruntime", *(["tensorrt-rtx"] if not NEEDS_RTX.args[0] else [])]
    return {name: saved(vision(name), tmp_path_factory.mktemp(name)) for name in names}


def document_of(path: Path) -> Any:
    return json.loads(sidecar_path(path).read_text())


def changed(document: Any, path: str, change: Any) -> Any:
    """The document with ``change(container, key)`` done at the path."""
    document = copy.deepcopy(document)
    keys = [int(key) if key.isdigit() else key for key in path[2:].replace("]", "").replace("[", ".").split(".")]
    container = document
    for key in keys[:-1]:
        container = container[key]
    change(container, keys[-1])
    return document


def sealed(document: Any) -> Any:
    """The document with a checksum that fits."""
    return {**document, "checksum": _digest({name: one for name, one in document.items() if name != "checksum"})}


def error_of(path: Path, document: Any) -> TrtnnError:
    """What loading the engine with this sidecar raises; the right one is put back."""
    right = sidecar_path(path).read_text()
    sidecar_path(path).write_text(json.dumps(document))
    try:
        with pytest.raises((SavedEngineError, CustomOpError)) as caught:
            nn.Engine.load(path)
    finally:
        sidecar_path(path).write_text(right)
    return caught.value


def test_the_list_of_members_is_complete(engines: dict[str, Path]) -> None:
    def members(value: Any, path: str) -> set[str]:
        if isinstance(value, dict) and path not in ("$.profiles[0]", "$.options", "$.needs", "$.custom_ops"):
            return {path} | {found for name, one in value.items() for found in members(one, f"{path}.{name}")}
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return {path} | members(value[0], f"{path}[0]")
        return {path}

    groups = {
        "$",
        "$.library",
        "$.machine",
        "$.network",
        "$.module.summary",
        "$.summary",
        "$.files[0]",
        "$.profiles[0]",
    }
    groups |= {"$.network.inputs[0]", "$.network.outputs[0]", "$.module.inputs[0]"}
    shared = {f"$.module.inputs[0].{name}" for name in ("name", "dtype", "shape")}  # read by the same code as inputs
    assert members(document_of(engines["onnxruntime"]), "$") - groups - shared == set(PATHS)


@pytest.mark.parametrize("path", PATHS)
def test_a_member_of_another_type_is_named(engines: dict[str, Path], path: str) -> None:
    engine = engines["onnxruntime"]

    def spoil(container: Any, key: Any) -> None:
        container[key] = 1.5

    error = error_of(engine, changed(document_of(engine), path, spoil))
    assert error.path == f"{sidecar_path(engine)}: {path}" and "1.5" in str(error)


@pytest.mark.parametrize("path", [path for path in PATHS if not path.endswith("]")])
def test_a_member_that_is_missing_is_named(engines: dict[str, Path], path: str) -> None:
    engine = engines["onnxruntime"]
    parent, _, name = path.rpartition(".")
    error = error_of(engine, changed(document_of(engine), path, lambda container, key: container.pop(key)))
    if path == "$.format":
        parent, name = path, "no member of that name"
    assert error.path == f"{sidecar_path(engine)}: {parent}" and name in str(error)


@pytest.mark.parametrize("path", ["$", "$.network", "$.network.inputs[0]", "$.module", "$.files[0]"])
def test_a_member_too_many_is_named(engines: dict[str, Path], path: str) -> None:
    engine = engines["onnxruntime"]
    error = error_of(
        engine, changed(document_of(engine), f"{path}.extra", lambda container, key: container.update({key: 1}))
    )
    assert error.path == f"{sidecar_path(engine)}: {path}" and 'got "extra"' in str(error)


@pytest.mark.parametrize(("path", "value", "message"), MEMBERS)
def test_a_member_with_another_value_has_its_own_message(
    engines: dict[str, Path], monkeypatch: pytest.MonkeyPatch, path: str, value: Any, message: str | None
) -> None:
    plan_only = path.startswith(PLANS_ONLY)
    if plan_only and "tensorrt-rtx" not in engines:
        pytest.skip("TensorRT-RTX is not installed")
    engine = engines["tensorrt-rtx" if plan_only else "onnxruntime"]
    if path == "$.machine.compute_capabilities":
        monkeypatch.setattr("trtnn.saving.load.this_gpu", lambda: "9.0")

    def put(container: Any, key: Any) -> None:
        container[key] = value

    other = changed(document_of(engine), path, put)
    unsealed = str(error_of(engine, other))
    if message is None:
        assert re.search(EDITED, unsealed), unsealed
    else:
        error = str(error_of(engine, other if path == "$.checksum" else sealed(other)))
        assert re.search(message, error), error


def test_an_onnx_model_loads_on_any_machine(engines: dict[str, Path]) -> None:
    """It is bound to none, and to no version of ONNX Runtime."""
    path = engines["onnxruntime"]
    document = document_of(path)
    document["machine"].update(system="Plan9", processor="vax")
    document["library"]["version"] = "1.0"
    right = sidecar_path(path).read_text()
    sidecar_path(path).write_text(json.dumps(sealed(document)))
    try:
        assert_same(nn.Engine.load(path)(images()), vision()(images()))
    finally:
        sidecar_path(path).write_text(right)


@pytest.mark.parametrize("target", TARGETS)
def test_a_sidecar_comes_back_equal(engines: dict[str, Path], target: str) -> None:
    sidecar = read_sidecar(engines[target])
    assert from_json(to_json(sidecar).encode(), "file") == sidecar
    assert to_json(sidecar) == sidecar_path(engines[target]).read_text()


@pytest.mark.parametrize("target", TARGETS)
def test_the_sidecar_says_what_the_engine_is(engines: dict[str, Path], target: str) -> None:
    document, sidecar = document_of(engines[target]), read_sidecar(engines[target])
    engine = vision(target)
    assert document["trtnn"] == nn.__version__ and document["target"] == target
    assert sidecar.signature == engine.signature and sidecar.profiles == engine.profiles
    assert document["network"]["outputs"][1]["shape"] == ["batch", 3, {"floor_div": ["width", 2]}, 16]
    assert document["module"]["summary"]["rows"][0][:2] == ["conv", "Conv2d"]
    assert "FLOPs at batch=2, width=8," in document["module"]["summary"]["closing"][1]  # what it was compiled for
    assert sum(one["bytes"] for one in document["files"]) == sum(
        file.stat().st_size for file in engines[target].parent.iterdir() if file.suffix != ".json"
    )


def test_the_digest_of_the_weights_is_theirs_alone(engines: dict[str, Path], tmp_path: Path) -> None:
    digest = document_of(engines["onnxruntime"])["module"]["weights_sha256"]
    same = saved(vision(), tmp_path)
    assert document_of(same)["module"]["weights_sha256"] == digest
    other = saved(vision(seed=1), tmp_path)
    assert document_of(other)["module"]["weights_sha256"] != digest


def test_a_gpu_is_looked_for_where_there_may_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trtnn.gpu.library.available", lambda: True)
    monkeypatch.setattr("trtnn.gpu.library.compute_capability", lambda: (9, 0))
    assert checks.this_gpu() == "9.0"
    monkeypatch.setattr("trtnn.gpu.library.available", lambda: False)
    assert checks.this_gpu() is None


@NEEDS_RTX
def test_a_plan_that_is_saved_again_is_for_the_same_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trtnn.saving.load.this_gpu", lambda: "8.9")
    linear = filled(nn.Linear(4, 3))
    engine = linear.compile(nn.Input(2, 4), target="tensorrt-rtx", compute_capabilities=["8.9"])
    nn.Engine.load(saved(engine, tmp_path)).save(tmp_path / "again.plan")
    assert document_of(tmp_path / "again.plan")["machine"]["compute_capabilities"] == ["8.9"]
