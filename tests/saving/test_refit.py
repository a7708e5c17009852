"""Refit on ONNX Runtime: new TensorFlow weights in an engine that is in use, all of them or none."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import assert_close
from precision.networks import Residual
from precision.networks import images as square_images

import trtnn as nn
from saving.networks import (
    DIMS,
    SEQUENCES,
    Reader,
    Vision,
    assert_same,
    filled,
    images,
    keras_files,
    saved,
    vision,
    weights_for,
)
from trtnn.backends.onnxruntime import engine as onnxruntime_engine
from trtnn.errors import ArgumentError, BuildError, CalibrationError, SavedEngineError, WeightsError


@pytest.mark.parametrize("fp16", [False, True])
def test_weights_of_keras_and_tensorflow_files(tmp_path: Path, fp16: bool) -> None:
    old, model = keras_files(tmp_path)
    x = images(width=8)
    want = model(x, training=False).numpy()
    tolerance = 3e-3 if fp16 else 1e-5
    for name in ("new.keras", "new.weights.h5", "export"):
        engine = nn.from_keras(old).compile(target="onnxruntime", fp16=fp16, threads=1)
        with pytest.raises(AssertionError):
            assert_close(engine(x), want, 0.1)
        report = engine.refit(tmp_path / name)
        assert report.complete
        assert_close(engine(x), want, tolerance)


@pytest.mark.parametrize("network", [Vision, Reader])
@pytest.mark.parametrize("options", [{}, {"fp16": True}, {"bf16": True}])
def test_the_engine_is_what_compiling_the_new_weights_gives(network: Any, options: dict[str, Any]) -> None:
    x = images() if network is Vision else SEQUENCES
    engine = filled(network(), 0).compile(target="onnxruntime", threads=1, **options)
    before = engine(x)
    engine.refit(weights_for(engine.recipe.module, 1))
    fresh = filled(network(), 1).compile(target="onnxruntime", threads=1, **options)
    assert_same(engine(x), fresh(x))
    assert not np.array_equal(*((one if network is Reader else one["scores"]) for one in (before, engine(x))))
    assert repr(engine) == repr(fresh) and str(engine.graph) == str(fresh.graph)


def test_an_npz_and_a_name_map(tmp_path: Path) -> None:
    engine = vision()
    new = weights_for(engine.recipe.module, 1)
    np.savez(tmp_path / "new.npz", **{f"ema/{name}": array for name, array in new.items()})
    with pytest.raises(WeightsError):
        engine.refit(tmp_path / "new.npz")
    engine.refit(tmp_path / "new.npz", name_map=[("^", "ema/")])
    assert_same(engine(images()), vision(seed=1)(images()))


def test_int8_is_calibrated_again_on_the_same_data() -> None:
    def compiled(seed: int) -> Any:
        calibration = nn.Calibration(square_images(16), "minmax", progress=False)
        return filled(Residual(), seed).compile(target="onnxruntime", int8=calibration, threads=1)

    engine = compiled(0)
    engine.refit(weights_for(engine.recipe.module, 1))
    assert_same(engine(square_images(4)), compiled(1)(square_images(4)))


def test_a_calibration_whose_data_is_gone_is_an_error_and_nothing_changes(tmp_path: Path) -> None:
    calibration = nn.Calibration(iter([square_images(16)]), "minmax", progress=False)
    engine = filled(Residual(), 0).compile(target="onnxruntime", int8=calibration, threads=1)
    module, x = engine.recipe.module, square_images(4)
    before, data = engine(x), [one.data for one in module.parameters()]
    with pytest.raises(CalibrationError, match="expected at least 8 samples, got 0"):
        engine.refit(weights_for(module, 1))
    assert_same(engine(x), before)
    assert all(one.data is old for one, old in zip(module.parameters(), data, strict=True))


@pytest.mark.parametrize("failing", ["weights", "build"])
def test_after_an_error_engine_and_module_are_as_before(monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    engine = vision()
    module, recipe, x = engine.recipe.module, engine.recipe, images()
    before, data = engine(x), [one.data for one in module.parameters()]
    new = weights_for(module, 1)
    if failing == "weights":
        new["conv.kernel"] = new["conv.kernel"].transpose(3, 2, 0, 1)
        with pytest.raises(WeightsError, match=r"conv\.kernel: expected \(3, 3, 3, 16\), got \(16, 3, 3, 3\)"):
            engine.refit(new)
    else:

        def fail(*arguments: Any) -> None:
            raise RuntimeError("out of memory")

        monkeypatch.setattr(onnxruntime_engine, "make_session", fail)
        with pytest.raises(BuildError, match="out of memory"):
            engine.refit(new)
    assert_same(engine(x), before)
    assert all(one.data is old for one, old in zip(module.parameters(), data, strict=True))
    assert engine.recipe is recipe


def test_refit_while_eight_threads_call() -> None:
    """Every result is that of one set of weights, in both outputs, and never an older one than was seen before."""
    engine, x = vision(), images()
    module = engine.recipe.module
    versions = [filled(Vision(), seed).compile(target="onnxruntime", dims=DIMS, threads=1)(x) for seed in range(5)]
    stop, seen, errors = threading.Event(), [[] for _ in range(8)], []

    def call(found: list[int]) -> None:
        try:
            while not stop.is_set():
                got = engine(x)
                (version,) = [
                    number
                    for number, want in enumerate(versions)
                    if all(np.array_equal(got[name], want[name]) for name in want)
                ]
                found.append(version)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=call, args=(found,)) for found in seen]
    for thread in threads:
        thread.start()
    for seed in range(1, 5):
        engine.refit(weights_for(module, seed))
    stop.set()
    for thread in threads:
        thread.join()
    assert not errors
    assert all(found == sorted(found) for found in seen)
    assert_same(engine(x), versions[-1])


def test_a_loaded_engine_gets_its_recipe_from_its_module(tmp_path: Path) -> None:
    engine = vision(fp16=True, keep_fp32="head")
    path = saved(engine, tmp_path)
    loaded = nn.Engine.load(path, module=Vision())
    assert_same(loaded(images()), engine(images()))
    loaded.refit(weights_for(Vision(), 1))
    fresh = vision(seed=1, fp16=True, keep_fp32="head")
    assert_same(loaded(images()), fresh(images()))
    assert repr(loaded) == repr(fresh)
    loaded.save(tmp_path / "new.onnx")
    assert_same(nn.Engine.load(tmp_path / "new.onnx")(images()), fresh(images()))


def test_a_loaded_int8_engine_needs_its_calibration(tmp_path: Path) -> None:
    calibration = nn.Calibration(square_images(16), "minmax", progress=False)
    path = saved(filled(Residual()).compile(target="onnxruntime", int8=calibration, threads=1), tmp_path)
    with pytest.raises(ArgumentError, match=r"calibration: expected .* this engine is int8, and new weights have new"):
        nn.Engine.load(path, module=Residual())
    loaded = nn.Engine.load(path, module=Residual(), calibration=nn.Calibration(square_images(16), "minmax"))
    loaded.refit(weights_for(Residual(), 1))
    again = nn.Calibration(square_images(16), "minmax", progress=False)
    fresh = filled(Residual(), 1).compile(target="onnxruntime", int8=again, threads=1)
    assert_same(loaded(square_images(4)), fresh(square_images(4)))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (
            Reader(),
            r"Reader: expected the module .* with the inputs image: .*, got Reader\.forward: expected Inputs for",
        ),
        (Vision(8), r"Vision: .*with the outputs scores: .*16\], got scores: .*8\]; make the module"),
        (nn.Linear(3, 3), r"Linear: expected .*, got Linear\.forward: expected Inputs for its arguments x"),
    ],
)
def test_a_module_that_is_not_the_engines_is_an_error(tmp_path: Path, module: nn.Module, message: str) -> None:
    path = saved(vision(), tmp_path)
    with pytest.raises(SavedEngineError, match=message):
        nn.Engine.load(path, module=module)


def test_a_module_with_another_layer_inside_is_an_error(tmp_path: Path) -> None:
    class Other(Vision):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 16, 5, padding="same")

    path = saved(vision(), tmp_path)
    with pytest.raises(
        SavedEngineError, match=r"with the layer conv Conv2d .* 448, got conv Conv2d .* 1,216; make the"
    ):
        nn.Engine.load(path, module=Other())


def test_what_cannot_be_refitted_says_so(tmp_path: Path) -> None:
    path = saved(vision(), tmp_path)
    with pytest.raises(
        ArgumentError, match=r"Vision: cannot be refitted: .*; load it with Engine\.load\(path, module="
    ):
        nn.Engine.load(path).refit({})
    (tmp_path / "model.onnx.json").unlink()
    with pytest.warns(UserWarning), pytest.raises(SavedEngineError, match="its files do not say how it was compiled"):
        nn.Engine.load(path, module=Vision())
