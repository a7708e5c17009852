"""Time per layer of plans: TensorRT's profiler on a stand-in, and names of engine layers back to modules."""

from __future__ import annotations

import re
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gpu import standin
from gpu.runtimes import make
from gpu.tensorrt_api import check
from measure.networks import Network, filled

from trtnn import Engine
from trtnn.backends.tensorrt.runtime.profiling import LayerFinder
from trtnn.errors import DeviceError, InputError
from trtnn.measure.profile import Profile, medians

X = np.arange(12, dtype=np.float32).reshape(3, 4)


class Profiler:
    def __init__(self) -> None:
        standin.USES.add(standin.Use("call", "IProfiler", "__init__"))


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    """What the stand-in reports after each call that its context has a profiler for."""
    wanted = [("conv", 0.5), ("relu", 0.25), ("conv", 0.5)]
    execute = standin.StandInContext._execute

    def executed(self: Any, stream: int) -> bool:
        profiler = getattr(self, "profiler", None)
        done = execute(self, stream)
        for name, milliseconds in wanted if done and profiler is not None else ():
            profiler.report_layer_time(name, milliseconds)
        return done

    monkeypatch.setattr(standin.TRT, "IProfiler", Profiler, raising=False)
    monkeypatch.setattr(standin.StandInContext, "_execute", executed)
    return wanted


def test_each_call_is_reported(reports: list[tuple[str, float]]) -> None:
    setting = make(cuda_graphs=True)
    found = setting.runtime.profile({"x": X}, 3)
    assert found == [{"conv": 1e-3, "relu": 0.25e-3}] * 3
    np.testing.assert_array_equal(setting.run(X)["y"], 3 * X + 1)
    check(standin.USES)


def test_a_failure_leaves_the_runtime_usable(reports: list[tuple[str, float]]) -> None:
    setting = make()
    setting.failures.returns_false = 1
    with pytest.raises(DeviceError, match="an injected failure"):
        setting.runtime.profile({"x": X}, 1)
    assert len(setting.runtime.profile({"x": X}, 2)) == 2


@pytest.fixture(scope="module")
def engine() -> Any:
    pytest.importorskip("tensorrt_rtx")
    return filled(Network()).compile(target="tensorrt-rtx", kernels=True)


def test_the_summary_ends_with_operations_weights_and_kernels(engine: Any) -> None:
    first, second, third = engine.summary().closing
    assert "operations" in first and "of weights" in second
    assert 'kernels; "in" another module' in third


def test_every_kernel_that_computes_is_of_some_module(engine: Any) -> None:
    finder = LayerFinder(engine.kernels, engine.network.nodes)
    layers = [finder.find(kernel.name) for kernel in engine.kernels]
    assert {"stem", "blocks.0.conv", "blocks.1.conv", "fc", ""} <= {path for one in layers for path in one.modules}
    conv = next(one for one in layers if one.modules[:1] == ("stem",))
    assert conv.kind == "correlation"
    profile = Profile("engine", 1, medians([dict.fromkeys(layers, 1e-3)]))
    assert sum(profile.by_module().values()) == pytest.approx(1e-3 * len(layers))


@pytest.mark.parametrize(
    ("name", "modules", "kind"),
    [
        ("stem.conv + relu", ("stem", ""), "conv + relu"),
        ("{ForeignNode[stem.conv...blocks.1.conv.conv]}", ("stem", "blocks.1.conv"), "conv"),
        ("Reformatting CopyNode for Input Tensor 0 to blocks.0.conv.conv", ("blocks.0.conv",), "conv"),
        ("PWN(blocks.0.relu, blocks.0.add)", ("blocks.0",), "relu + add"),
        ("__myl_FcAdd_myl1_90", (), ""),
    ],
)
def test_names_of_engine_layers(engine: Any, name: str, modules: tuple[str, ...], kind: str) -> None:
    found = LayerFinder((), engine.network.nodes).find(name)
    assert (found.name, found.modules, found.kind) == (name, modules, kind)


@pytest.mark.parametrize(
    ("name", "modules"),
    [
        ("stem.conv + relu", ("stem", "")),
        ("{ForeignNode[stem.conv...blocks.1.conv.conv]}", ("stem", "blocks.1.conv")),
        ("blocks.0.conv.conv_U6_myl0_5", ("blocks.0.conv",)),
        ("$$myelin$$(Unnamed Loop* 0)^lstm.mat_mul#3_U11_myl1_84", ("lstm",)),
        ("__myl_FcAdd_myl1_90", ()),
        ("[ShapeHostToDeviceCopy 0]", ()),
    ],
)
def test_names_of_engine_layers_of_a_plan_from_a_file(name: str, modules: tuple[str, ...]) -> None:
    assert LayerFinder((), None).find(name).modules == modules


def test_arrays_on_the_gpu_are_not_for_profiles(engine: Any) -> None:
    with pytest.raises(InputError, match="image: expected an array in host memory, to profile, got one on the GPU"):
        engine._time_layers({"image": object()}, 1)


def test_the_summary_shows_each_modules_kernels(engine: Any) -> None:
    summary = engine.summary()
    rows = {row[0]: row for row in summary.rows}
    assert summary.header[-1] == "kernels"
    assert "correlation Float" in rows["stem"][-1]  # what else it is fused with differs from build to build
    assert re.search("(correlation|runtime_fusion) Float", rows["blocks.0.conv"][-1])
    assert "in stem" in rows["(root)"][-1]
    assert "in blocks.0.conv" in rows["blocks.0"][-1]
    assert "kernels; " in summary.closing[-1]


def test_what_the_builder_reported_is_saved_with_the_plan(
    engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.save(tmp_path / "net.plan")
    Engine.load(tmp_path / "net.plan").save(tmp_path / "again.plan")
    loaded = Engine.load(tmp_path / "again.plan")
    assert str(loaded.summary()) == str(engine.summary())

    times = {kernel.name: 1e-3 for kernel in engine.kernels}
    fake = types.SimpleNamespace(profile=lambda feeds, runs: [times] * runs)
    for one in (engine, loaded):
        monkeypatch.setattr(one, "_started", lambda: fake)
    x = np.zeros((1, *(size for size in engine.inputs["image"].shape[1:])), np.float32)
    assert loaded.profile(x).by_module() == engine.profile(x).by_module()
    assert any("stem" in one.layer.modules for one in loaded.profile(x).layers)
