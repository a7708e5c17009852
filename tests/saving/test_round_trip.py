"""An engine that was saved and loaded is the one that was compiled."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from precision.networks import Residual
from precision.networks import images as square_images

import trtnn as nn
import trtnn.functional as F
from saving.networks import (
    NEEDS_RTX,
    OPTIONS,
    TARGETS,
    Reader,
    assert_same,
    filled,
    images,
    saved,
    vision,
)
from trtnn.errors import ArgumentError, InputError, SavedEngineError
from trtnn.saving.load import SavedEngineWarning
from trtnn.saving.sidecar import sidecar_path

DTYPES = ["float32", "float16", "int64", "int32", "int8", "uint8", "bool"]


class Echo(nn.Module):
    """An input of a data type, reshaped to computed sizes, as forward's one, several or named results."""

    def __init__(self, returns: str) -> None:
        self.returns = returns

    def forward(self, x: nn.Tensor = nn.Input("batch", "width", 4)) -> Any:
        y = F.concat([x, x], 1)
        return {"tensor": y, "tuple": (x, y), "dict": {"x": x, "other:1": y, "": y}}[self.returns]


def assert_loads_as(engine: Any, path: Path, *arrays: np.ndarray, **options: Any) -> Any:
    """The loaded engine, which is like the one that was saved."""
    loaded = nn.Engine.load(path, **options)
    assert repr(loaded) == repr(engine) and str(loaded.choice) == str(engine.choice)
    assert loaded.signature == engine.signature and loaded.profiles == engine.profiles
    assert loaded.check_nan == engine.check_nan and type(loaded) is type(engine)
    if engine.target == "onnxruntime":
        assert_same(loaded(*arrays), engine(*arrays))
    else:
        assert bytes(loaded.plan) == bytes(engine.plan)
    return loaded


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("returns", ["tensor", "tuple", "dict"])
def test_every_data_type_and_result(tmp_path: Path, dtype: str, returns: str) -> None:
    x = np.random.default_rng(0).integers(0, 2, (2, 3, 4)).astype(dtype)
    engine = Echo(returns).compile(nn.Input("batch", "width", 4, dtype=dtype), target="onnxruntime", threads=1)
    assert_loads_as(engine, saved(engine, tmp_path), x)


@pytest.mark.parametrize("target", TARGETS)
def test_sizes_ranges_and_options(tmp_path: Path, target: str) -> None:
    engine = vision(target, check_nan=False)
    loaded = assert_loads_as(engine, saved(engine, tmp_path), images())
    assert loaded.runtime_options == engine.runtime_options
    assert nn.Engine.load(
        tmp_path / ("model.onnx" if target == "onnxruntime" else "model.plan"), check_nan=True
    ).check_nan


@NEEDS_RTX
def test_several_profiles_and_run_time_options(tmp_path: Path) -> None:
    dims = [{"batch": 1, "width": (4, 8, 16)}, {"batch": (2, 4, 8), "width": 32}]
    engine = filled(nn.Linear(4, 3)).compile(
        nn.Input("batch", "width", 4), target="tensorrt-rtx", dims=dims, max_contexts=2
    )
    loaded = assert_loads_as(engine, saved(engine, tmp_path))
    assert len(loaded.profiles) == 2 and loaded.runtime_options["max_contexts"] == 2
    assert nn.Engine.load(tmp_path / "model.plan", cuda_graphs=True).runtime_options["cuda_graphs"] is True


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("precision", ["fp16", "int8", "int8 + fp16", "int4", "io float16"])
def test_precision(tmp_path: Path, target: str, precision: str) -> None:
    options: dict[str, Any] = {"dims": {"batch": (1, 2, 8)}, **OPTIONS[target]}
    if "int8" in precision:
        options["int8"] = nn.Calibration(square_images(16), "minmax", progress=False)
    options |= {"fp16": "fp16" in precision, "io_dtype": "float16" if "io" in precision else "float32"}
    network, x = filled(Residual()), square_images(2)
    if precision == "int4":
        options["int4"] = True
        network, x = filled(nn.Linear(64, 32)), np.ones((2, 64), np.float32)
        options["inputs"] = nn.Input("batch", 64)
    x = x.astype(options["io_dtype"])
    inputs = options.pop("inputs", None)
    engine = network.compile(inputs, target=target, **options)
    assert engine.precision != "float32"
    assert_loads_as(engine, saved(engine, tmp_path), x)


def test_recurrent_layers(tmp_path: Path) -> None:
    engine = filled(Reader()).compile(target="onnxruntime", threads=1)
    assert_loads_as(engine, saved(engine, tmp_path), np.ones((2, 5, 4), np.float32))


