"""Networks whose values leave float16: what plain casting does, what ``fp16=True`` does, and what the tools find."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ops.harness import TARGETS
from oracle import relative_error

import trtnn as nn
from precision.networks import Attention, filled, loud
from trtnn.graph import DType
from trtnn.graph import ops as g
from trtnn.passes import half, lower
from trtnn.passes.emulate import emulate_half
from trtnn.precision.running import float32_engine

X = np.random.default_rng(0).normal(0, 1000, (2, 5, 16)).astype(np.float32)


def plainly_cast(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An engine with every operation in float16, as a network of float16 weights would be."""
    monkeypatch.setattr(half, "wish_of", lambda node, dtype: half.Wish.half)
    graph, _ = half.to_half(lower(model.trace()), DType.float16)
    monkeypatch.undo()
    return float32_engine(emulate_half(graph))


def test_logits_and_normalization_stay_float32_where_plain_casting_overflows(monkeypatch: pytest.MonkeyPatch) -> None:
    model = filled(Attention())
    want = model.compile(target="onnxruntime")(X)
    assert not np.isfinite(plainly_cast(model, monkeypatch)(X)).all()
    for target in TARGETS:
        engine = model.compile(target=target, fp16=True, dims={"batch": 2})
        assert relative_error(getattr(engine, "simulate", engine)(X), want) < 2e-3
    report = nn.verify(model, X, fp16=True)
    assert report.first_wrong is None and report.is_within_tolerance


def test_without_the_rule_for_logits_the_proof_above_is_red(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(half._Converter, "_logits", lambda self: set())
    assert not np.isfinite(filled(Attention()).compile(target="onnxruntime", fp16=True)(X)).all()


def test_verify_names_the_module_that_overflows() -> None:
    model, x = loud(), X[0, :, :6] / 1000
    report = nn.verify(model, x, fp16=True)
    wrong = report.first_wrong
    assert wrong is not None and (wrong.path, wrong.value) == ("loud", "loud.mat_mul")
    assert wrong.overflows > 0 and not report.is_within_tolerance
    assert f"the first module that goes wrong is loud: {wrong.overflows} overflows in %loud.mat_mul" in str(report)


def test_find_precision_finds_it_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    model, x = loud(), X[0, :, :6] / 1000
    keep = nn.find_precision(model, [x], tolerance=1e-2)
    assert keep == ["loud"]
    said = capsys.readouterr().out
    assert "keep nothing: relative error inf, not good enough" in said
    assert "only loud converted: relative error inf" in said and "keep loud: relative error" in said
    report = nn.verify(model, x, fp16=True, keep_fp32=keep)
    assert report.first_wrong is None
    assert all(
        node.output.type.dtype is DType.float32 for node in lower(model.trace()).nodes if isinstance(node.op, g.MatMul)
    )


def test_bfloat16_has_room_for_it() -> None:
    assert nn.verify(loud(), X[0, :, :6] / 1000, bf16=True).first_wrong is None
