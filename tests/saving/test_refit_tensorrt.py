"""Refit of TensorRT plans: what the refitter is handed, put into the network that was built, computes the new weights.

TensorRT-RTX refuses to build refittable plans without a GPU, so a stand-in takes the part of the plan; the network, its
names and the arrays are the real ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import assert_close
from precision.networks import Residual
from precision.networks import images as square_images

import trtnn as nn
from saving.networks import NEEDS_RTX, SEQUENCES, Reader, filled, images, keras_files, vision, weights_for
from saving.standin import Plans, api_listing, put
from trtnn.backends.tensorrt import refit
from trtnn.backends.tensorrt.refit import name_weights
from trtnn.errors import BuildError, DeviceError, UnsupportedError
from trtnn.gpu import library as gpu

pytestmark = NEEDS_RTX


def refittable(engine: Any, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Plans:
    """Makes the engine refittable: its network's weights are named, and a stand-in keeps the plan."""
    network = engine.network
    plans = Plans(network, **options)
    uses = plans.uses
    with api_listing.recording(network.library.trt) as recorded:
        name_weights(network)
    uses |= recorded
    plans.named = {name: one.array for name, one in refit._distinct(network).items()}
    monkeypatch.setattr(refit, "load", lambda target: plans.library)
    engine.kept_weights = refit.digest_of_kept(network)
    return plans


def compiled(network: nn.Module, seed: int, **options: Any) -> Any:
    return filled(network, seed).compile(target="tensorrt-rtx", dims={"batch": (1, 2, 8)}, **options)


def check(engine: Any, plans: Plans, want: np.ndarray, x: np.ndarray, rtol: float) -> None:
    """The old network with the arrays that the refitter was handed computes what is wanted, and so does the engine's
    new network."""
    (got,) = put(plans.network, plans.given).run({next(iter(engine.inputs)): x}).values()
    assert_close(got, want, rtol)
    assert_close(engine.simulate(x), want, rtol)
    assert bytes(engine.plan) == b"refitted"
    api_listing.check(plans.uses)


@pytest.mark.parametrize("fp16", [False, True])
def test_keras_weights_with_batchnorm_and_lstm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fp16: bool) -> None:
    old, model = keras_files(tmp_path)
    engine: Any = nn.from_keras(old).compile(target="tensorrt-rtx", dims={"batch": (1, 2, 8)}, fp16=fp16)
    x = images(width=8)
    plans = refittable(engine, monkeypatch)
    assert engine.refit(tmp_path / "new.keras").complete
    check(engine, plans, model(x, training=False).numpy(), x, 4e-3 if fp16 else 1e-5)


@pytest.mark.parametrize("precision", ["int8", "bf16", "int4"])
def test_other_precisions(monkeypatch: pytest.MonkeyPatch, precision: str) -> None:
    def make(seed: int) -> Any:
        if precision == "int8":
            return compiled(Residual(), seed, int8=nn.Calibration(square_images(16), "minmax", progress=False))
        return compiled(nn.Linear(64, 32), seed, inputs=nn.Input("batch", 64), **{precision: True})

    rows = np.random.default_rng(0).normal(size=(4, 64)).astype(np.float32)
    x = square_images(4) if precision == "int8" else rows
    engine, fresh = make(0), make(1)
    plans = refittable(engine, monkeypatch)
    engine.refit(weights_for(engine.recipe.module, 1))
    want = fresh.simulate(x)
    np.testing.assert_array_equal(engine.simulate(x), want)
    assert list(plans.given) == list(refit._distinct(fresh.network)) and plans.given
    if precision == "int8":
        check(engine, plans, want, x, 1e-6)


def test_the_names_are_those_of_layers_and_modules() -> None:
    engine = vision("tensorrt-rtx")
    assert {"conv.conv.kernel", "conv.conv.bias"} <= set(engine.network.weights)


