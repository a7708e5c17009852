"""Plugins by name, and libraries of plugins: with TensorRT-RTX's own registry and creators, whose networks lack
add_plugin."""

from __future__ import annotations

import shutil
import subprocess
import types

import numpy as np
import pytest

import trtnn
import trtnn.functional as F
from custom_kernels.ops import Scale
from trtnn.backends.tensorrt.library import Library
from trtnn.backends.tensorrt.plugins import libraries, named, runtime
from trtnn.backends.tensorrt.plugins.named import plugin_fields
from trtnn.backends.tensorrt.plugins.site import Site
from trtnn.custom.definition import custom_of
from trtnn.errors import ArgumentError, BuildError, CustomOpError, LibraryError, UnsupportedError
from trtnn.graph import DType, TensorType

ROI_ALIGN = {"coordinate_transformation_mode": 1, "mode": 1, "output_height": 3, "output_width": 5,
             "sampling_ratio": 0, "spatial_scale": 0.25}  # fmt: skip


def rois(x, boxes, batch):
    return TensorType(x.dtype, (boxes.shape[0], x.shape[1], 3, 5))


class Network(trtnn.Module):
    def __init__(self, plugin="ROIAlign_TRT", version="2", fields=ROI_ALIGN, infer=rois) -> None:
        self.options, self.infer = (plugin, version, fields), infer

    def forward(self, x=trtnn.Input(1, 4, 8, 8), boxes=trtnn.Input(6, 4), batch=trtnn.Input(6, dtype="int32")):
        return F.tensorrt_plugin(*self.options, x, boxes, batch, infer=self.infer)


SITE = Site(custom_of(Scale()), (TensorType(DType.float32, (6, 4)),))


class ByName(trtnn.Module):
    """The plugin that `runtime` registers, called by its name."""

    def __init__(self, infer=lambda x: x) -> None:
        self.infer = infer

    def forward(self, x=trtnn.Input(6, 4)):
        return (
            F.tensorrt_plugin("CustomOp", "1", {"site": SITE.to_text()}, x, infer=self.infer, namespace="trtnn") * 2.0
        )


@pytest.fixture
def added(monkeypatch):
    """TensorRT-RTX with add_plugin methods that keep their arguments and give what they are given."""
    rtx = pytest.importorskip("tensorrt_rtx")
    found = []

    def add(network, *arguments):
        found.append(arguments)
        return network.add_identity(arguments[0][0])

    runtime.register_creator(rtx)
    monkeypatch.setattr(rtx.INetworkDefinition, "add_plugin_v3", add, raising=False)
    monkeypatch.setattr(rtx.INetworkDefinition, "add_plugin_v2", add, raising=False)
    return found


def test_a_plugin_of_version_3_is_made_by_its_creator(added):
    rtx = pytest.importorskip("tensorrt_rtx")
    ByName().compile(target="tensorrt-rtx")
    ((inputs, shape_inputs, plugin),) = added
    assert [one.name for one in inputs] == ["x"] and shape_inputs == []
    assert isinstance(plugin, rtx.IPluginV3) and plugin._site == SITE


class OldCreator:
    """A creator of IPluginV2, as the registry of TensorRT 10 gives it."""

    field_names = None

    def create_plugin(self, name, fields):
        return "an IPluginV2", name, [one.name for one in fields]


def test_a_plugin_of_version_2_is_made_by_its_creator(added, monkeypatch):
    monkeypatch.setattr(named, "find_creator", lambda *arguments: OldCreator())
    ByName().compile(target="tensorrt-rtx")
    ((_, plugin),) = added
    assert plugin == ("an IPluginV2", "tensorrt_plugin", ["site"])


def test_a_plugin_of_version_2_in_tensorrt_11(added, monkeypatch):
    rtx = pytest.importorskip("tensorrt_rtx")
    monkeypatch.delattr(rtx.INetworkDefinition, "add_plugin_v2")
    monkeypatch.setattr(named, "find_creator", lambda *arguments: OldCreator())
    with pytest.raises(UnsupportedError, match="CustomOp: is a plugin of IPluginV2, which TensorRT 11 has no more"):
        ByName().compile(target="tensorrt-rtx")


def test_a_creator_that_makes_nothing_is_quoted(added):
    """TensorRT's own, which asks for a GPU."""
    with pytest.raises(ArgumentError, match=r"ROIAlign_TRT: its creator makes no plugin of .*'output_height'.*; the "
                       r"fields it knows are coordinate_transformation_mode, mode, output_height"):  # fmt: skip
        Network().compile(target="tensorrt-rtx")


def test_an_unknown_plugin_says_which_there_are(added):
    with pytest.raises(UnsupportedError, match=r"ROIAlign_TRT: TensorRT has no plugin ROIAlign_TRT version 7; expected "
                       r"ROIAlign_TRT version 2.*trtnn\.load_plugin_library\(path\)"):  # fmt: skip
        Network(version="7").compile(target="tensorrt-rtx")


def test_an_unknown_field_says_which_there_are(added):
    with pytest.raises(ArgumentError, match=r"expected fields out of .*output_height.*, got 'output_heigth'"):
        Network(fields=ROI_ALIGN | {"output_heigth": 3}).compile(target="tensorrt-rtx")


