"""Engines go through pickle as the path of their files."""

from __future__ import annotations

import multiprocessing
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trtnn as nn
from saving.networks import NEEDS_RTX, Reader, assert_same, filled, images, saved, vision, weights_for
from trtnn.errors import SavedEngineError


def call(engine: Any) -> Any:
    """What another process does with the engine."""
    return repr(engine), engine(images())["scores"]


def test_a_saved_engine_pickles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = vision()
    monkeypatch.chdir(tmp_path)
    engine.save("model.onnx")
    pickled = pickle.dumps(engine)
    monkeypatch.chdir("/")
    assert len(pickled) < 1000
    again = pickle.loads(pickled)
    assert repr(again) == repr(engine)
    assert_same(again(images()), engine(images()))


def test_a_loaded_engine_keeps_how_it_was_loaded(tmp_path: Path) -> None:
    loaded = nn.Engine.load(saved(vision(), tmp_path), threads=2, check_nan=False)
    again = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(loaded))))
    assert again.runtime_options == loaded.runtime_options and not again.check_nan


@NEEDS_RTX
def test_a_plan_pickles(tmp_path: Path) -> None:
    engine = vision("tensorrt-rtx")
    saved(engine, tmp_path)
    again = pickle.loads(pickle.dumps(engine))
    assert repr(again) == repr(engine) and bytes(again.plan) == bytes(engine.plan)


def test_another_process_gets_it(tmp_path: Path) -> None:
    engine = vision()
    saved(engine, tmp_path)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        described, scores = pool.apply(call, (engine,))
    assert described == repr(engine)
    np.testing.assert_array_equal(scores, engine(images())["scores"])


def test_an_engine_without_files_says_what_to_do(tmp_path: Path) -> None:
    message = r"Vision: an engine is pickled as the path of its files, and this one has none; save it first"
    with pytest.raises(SavedEngineError, match=message):
        pickle.dumps(vision())
    engine = filled(Reader()).compile(target="onnxruntime", threads=1)
    saved(engine, tmp_path)
    engine.refit(weights_for(engine.recipe.module, 1))
    with pytest.raises(SavedEngineError, match=message.replace("Vision", "Reader")):
        pickle.dumps(engine)


def test_another_engine_in_the_place_is_not_taken_for_it(tmp_path: Path) -> None:
    engine = vision()
    path = saved(engine, tmp_path)
    pickled = pickle.dumps(engine)
    saved(vision(seed=1), tmp_path)
    message = r"model\.onnx: expected the files of the engine that was saved or loaded there, got others, or none"
    with pytest.raises(SavedEngineError, match=message):
        pickle.loads(pickled)
    path.unlink()
    with pytest.raises(SavedEngineError, match=message):
        pickle.loads(pickled)


def test_a_loaded_engine_whose_model_is_gone_says_so(tmp_path: Path) -> None:
    path = saved(vision(), tmp_path)
    loaded, pickled = nn.Engine.load(path), pickle.dumps(nn.Engine.load(path))
    path.unlink()
    for use in (
        lambda: loaded.save(tmp_path / "other.onnx"),
        lambda: loaded.profile(images(), runs=1),
        lambda: pickle.loads(pickled),
    ):
        with pytest.raises(SavedEngineError, match=r"model\.onnx: expected the files of the engine .* or none"):
            use()
