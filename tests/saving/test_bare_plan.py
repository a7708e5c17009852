"""A plan without a sidecar: its signature is read out of it. A stand-in takes the part of TensorRT's engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import trtnn as nn
from saving.networks import NEEDS_RTX
from saving.standin import api_listing
from trtnn.backends.tensorrt import load
from trtnn.backends.tensorrt.library import load as load_library
from trtnn.errors import DeviceError, SavedEngineError
from trtnn.gpu import library as gpu
from trtnn.saving.load import SavedEngineWarning

pytestmark = NEEDS_RTX


class ICudaEngine:
    """An engine with these tensors: (name, "INPUT" or "OUTPUT", data type, shape, shapes by profile)."""

    def __init__(self, trt: Any, tensors: list[tuple[str, str, str, tuple[int, ...], Any]]) -> None:
        self._trt, self._tensors = trt, {one[0]: one for one in tensors}
        self.num_io_tensors, self.num_optimization_profiles, self.name = len(tensors), 2, "detector"

    def get_tensor_name(self, number: int) -> str:
        return list(self._tensors)[number]

    def get_tensor_mode(self, name: str) -> Any:
        return getattr(self._trt.TensorIOMode, self._tensors[name][1])

    def get_tensor_dtype(self, name: str) -> Any:
        return getattr(self._trt.DataType, self._tensors[name][2])

    def get_tensor_shape(self, name: str) -> Any:
        return self._trt.Dims(self._tensors[name][3])

    def get_tensor_profile_shape(self, name: str, profile: int) -> list[Any]:
        return [self._trt.Dims(shape) for shape in self._tensors[name][4][profile]]


IMAGE = (
    "image",
    "INPUT",
    "HALF",
    (-1, 3, -1),
    [[(1, 3, 8), (2, 3, 16), (4, 3, 32)], [(8, 3, 8), (8, 3, 8), (8, 3, 8)]],
)
MASK = ("mask", "INPUT", "BOOL", (3,), [[(3,)] * 3] * 2)
BOXES = ("boxes", "OUTPUT", "FLOAT", (-1, 4), None)
COUNT = ("count", "OUTPUT", "INT32", (), None)


@pytest.fixture
def trt() -> Any:
    return load_library("tensorrt-rtx").trt


def test_the_signature_and_the_profiles(trt: Any) -> None:
    signature, profiles = load.read_signature(ICudaEngine(trt, [IMAGE, BOXES, MASK, COUNT]), trt, "file")
    assert signature.name == "detector" and signature.returns == "dict"
    assert {name: str(one) for name, one in signature.inputs.items()} == {
        "image": "f16[input_0_axis_0, 3, input_0_axis_2]",
        "mask": "bool[3]",
    }
    assert {name: str(one) for name, one in signature.outputs.items()} == {
        "boxes": "f32[output_0_axis_0, 4]",
        "count": "i32[]",
    }
    assert profiles == [
        {"input_0_axis_0": (1, 2, 4), "input_0_axis_2": (8, 16, 32)},
        {"input_0_axis_0": (8, 8, 8), "input_0_axis_2": (8, 8, 8)},
    ]


def test_a_data_type_that_engines_lack(trt: Any) -> None:
    tensors = [("x", "INPUT", "FP8", (1,), [[(1,)] * 3] * 2)]
    with pytest.raises(SavedEngineError, match=r"x: expected one of FLOAT, .*, got FP8; cast it"):
        load.read_signature(ICudaEngine(trt, tensors), trt, "file")


def test_it_loads_where_there_is_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trt: Any) -> None:
    (tmp_path / "model.plan").write_bytes(b"plan")
    monkeypatch.setattr(gpu, "why_not", lambda: None)
    monkeypatch.setattr(load, "deserialize", lambda plan, library, name: ICudaEngine(trt, [MASK, COUNT]))
    with pytest.warns(SavedEngineWarning, match=r"model\.plan has no sidecar model\.plan\.json"):
        engine: Any = nn.Engine.load(tmp_path / "model.plan", target="tensorrt-rtx", max_contexts=2)
    assert repr(engine) == "Engine(detector, tensorrt-rtx, unknown, (mask: bool[3]) -> (count: i32[]))"
    assert bytes(engine.plan) == b"plan" and engine.runtime_options["max_contexts"] == 2


def test_without_a_gpu_it_says_why_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.plan").write_bytes(b"plan")
    monkeypatch.setattr(gpu, "why_not", lambda: "no NVIDIA GPU was found")
    with pytest.raises(DeviceError, match=r"TensorRT needs a GPU: no NVIDIA GPU .*; copy model\.plan\.json beside it"):
        nn.Engine.load(tmp_path / "model.plan", target="tensorrt-rtx")


def test_an_empty_plan(tmp_path: Path) -> None:
    (tmp_path / "model.plan").touch()
    with pytest.raises(SavedEngineError, match=r"model\.plan: is empty"):
        nn.Engine.load(tmp_path / "model.plan", target="tensorrt-rtx")


def test_all_that_is_asked_of_the_engine_is_in_every_version() -> None:
    methods = {"get_tensor_name": 1, "get_tensor_mode": 1, "get_tensor_dtype": 1, "get_tensor_shape": 1}
    methods["get_tensor_profile_shape"] = 2
    uses = [api_listing.Use("call", "ICudaEngine", name, count, frozenset()) for name, count in methods.items()]
    properties = ["num_io_tensors", "num_optimization_profiles", "name"]
    api_listing.check([*uses, *(api_listing.Use("get", "ICudaEngine", name) for name in properties)])
    assert set(methods) | set(properties) == {
        name for name in (*vars(ICudaEngine), *vars(ICudaEngine(None, []))) if not name.startswith("_")
    }
