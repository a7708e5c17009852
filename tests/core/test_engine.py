"""The engine: called like a function, by order or by name, within its ranges, from any thread."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import trtnn as nn
import trtnn.functional as F
from trtnn.errors import DimError, UnsupportedError


class Scores(nn.Module):
    """Queries against keys, with what is asked for returned."""

    def __init__(self, returns: str = "tensor") -> None:
        self.returns = returns

    def forward(
        self, queries: nn.Tensor = nn.Input("batch", 3), keys: nn.Tensor = nn.Input("keys", 3)
    ) -> nn.Tensor | tuple[nn.Tensor, ...] | dict[str, nn.Tensor]:
        scores = F.matmul(queries, keys, transpose_y=True)
        if self.returns == "tuple":
            return scores, queries
        return {"scores": scores, "best": F.argmax(scores)} if self.returns == "dict" else scores


RNG = np.random.default_rng(0)
QUERIES, KEYS = RNG.normal(size=(2, 3)).astype(np.float32), RNG.normal(size=(4, 3)).astype(np.float32)


def compiled(returns: str = "tensor", **options: Any) -> Any:
    return Scores(returns).compile(target="onnxruntime", **options)


def test_arguments_go_by_order_by_name_or_both() -> None:
    engine = compiled()
    want = QUERIES @ KEYS.T
    for got in (
        engine(QUERIES, KEYS),
        engine(queries=QUERIES, keys=KEYS),
        engine(keys=KEYS, queries=QUERIES),
        engine(QUERIES, keys=KEYS),
    ):
        np.testing.assert_allclose(got, want, rtol=1e-6)


def test_it_returns_what_forward_returned() -> None:
    assert isinstance(compiled()(QUERIES, KEYS), np.ndarray)
    scores, queries = compiled("tuple")(QUERIES, KEYS)
    np.testing.assert_array_equal(queries, QUERIES)
    named = compiled("dict")(QUERIES, KEYS)
    assert list(named) == ["scores", "best"]
    np.testing.assert_array_equal(named["best"], (QUERIES @ KEYS.T).argmax(-1))
    np.testing.assert_array_equal(named["scores"], scores)


def test_an_output_may_be_called_like_anything() -> None:
    class Names(nn.Module):
        def forward(self, image: nn.Tensor = nn.Input("batch", 3)) -> dict[str, nn.Tensor]:
            return {"relu": F.tanh(F.relu(image)), "tanh": F.relu(image), "image": image, "": -image, "x:1": image + 1}

    got = Names().compile(target="onnxruntime")(QUERIES)
    positive = np.maximum(QUERIES, 0)
    want = {"relu": np.tanh(positive), "tanh": positive, "image": QUERIES, "": -QUERIES, "x:1": QUERIES + 1}
    assert list(got) == list(want)
    for name, array in want.items():
        np.testing.assert_allclose(got[name], array, rtol=1e-6)


def test_it_describes_itself() -> None:
    engine = compiled("dict", dims={"batch": (1, 2, 4)})
    assert engine.target == "onnxruntime"
    assert {name: str(type) for name, type in engine.inputs.items()} == {
        "queries": "f32[batch, 3]",
        "keys": "f32[keys, 3]",
    }
    assert {name: str(type) for name, type in engine.outputs.items()} == {
        "scores": "f32[batch, keys]",
        "best": "i64[batch]",
    }
    assert repr(engine) == (
        "Engine(Scores, onnxruntime, (queries: f32[batch, 3], keys: f32[keys, 3]) -> "
        "(scores: f32[batch, keys], best: i64[batch]))"
    )


def test_auto_without_standard_error_says_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    Scores().compile()
    assert capsys.readouterr().out == ""


def test_auto_says_in_one_line_what_it_chose_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    engine = Scores().compile()
    said = capsys.readouterr().err
    assert said.startswith(f"trtnn: target {engine.target}: ")
    assert said.count("\n") == 1
    Scores().compile(quiet=True)
    Scores().compile(target="onnxruntime")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((2, 3, 4), (2, 3, 4)),
        ([2, 3, 4], (2, 3, 4)),
        ((2, 4), (2, 4, 4)),
        (3, (3, 3, 3)),
        (np.int64(3), (3, 3, 3)),
    ],
)
def test_a_range_is_given_in_several_ways(given: Any, expected: tuple[int, int, int]) -> None:
    assert compiled(dims={"batch": given}).profiles == ({"batch": expected},)


def test_a_range_of_the_input_counts_unless_dims_gives_another() -> None:
    inputs = [nn.Input(nn.Dim("batch", 1, 2, 4), 3), nn.Input("keys", 3)]
    assert compiled(inputs=inputs).profiles == ({"batch": (1, 2, 4)},)
    assert compiled(inputs=inputs, dims={"batch": (2, 6)}).profiles == ({"batch": (2, 6, 6)},)


def test_sizes_outside_the_range_are_refused_and_inside_taken() -> None:
    engine = compiled(dims={"batch": (2, 3, 4)})
    for size in (2, 3, 4):
        assert engine(np.ones((size, 3), np.float32), KEYS).shape == (size, 4)
    for size in (1, 5):
        with pytest.raises(DimError, match=rf"batch: expected 2\.\.4, got {size}; compile with dims="):
            engine(np.ones((size, 3), np.float32), KEYS)
    assert engine(QUERIES, np.ones((100, 3), np.float32)).shape == (2, 100)


def test_any_one_of_several_profiles_will_do() -> None:
    engine = compiled(dims=[{"batch": (1, 1, 1), "keys": (1, 8, 64)}, {"batch": (2, 8, 8), "keys": (1, 2, 4)}])
    assert len(engine.profiles) == 2
    for batch, keys in ((1, 64), (8, 4)):
        assert engine(np.ones((batch, 3), np.float32), np.ones((keys, 3), np.float32)).shape == (batch, keys)
    with pytest.raises(DimError, match=r"expected 1\.\.64 or 1\.\.4|expected 1\.\.1 or 2\.\.8"):
        engine(np.ones((8, 3), np.float32), np.ones((64, 3), np.float32))


def test_sizes_that_only_different_profiles_take_are_refused_together() -> None:
    """Where a dim without a range stands before them too."""
    inputs = nn.Input("batch", "rows", "columns")
    dims = [{"rows": (1, 2, 4), "columns": (1, 2, 4)}, {"rows": 8, "columns": (8, 8, 9)}]
    engine = nn.ReLU().compile(inputs, target="onnxruntime", dims=dims)
    with pytest.raises(DimError, match=r"^rows: .* 1\.\.4 or 8\.\.8, got 2, .* together with columns=8; .* one more"):
        engine(np.ones((3, 2, 8), np.float32))
    with pytest.raises(DimError, match=r"^columns: expected 1\.\.4 or 8\.\.9, got 6; .* \(1, 2, 9\)"):
        engine(np.ones((3, 2, 6), np.float32))


def test_without_ranges_every_size_runs() -> None:
    engine = compiled()
    assert engine.profiles == ({},)
    assert engine(np.ones((50, 3), np.float32), np.ones((1, 3), np.float32)).shape == (50, 1)


def test_other_data_types_pass_through() -> None:
    class Types(nn.Module):
        def forward(
            self, i: nn.Tensor = nn.Input(3, dtype="int64"), b: nn.Tensor = nn.Input(3, dtype="bool")
        ) -> nn.Tensor:
            return F.where(b, i * 2, i)

    got = Types().compile(target="onnxruntime")(np.array([1, 2, 3]), np.array([True, False, True]))
    np.testing.assert_array_equal(got, [2, 2, 6])
    assert got.dtype == np.int64


def test_the_callers_arrays_are_not_written_and_results_are_the_callers_own() -> None:
    engine = compiled("tuple")
    frozen = QUERIES.copy()
    frozen.flags.writeable = False
    first, queries = engine(frozen, KEYS)
    kept = first.copy()
    queries[:] = 0
    engine(-QUERIES, KEYS)
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(frozen, QUERIES)


def test_later_changes_of_the_model_leave_the_engine_alone() -> None:
    model = nn.Sequential(nn.Linear(3, 3, bias=False))
    model.load_weights({"0/kernel": np.eye(3, dtype=np.float32)})
    engine = model.compile(nn.Input("batch", 3), target="onnxruntime")
    model.load_weights({"0/kernel": 2 * np.eye(3, dtype=np.float32)})
    np.testing.assert_array_equal(engine(QUERIES), QUERIES)


def test_threads_call_one_engine_at_the_same_time() -> None:
    engine = compiled()
    batches = [RNG.normal(size=(1 + i % 5, 3)).astype(np.float32) for i in range(40)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda queries: engine(queries, KEYS), batches))
    for queries, got in zip(batches, results, strict=True):
        np.testing.assert_allclose(got, queries @ KEYS.T, rtol=1e-5, atol=1e-6)


def test_who_cannot_be_bound_says_so() -> None:
    with pytest.raises(UnsupportedError, match="Scores: engines of the target onnxruntime cannot be bound to arrays"):
        compiled().bind(QUERIES, keys=KEYS)
