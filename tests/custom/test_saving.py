"""Engines with custom ops in files: what must be defined when they are loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core.failing import failure
from ops.harness import fill

import trtnn as nn
from trtnn.backends.tensorrt.library import available
from trtnn.custom import registry
from trtnn.errors import CustomOpError, UnsupportedError
from trtnn.graph import GraphBuilder, TensorType
from trtnn.graph.ops import Custom

from .ops import ReferenceSwish, swish


class Network(nn.Module):
    """A dense layer and an op."""

    def __init__(self, op: Any) -> None:
        self.dense, self.op = nn.Linear(4, 4), op
        fill(self)

    def forward(self, x: nn.Tensor = nn.Input(nn.Dim("batch", max=4), 4)) -> nn.Tensor:
        return self.op(self.dense(x))


X = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)


def test_a_decomposed_op_need_not_be_defined(tmp_path: Path) -> None:
    engine = Network(swish).compile(target="onnxruntime")
    assert engine.custom_ops == {}
    engine.save(tmp_path / "model.onnx")
    assert json.loads((tmp_path / "model.onnx.json").read_text())["custom_ops"] == {}
    np.testing.assert_array_equal(nn.Engine.load(tmp_path / "model.onnx")(X), engine(X))


@pytest.mark.skipif(not available("tensorrt-rtx"), reason="needs TensorRT-RTX")
def test_the_ops_that_a_plan_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorRT-RTX has no plugins, so a graph with an op in it stands for what TensorRT would have been given."""
    engine: Any = Network(swish).compile(target="tensorrt-rtx", optimization_level=0)
    assert engine.custom_ops == {}
    builder = GraphBuilder("plugins", {})
    x = builder.input("x", TensorType(nn.graph.DType.float32, (4,)))
    y = builder.add(Custom(nn.custom.custom_of(ReferenceSwish())), [x])
    engine._network.graph = builder.finish([("y", y)], "tensor")
    assert engine.custom_ops == {"tests::reference_swish": "custom.ops.ReferenceSwish"}
    engine.save(tmp_path / "model.plan")
    monkeypatch.delitem(registry._DEFINITIONS, "tests::reference_swish")
    text = (
        "needs the custom op tests::reference_swish, not registered here; import what defines it first: "
        "custom.ops.ReferenceSwish"
    )
    failure(CustomOpError, text, lambda: nn.Engine.load(tmp_path / "model.plan"))


def test_an_engine_of_several_sessions_cannot_be_saved(tmp_path: Path) -> None:
    engine = Network(ReferenceSwish()).compile(target="onnxruntime")
    assert engine.custom_ops == {"tests::reference_swish": "custom.ops.ReferenceSwish"}
    failure(UnsupportedError, "its custom ops run in NumPy", lambda: engine.save(tmp_path / "model.onnx"))
    assert not list(tmp_path.iterdir())