@pytest.mark.parametrize("target", TARGETS)
def test_a_loaded_engine_can_be_saved_again(tmp_path: Path, target: str) -> None:
    engine = vision(target)
    path = saved(engine, tmp_path)
    other = path.with_name(f"other{path.suffix}")
    nn.Engine.load(path).save(other)
    for file in tmp_path.glob("model*"):
        file.unlink()
    assert_loads_as(engine, other, images())
    before, after = json.loads(sidecar_path(other).read_text()), nn.Engine.load(other)._sidecar
    assert before["module"]["summary"]["rows"] and after is not None and after.module is not None


def test_plain_onnx_runtime_loads_the_model(tmp_path: Path) -> None:
    engine = vision()
    session = onnxruntime.InferenceSession(str(saved(engine, tmp_path)), providers=["CPUExecutionProvider"])
    scores, features = session.run(None, {"image": images()})
    assert_same({"scores": scores, "map": features}, engine(images()))


@NEEDS_RTX
def test_the_plan_is_written_as_it_is(tmp_path: Path) -> None:
    engine = vision("tensorrt-rtx")
    assert saved(engine, tmp_path).read_bytes() == bytes(engine.plan)


def test_another_process_loads_it(tmp_path: Path) -> None:
    engine = vision()
    path = saved(engine, tmp_path)
    np.save(tmp_path / "x.npy", images())
    code = (
        "import sys, numpy as np, trtnn; engine = trtnn.Engine.load(sys.argv[1]);"
        "np.save(sys.argv[3], engine(np.load(sys.argv[2]))['scores']); print(engine)"
    )
    arguments = [str(path), str(tmp_path / "x.npy"), str(tmp_path / "y.npy")]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == repr(engine)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), engine(images())["scores"])


def test_a_model_without_a_sidecar(tmp_path: Path) -> None:
    engine = vision()
    path = saved(engine, tmp_path)
    sidecar_path(path).unlink()
    with pytest.warns(
        SavedEngineWarning, match=r"model.onnx has no sidecar model.onnx.json: its precision, .* not known"
    ):
        loaded = nn.Engine.load(path, threads=1)
    assert_same(loaded(images()), engine(images()))
    assert (
        repr(loaded) == "Engine(model, onnxruntime, unknown, (image: f32[batch, 6, width, 3]) -> "
        "(scores: f32[batch, 5], map: f32[batch, 3, output_1_axis_2, 16]))"
    )
    with pytest.warns(SavedEngineWarning):
        assert loaded.check_nan and not nn.Engine.load(path, check_nan=False).check_nan
        loaded.save(tmp_path / "again.ONNX")
        sidecar_path(tmp_path / "again.ONNX").unlink()
        assert_same(nn.Engine.load(tmp_path / "again.ONNX")(images()), engine(images()))
    with pytest.raises(InputError, match="image: expected shape"):
        loaded(images()[..., :2])


def test_a_quantized_model_without_a_sidecar_keeps_off_the_optimizers_that_would_break_it(tmp_path: Path) -> None:
    calibration = nn.Calibration(square_images(16), "minmax", progress=False)
    engine = filled(Residual()).compile(target="onnxruntime", int8=calibration, threads=1)
    path = saved(engine, tmp_path)
    assert json.loads(sidecar_path(path).read_text())["needs"]["disabled_optimizers"]
    sidecar_path(path).unlink()
    with pytest.warns(SavedEngineWarning):
        assert_same(nn.Engine.load(path, threads=1)(square_images(4)), engine(square_images(4)))


def test_any_onnx_model_loads(tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, "n+1"]) for name in ("a.b", "c")]
    graph = helper.make_graph([helper.make_node("Relu", ["a.b"], ["c"])], "foreign", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    (tmp_path / "foreign.onnx").write_bytes(model.SerializeToString())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SavedEngineWarning)
        engine = nn.Engine.load(tmp_path / "foreign.onnx")
    x = np.array([[-1.0, 2.0]], np.float32)
    np.testing.assert_array_equal(engine(x), [[0.0, 2.0]])
    assert str(engine.inputs["a.b"]) == "f32[input_0_axis_0, input_0_axis_1]"


def test_what_is_no_model_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model at all")
    with pytest.raises(SavedEngineError, match=r"model\.onnx: is not an ONNX model"):
        nn.Engine.load(tmp_path / "model.onnx")
    (tmp_path / "model.bin").write_bytes(b"x")
    with pytest.raises(SavedEngineError, match=r"its name does not tell which library it is for; give .*target="):
        nn.Engine.load(tmp_path / "model.bin")
    with pytest.raises(SavedEngineError, match=r"none\.onnx: there is no such file"):
        nn.Engine.load(tmp_path / "none.onnx")


