"""Profiles: every layer is found again in the modules, and no time is lost."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import trtnn as nn
from measure.networks import Looped, Network, filled
from trtnn.backends.onnxruntime.layers import LayerFinder
from trtnn.backends.onnxruntime.profiling import BETWEEN, parse_profile
from trtnn.engine import Engine
from trtnn.errors import ArgumentError, UnsupportedError
from trtnn.measure.layer import Layer, LayerTime
from trtnn.measure.modules import longest, module_tree
from trtnn.measure.profile import Profile, medians
from trtnn.measure.traces import slices_of

IMAGE = np.zeros((2, 16, 16, 3), np.float32)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return filled(Network()).compile(target="onnxruntime", quiet=True)


def paths(profile: Profile) -> set[str]:
    return {path for one in profile.layers for path in one.layer.modules}


def test_every_module_has_its_time(engine: Engine) -> None:
    found = engine.profile(IMAGE, runs=2)
    modules = found.by_module()
    assert {"stem", "blocks.0.conv", "blocks.1.conv", "fc", "(root)"} <= set(modules)
    unknown = {name for name in modules if name.startswith("(fused)")}
    assert unknown <= {"(fused) ReorderInput", "(fused) ReorderOutput"}, "only what ONNX Runtime adds itself"
    assert sum(modules.values()) == pytest.approx(found.seconds)
    assert found.layers[-1].layer == BETWEEN or BETWEEN in [one.layer for one in found.layers]


def test_a_fused_layer_names_all_of_its_modules(engine: Engine) -> None:
    """ONNX Runtime calls a convolution after the activation that it is fused with."""
    fused = [one.layer for one in engine.profile(runs=1).layers if one.layer.kind == "Conv"]
    assert ("stem", "") in [layer.modules for layer in fused]
    assert ("blocks.0.conv", "blocks.0") in [layer.modules for layer in fused]
    assert {layer.module for layer in fused} == {"stem", "blocks.0.conv", "blocks.1.conv"}


def test_modules_inside_of_loops() -> None:
    looped = filled(Looped()).compile(target="onnxruntime")
    found = looped.profile(np.zeros((2, 3, 4), np.float32), runs=1)
    assert {"cell", "cell.fc", "(root)"} <= set(found.by_module())


def event(name: str, kind: str, start: int, length: int) -> dict[str, Any]:
    return {"cat": "Node", "name": f"{name}_kernel_time", "ts": start, "dur": length, "args": {"op_name": kind}}


def test_a_loop_counts_without_its_body() -> None:
    run = {"cat": "Session", "name": "model_run", "ts": 0, "dur": 100, "args": {}}
    events = [event("a", "Add", 22, 10), event("a", "Add", 40, 12), event("loop", "Scan", 20, 50), run]
    events += [event("b", "Add", 70, 5), {**run, "ts": 200}, event("b", "Add", 250, 7)]
    events += [{"cat": "Session", "name": "session_initialization", "ts": 0, "dur": 900, "args": {}}]
    first, second = parse_profile(events, LayerFinder(onnx.ModelProto()))
    assert {layer.name: round(1e6 * seconds) for layer, seconds in first.items()} == {
        "loop": 28,
        "a": 22,
        "b": 5,
        "(between layers)": 45,
    }
    assert {layer.name: round(1e6 * seconds) for layer, seconds in second.items()} == {"b": 7, "(between layers)": 93}


def test_a_loop_in_a_loop_counts_once() -> None:
    run = {"cat": "Session", "name": "model_run", "ts": 0, "dur": 100, "args": {}}
    events = [run, event("outer", "Scan", 10, 80), event("inner", "Loop", 20, 30), event("a", "Add", 25, 10)]
    (found,) = parse_profile(events, LayerFinder(onnx.ModelProto()))
    micros = {layer.name: round(1e6 * seconds) for layer, seconds in found.items()}
    assert micros == {"outer": 50, "inner": 20, "a": 10, "(between layers)": 20}


def test_an_engine_from_a_file(engine: Engine, tmp_path: Path) -> None:
    engine.save(tmp_path / "model.onnx")
    loaded = Engine.load(tmp_path / "model.onnx")
    assert paths(loaded.profile(IMAGE, runs=1)) == paths(engine.profile(IMAGE, runs=1))


def test_what_passes_add_counts_for_its_module_in_an_engine_from_a_file_too(tmp_path: Path) -> None:
    """A pass names a quantization "relu_1.q" after the value, which is of no module "relu_1"."""
    quantized = filled(Network()).compile(target="onnxruntime", quiet=True, int8=nn.Calibration(IMAGE + 1, least=2))
    quantized.save(tmp_path / "model.onnx")
    loaded = Engine.load(tmp_path / "model.onnx")
    assert paths(loaded.profile(IMAGE, runs=1)) == paths(quantized.profile(IMAGE, runs=1))
    looped = filled(Looped()).compile(target="onnxruntime", quiet=True)
    looped.save(tmp_path / "loop.onnx")
    steps = np.zeros((2, 3, 4), np.float32)
    assert paths(Engine.load(tmp_path / "loop.onnx").profile(steps, runs=1)) == paths(looped.profile(steps, runs=1))


def test_who_cannot_tell(monkeypatch: pytest.MonkeyPatch, engine: Engine) -> None:
    with pytest.raises(UnsupportedError, match="engines of the target onnxruntime cannot be profiled"):
        Engine._time_layers(engine, {}, 1)
    monkeypatch.setattr(type(engine), "runtime_options", {"device": "cuda"})
    with pytest.raises(UnsupportedError, match="measures on a GPU how long launching takes"):
        engine.profile(IMAGE)
    with pytest.raises(ArgumentError, match="runs: expected an int >= 1, got 0"):
        engine.profile(IMAGE, runs=0)


def test_medians_keep_the_order_and_count_what_did_not_run() -> None:
    a, b = Layer("a", "Add", ("x",)), Layer("b", "Add", ())
    assert medians([{a: 1.0}, {a: 3.0, b: 6.0}, {a: 2.0, b: 4.0}]) == (LayerTime(a, 2.0), LayerTime(b, 4.0))


def times(*layers: tuple[str, tuple[str, ...], float]) -> tuple[LayerTime, ...]:
    return tuple(LayerTime(Layer(name, "Conv", modules), seconds) for name, modules, seconds in layers)


EXAMPLE = Profile(
    "Engine(Small)",
    20,
    times(
        ("t", ("",), 0.0005),
        ("c1", ("stem.conv", ""), 0.002),
        ("c2", ("blocks.0.conv",), 0.001),
        ("p", ("blocks.0",), 0.0005),
        ("c3", ("blocks.1.conv",), 0.003),
        ("__myl_3", (), 0.003),
    ),
)
TABLE = """\
Engine(Small)
module           layers      ms     %
-------------------------------------
(root)                1  0.5000   5.0
stem.conv             1  2.0000  20.0
blocks.0.conv         1  1.0000  10.0
blocks.0              1  0.5000   5.0
blocks.1.conv         1  3.0000  30.0
(fused) __myl_3       1  3.0000  30.0
-------------------------------------
10.0000 ms in 6 layers, median of 20 calls"""


def test_the_tables() -> None:
    assert str(EXAMPLE) == TABLE
    assert "c1       Conv  stem.conv + (root)  2.0000  20.0" in EXAMPLE.layer_table()
    assert "__myl_3  Conv  (fused)             3.0000  30.0" in EXAMPLE.layer_table()


def test_the_tree_adds_up() -> None:
    root = module_tree(EXAMPLE.by_module().items())
    rows = [(depth, branch.label, round(1e3 * branch.seconds, 4)) for depth, branch in root.rows()]
    assert rows == [
        (0, "", 10.0),
        (1, "(root)", 0.5),
        (1, "stem.conv", 2.0),
        (1, "blocks", 4.5),
        (2, "0", 1.5),
        (3, "conv", 1.0),
        (2, "1.conv", 3.0),
        (1, "(fused) __myl_3", 3.0),
    ]
    assert [branch.label for _, branch in longest(root, 5)] == ["", "stem.conv", "blocks", "1.conv", "(fused) __myl_3"]
    assert longest(root, 20) == list(root.rows())


def test_pictures(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert EXAMPLE.plot(tmp_path / "profile.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in EXAMPLE.plot(tmp_path / "profile.svg").read_text()


def test_a_picture_of_many_modules_has_the_slowest_with_those_around_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    blocks = [(f"c{i}", (f"blocks.{i}",), 0.002 if i == 70 else 0.001) for i in range(80)]
    drawn: list[str] = []
    monkeypatch.setattr(
        "trtnn.measure.charts._draw_bars", lambda axes, rows, whole: drawn.extend(one.path for _, one in rows)
    )
    text = Profile("Engine(Deep)", 3, times(*blocks)).plot(tmp_path / "deep.svg").read_text()
    assert len(drawn) == 48
    assert drawn[0] == "blocks" and "blocks.70" in drawn
    assert "; the slowest 48 of 81 modules" in text


def test_the_trace_nests_layers_in_modules(tmp_path: Path) -> None:
    document = json.loads(EXAMPLE.chrome_trace(tmp_path / "trace.json").read_text())
    assert document["traceEvents"][0]["args"] == {"name": "Engine(Small)"}
    slices = document["traceEvents"][1:]
    layers = [one for one in slices if one["cat"] == "layer"]
    assert [one["name"] for one in layers] == ["t", "c1", "c2", "p", "c3", "__myl_3"]
    assert sum(one["dur"] for one in layers) == pytest.approx(10_000)
    assert all(a["ts"] + a["dur"] == pytest.approx(b["ts"]) for a, b in itertools.pairwise(layers))
    (blocks,) = [one for one in slices if one["name"] == "blocks"]
    assert (blocks["ts"], blocks["dur"]) == (pytest.approx(2500), pytest.approx(4500))
    assert [one["name"] for one in slices_of(EXAMPLE.layers)].count("blocks.0") == 1


def test_json() -> None:
    document = json.loads(EXAMPLE.to_json())
    assert document["modules"]["blocks.1.conv"] == 0.003
    assert document["layers"][1]["modules"] == ["stem.conv", ""]


class Wide(nn.Module):
    def forward(self, x: Any = nn.Input("batch", 4)) -> Any:
        return x * 2


def test_inputs_are_made_where_none_are_given() -> None:
    assert Wide().compile(target="onnxruntime").profile(runs=1).seconds > 0