def test_weights_that_layers_share_have_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            self.conv = nn.Conv2d(3, 3, 3, padding="same")

        def forward(self, x: nn.Tensor = nn.Input("batch", 4, 4, 3)) -> nn.Tensor:
            return self.conv(nn.functional.relu(self.conv(x)))

    engine, x = compiled(Twice(), 0), square_images(2, size=4)
    plans = refittable(engine, monkeypatch)
    engine.refit(weights_for(engine.recipe.module, 1))
    biases = [name for name in engine.network.weights if name.endswith("bias")]
    assert len(biases) == 2 and biases[0] in plans.given and biases[1] not in plans.given
    check(engine, plans, compiled(Twice(), 1).simulate(x), x, 1e-6)


def test_a_plan_that_was_not_built_for_it() -> None:
    engine = compiled(Reader(), 0)
    with pytest.raises(
        UnsupportedError, match=r"Reader: its plan was not built to be refitted; compile it with refitt"
    ):
        engine.refit(weights_for(engine.recipe.module, 1))


def test_a_plan_that_says_it_is_not_refittable(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = compiled(Reader(), 0)
    refittable(engine, monkeypatch, refittable=False)
    with pytest.raises(UnsupportedError, match="its plan was not built to be refitted"):
        engine.refit(weights_for(engine.recipe.module, 1))


def test_what_tensorrt_refuses_leaves_all_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = compiled(Reader(), 0)
    plan, network, data = engine.plan, engine.network, [one.data for one in engine.recipe.module.parameters()]
    name = next(iter(network.weights))
    refittable(engine, monkeypatch, refuses=name)
    with pytest.raises(
        DeviceError, match=rf"does not take the weights .*: .*{name} is of another type; compile the mod"
    ):
        engine.refit(weights_for(engine.recipe.module, 1))
    assert engine.plan is plan and engine.network is network
    assert all(one.data is old for one, old in zip(engine.recipe.module.parameters(), data, strict=True))


def test_weights_that_the_plan_wants_and_nobody_has(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = compiled(Reader(), 0)
    refittable(engine, monkeypatch, forgets=("unknown.kernel",))
    with pytest.raises(DeviceError, match=r"the plan needs further weights: unknown\.kernel"):
        engine.refit(weights_for(engine.recipe.module, 1))


def test_weights_that_the_plan_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = vision("tensorrt-rtx")
    refittable(engine, monkeypatch, lacks=("conv.conv.kernel",))
    with pytest.raises(DeviceError, match=r"the plan has no weights conv\.conv\.kernel; compile the module"):
        engine.refit(weights_for(engine.recipe.module, 1))


def test_whole_numbers_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    class Table(nn.Module):
        def __init__(self) -> None:
            self.table, self.scale = nn.Parameter((3,), dtype="int32"), nn.Parameter((3,))

        def forward(self, x: nn.Tensor = nn.Input("batch", 3)) -> nn.Tensor:
            return x * self.scale + (x.cast("int32") * self.table).cast("float32")

    model = Table()
    new = {"table": np.array([1, 2, 3], np.int32), "scale": np.ones(3, np.float32)}
    model.load_weights(new)
    engine: Any = model.compile(target="tensorrt-rtx", dims={"batch": (1, 2, 8)})
    plans = refittable(engine, monkeypatch)
    new["scale"] = np.full(3, 2, np.float32)
    engine.refit(new)
    assert len(plans.given) == 1
    new["table"] = np.array([1, 2, 4], np.int32)
    with pytest.raises(UnsupportedError, match="Table: the new weights change whole numbers in the network, which the"):
        engine.refit(new)


def test_a_loaded_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = compiled(Reader(), 0)
    plans = refittable(engine, monkeypatch)
    engine.save(tmp_path / "model.plan")
    loaded: Any = nn.Engine.load(tmp_path / "model.plan", module=Reader())
    loaded.refit(weights_for(Reader(), 1))
    check(loaded, plans, compiled(Reader(), 1).simulate(SEQUENCES), SEQUENCES, 1e-6)


def test_building_for_a_refit_without_a_gpu_says_what_is_needed() -> None:
    if gpu.available():
        pytest.skip("there is a GPU")
    with pytest.raises(
        BuildError, match="TensorRT-RTX builds refittable plans only where there is a GPU: build there, or"
    ):
        compiled(Reader(), 0, refittable=True)