def test_arguments_that_make_no_sense(tmp_path: Path) -> None:
    engine = vision()
    with pytest.raises(
        ArgumentError, match=r"path: expected a name that ends in \.onnx for the target onnxruntime, got m\.p"
    ):
        engine.save(tmp_path / "m.plan")
    with pytest.raises(ArgumentError, match=r"path: expected a file in a folder that exists, got .*make the folder"):
        engine.save(tmp_path / "none" / "model.onnx")
    with pytest.raises(ArgumentError, match=r"path: expected a file name in UTF-8, got 'gr\\udcfcn\.onnx'"):
        engine.save(tmp_path / "gr\udcfcn.onnx")  # a name in Latin-1, as Python has it
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(SavedEngineError, match=r"folder\.onnx: is a folder"):
        nn.Engine.load(tmp_path / "folder.onnx")
    path = saved(engine, tmp_path)
    with pytest.raises(ArgumentError, match=r"got 'treads'; did you mean threads\?"):
        nn.Engine.load(path, treads=2)
    with pytest.raises(
        ArgumentError, match=r"expected the engine, got the sidecar model\.onnx\.json; load model\.onnx$"
    ):
        nn.Engine.load(sidecar_path(path))
    with pytest.raises(ArgumentError, match=r"threads: expected an int >= 0, got -1"):
        nn.Engine.load(path, threads=-1)
    with pytest.raises(SavedEngineError, match=r"\$\.target: expected 'tensorrt', got 'onnxruntime'"):
        nn.Engine.load(path, target="tensorrt")
    with pytest.raises(ArgumentError, match="holds no graph"):
        _ = nn.Engine.load(path).graph


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    path, data = saved(vision(), tmp_path), tmp_path / "model.onnx.data"
    good = data.read_bytes()
    data.write_bytes(good[:-1])
    with pytest.raises(SavedEngineError, match=r"\$\.files\[0\]\.bytes: expected .* bytes in model\.onnx\.data, got"):
        nn.Engine.load(path)
    data.write_bytes(good[:-4] + b"\0\0\0\1")
    with pytest.raises(SavedEngineError, match=r"\$\.files\[0\]\.crc32c: expected model\.onnx\.data with the checksum"):
        nn.Engine.load(path)
    nn.Engine.load(path, verify_checksum=False)
    data.unlink()
    with pytest.raises(SavedEngineError, match=r"model\.onnx\.data: is missing; copy all files of the engine together"):
        nn.Engine.load(path)
    data.write_bytes(good)
    path.rename(tmp_path / "renamed.onnx")
    sidecar_path(path).rename(tmp_path / "renamed.onnx.json")
    with pytest.raises(
        SavedEngineError, match=r"expected renamed\.onnx\.data and renamed\.onnx, got .*; files that were"
    ):
        nn.Engine.load(tmp_path / "renamed.onnx")


def test_a_damaged_model_is_reported_by_its_checksum(tmp_path: Path) -> None:
    path = saved(vision(), tmp_path)
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(
        SavedEngineError, match=r"\$\.files\[1\]\.crc32c: expected model\.onnx with the checksum"
    ) as caught:
        nn.Engine.load(path)
    assert "refuses the model" in str(caught.value.__cause__)


@pytest.mark.parametrize("target", TARGETS)
def test_files_that_may_not_be_read(tmp_path: Path, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(vision(target), tmp_path)
    opened, forbidden = Path.open, sidecar_path(path)

    def refused(self: Path, *arguments: Any, **options: Any) -> Any:
        if self == forbidden:
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(SavedEngineError, match=rf"{sidecar_path(path).name}: cannot be read: Permission denied$"):
        nn.Engine.load(path)
    forbidden = path
    with pytest.raises(SavedEngineError, match=rf"{path.name} cannot be read: Permission denied$"):
        nn.Engine.load(path)


def test_errors_of_onnx_runtime_are_raised_and_not_logged(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    class Lookup(nn.Module):
        def forward(self, index: nn.Tensor = nn.Input("batch", dtype="int32")) -> nn.Tensor:
            return F.gather(np.arange(12, dtype=np.float32).reshape(4, 3), index)

    with pytest.raises(nn.errors.TrtnnError, match="indices"):
        Lookup().compile(target="onnxruntime")(np.array([9], np.int32))
    path = saved(vision(), tmp_path)
    (tmp_path / "model.onnx.data").write_bytes(b"short")
    sidecar_path(path).unlink()
    with pytest.raises(SavedEngineError, match="refuses the model"):
        nn.Engine.load(path)
    assert capfd.readouterr() == ("", "")