def test_fields_that_are_no_dict():
    with pytest.raises(ArgumentError, match=r"ROIAlign_TRT: fields: expected a dict of names and values, got \[1\]"):
        Network(fields=[1]).trace()


def test_an_inferred_type_that_is_none():
    with pytest.raises(CustomOpError, match="ROIAlign_TRT: expected infer to return a TensorType or a tuple of them"):
        Network(infer=lambda *types: 3).trace()
    with pytest.raises(CustomOpError, match="ROIAlign_TRT: infer raised IndexError: tuple index out of range"):
        Network(infer=lambda x, *others: TensorType(x.dtype, (x.shape[9],))).trace()


def test_an_inferred_shape_that_is_not_the_plugins(added):
    wrong = ByName(infer=lambda x: TensorType(x.dtype, (6, 5)))
    with pytest.raises(BuildError, match=r"TensorRT infers FLOAT \(6, 4\) where the graph has f32\[6, 5\]"):
        wrong.compile(target="tensorrt-rtx")


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("tensorrt-rtx", 'TensorRT-RTX has no plugins; use target="tensorrt"'),
        ("onnxruntime", "the target onnxruntime cannot run TensorRT's plugin ROIAlign_TRT"),
    ],
)
def test_other_targets_say_so(target, text):
    if target == "tensorrt-rtx":
        pytest.importorskip("tensorrt_rtx")
    with pytest.raises(UnsupportedError, match=text):
        Network().compile(target=target)


def test_fields_have_their_types():
    trt = pytest.importorskip("tensorrt_rtx")
    given = {"i": 3, "f": 0.5, "b": True, "t": "text", "l": [1, 2], "g": [0.5, 2.0],
             "h": np.float16([1.5]), "d": np.float64([1.5]), "q": np.int64([2**40]), "s": np.int8([-3])}  # fmt: skip
    fields = plugin_fields(trt, traced(given).fields)
    found = {one.name: (one.type.name, one.data.tolist()) for one in fields if one.name not in "ht"}
    text, half = (next(one for one in fields if one.name == name) for name in "th")
    assert bytes(text.data) == b"text" and text.type.name == "CHAR"
    assert half.type.name == "FLOAT16" and half.size == 1  # the bindings cannot give halves back
    assert found == {
        "i": ("INT32", [3]), "f": ("FLOAT32", [0.5]), "b": ("INT32", [1]), "l": ("INT32", [1, 2]),
        "g": ("FLOAT32", [0.5, 2.0]), "d": ("FLOAT64", [1.5]), "q": ("INT64", [2**40]),
        "s": ("INT8", [-3]),
    }  # fmt: skip


def traced(fields):
    graph = Network(fields=fields).trace()
    return graph.nodes[-1].op


@pytest.mark.parametrize("value", [None, 2**40, [[1]], [[1], [2, 3]], np.ones(3, np.complex64), object()])
def test_a_field_that_cannot_be_one(value):
    with pytest.raises(ArgumentError, match=r"ROIAlign_TRT\.mode: expected a number, text, or an array of one axis"):
        traced({"mode": value})


class Creator(types.SimpleNamespace):
    plugin_version, plugin_namespace = "1", "acme"


@pytest.fixture
def trt(monkeypatch):
    """A library whose registry has what ``found`` says, from the moment that a file is loaded."""
    registry = types.SimpleNamespace(all_creators=[Creator(name="Old")], found=[], loaded=[])

    def load_library(path):
        registry.loaded.append(path)
        registry.all_creators = registry.all_creators + registry.found

    registry.load_library = load_library
    trt = types.SimpleNamespace(
        get_plugin_registry=lambda: registry, init_libnvinfer_plugins=lambda logger, namespace: True, registry=registry
    )
    monkeypatch.setattr(libraries, "load", lambda target: Library(trt, target, "11.4.0", (11, 4, 0)))
    monkeypatch.setattr(libraries, "logger_of", lambda trt: None)
    return trt


@pytest.fixture(scope="module")
def shared_library(tmp_path_factory):
    """A shared library that registers nothing."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler to make a shared library with")
    folder = tmp_path_factory.mktemp("library")
    (folder / "empty.c").write_text("int nothing;\n")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", folder / "empty.so", folder / "empty.c"], check=True)
    return folder / "empty.so"


def test_a_library_gives_the_plugins_it_registered(trt, shared_library):
    trt.registry.found = [Creator(name="New")]
    assert trtnn.load_plugin_library(shared_library) == ("acme::New 1",)
    assert trt.registry.loaded == [str(shared_library)]


def test_a_library_without_plugins(trt, shared_library):
    with pytest.raises(LibraryError, match=r"empty\.so: registers no plugin that was not there before; it needs REG"):
        trtnn.load_plugin_library(shared_library)


def test_a_file_that_is_no_library(trt, tmp_path):
    (tmp_path / "plugins.so").write_text("text")
    with pytest.raises(LibraryError, match=r"plugins\.so: cannot be loaded: .*(invalid ELF header|file too short)"):
        trtnn.load_plugin_library(tmp_path / "plugins.so")


def test_a_library_that_is_not_there(trt):
    with pytest.raises(LibraryError, match=r"plugins/none\.so: there is no such file"):
        trtnn.load_plugin_library("plugins/none.so")
