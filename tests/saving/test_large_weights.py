"""Large weights of an ONNX model, which lie in a file of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

import trtnn as nn
from saving.networks import assert_same, filled, saved
from trtnn.backends.onnxruntime.save import ALIGNMENT


def test_large_weights_lie_beside_the_model_at_pages(tmp_path: Path) -> None:
    path = saved(filled(nn.Linear(64, 40)).compile(nn.Input("batch", 64), target="onnxruntime"), tmp_path)
    assert path.stat().st_size < 1000 and (tmp_path / "model.onnx.data").stat().st_size == 64 * 40 * 4
    (tensor,) = [one for one in onnx.load(path, load_external_data=False).graph.initializer if one.external_data]
    assert {one.key: one.value for one in tensor.external_data} == {
        "location": "model.onnx.data",
        "offset": "0",
        "length": str(64 * 40 * 4),
    }


def test_several_large_weights_lie_behind_each_other(tmp_path: Path) -> None:
    layers = filled(nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 25)))
    engine = layers.compile(nn.Input("batch", 20), target="onnxruntime", threads=1)
    x = np.random.default_rng(0).normal(size=(3, 20)).astype(np.float32)
    nn.Engine.load(saved(engine, tmp_path)).save(tmp_path / "again.onnx")
    for name in ("model.onnx", "again.onnx"):
        assert_same(nn.Engine.load(tmp_path / name)(x), engine(x))
    assert (tmp_path / "model.onnx.data").stat().st_size == ALIGNMENT + 30 * 25 * 4
