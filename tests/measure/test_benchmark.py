"""Benchmarks: what is called, how often, and what is said of it; never how fast it was."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import trtnn as nn
from measure.networks import Looped, Network, filled
from trtnn.engine import Choice, Engine, Signature
from trtnn.errors import ArgumentError, DimError, InputError, LibraryError
from trtnn.gpu import library
from trtnn.graph import DType, TensorType
from trtnn.measure import benchmark as module
from trtnn.measure.benchmark import Benchmark, Timing

CHOICE = Choice("onnxruntime", "the tests ask for it")


@pytest.fixture(scope="module")
def engine() -> Engine:
    return filled(Network()).compile(target="onnxruntime", quiet=True)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock on which every look takes 1/64 s."""
    now = iter(range(10**9))
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(now) / 64)


def measured(engine: Engine, *arrays: np.ndarray, **options: Any) -> Benchmark:
    return engine.benchmark(*arrays, seconds=5 / 64, warmup=0.0, **options)


def test_batches_of_1_8_and_16(engine: Engine) -> None:
    found = measured(engine)
    assert [row.batch for row in found.rows] == [1, 8, 16]
    assert [dict(row.sizes) for row in found.rows] == [{"batch": 1}, {"batch": 8}, {"batch": 16}]
    assert [row.calls for row in found.rows] == [5, 5, 5]
    assert [row.throughput for row in found.rows] == pytest.approx([64, 8 * 64, 16 * 64])


def test_only_batches_that_the_engine_takes() -> None:
    small = filled(Network()).compile(target="onnxruntime", dims={"batch": (1, 4, 8)})
    assert [row.batch for row in measured(small).rows] == [1, 8]
    odd = filled(Network()).compile(target="onnxruntime", dims={"batch": (3, 4, 5)})
    assert [row.batch for row in measured(odd).rows] == [4]
    with pytest.raises(DimError, match=r"batch: expected 1\.\.8, got 9"):
        measured(small, batches=[9])


def test_the_callers_arrays(engine: Engine) -> None:
    (row,) = measured(engine, np.zeros((5, 16, 16, 3), np.float32)).rows
    assert (row.batch, row.calls) == (5, 5)
    with pytest.raises(InputError):
        measured(engine, np.zeros((5, 16, 16, 4), np.float32))
    with pytest.raises(ArgumentError, match="benchmark: takes arrays, or batches and dims to make some, and not both"):
        measured(engine, np.zeros((5, 16, 16, 3), np.float32), batches=[5])


def test_named_dims() -> None:
    looped = filled(Looped()).compile(target="onnxruntime")
    with pytest.raises(DimError, match=r'time: has no size to measure at; give dims=\{"time": \.\.\.\}, or arrays'):
        measured(looped)
    (row,) = measured(looped, batches=[2], dims={"time": 3}).rows
    assert row.sizes == {"batch": 2, "time": 3}
    (row,) = measured(looped, dims={"time": 3, "batch": 4}).rows
    assert row.batch == 4
    with pytest.raises(DimError, match=r"width: expected one of the named dims: batch, time, got 'width'"):
        measured(looped, dims={"width": 3})


def test_a_network_without_a_batch() -> None:
    class Fixed(nn.Module):
        def forward(self, x: Any = nn.Input(6, 4), index: Any = nn.Input(2, dtype="int64")) -> Any:
            return nn.functional.take(x, index)

    fixed = Fixed().compile(target="onnxruntime")
    (row,) = measured(fixed).rows
    assert (row.batch, dict(row.sizes)) == (6, {})
    with pytest.raises(DimError, match="batch: expected one of the named dims: none, got 'batch'"):
        measured(fixed, batches=[1])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batches": []}, r"batches: expected sizes of at least 1, got \[\]"),
        ({"batches": 4}, r"batches: expected sizes of at least 1, got 4"),
        ({"batches": [0]}, r"batches: expected sizes of at least 1, got \[0\]"),
        ({"seconds": "1"}, r"seconds: expected a number of seconds, got '1'"),
        ({"warmup": -1}, r"warmup: expected a number of seconds, got -1"),
    ],
)
def test_what_makes_no_sense(engine: Engine, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        engine.benchmark(**options)


def test_calls_to_warm_up_are_not_counted(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    run = engine._run
    monkeypatch.setattr(engine, "_run", lambda feeds: calls.append(1) or run(feeds))
    (row,) = engine.benchmark(batches=[1], seconds=0, warmup=10 / 64).rows
    assert (row.calls, len(calls)) == (3, 3 + 10)


class OnGpu(Engine):
    """Takes anything as an array on a GPU."""

    class Anything:
        gpu = 1

        def check(self, arrays: Any, named: Any) -> dict[str, Any]:
            return {"x": SimpleNamespace(shape=(4, 2))}

    def __init__(self) -> None:
        super().__init__(Signature("Net", {"x": TensorType(DType.float32, (4, 2))}, {}, "tuple"), CHOICE, [{}])
        self._arguments: Any = self.Anything()

    def _run(self, feeds: Any) -> list[Any]:
        return []


def test_calls_on_a_gpu_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[int] = []
    monkeypatch.setattr(library, "device", lambda ordinal: SimpleNamespace(sync=lambda: waits.append(ordinal)))
    (row,) = OnGpu().benchmark(object(), seconds=0, warmup=0).rows
    assert (row.calls, row.batch, waits) == (3, 4, [1] * 6)


def test_percentiles() -> None:
    row = Timing.of({"batch": 2}, 2, [1.0] * 98 + [3.0, 5.0])
    assert (row.p50, row.p90, row.calls) == (1, 1, 100)
    assert row.p99 == pytest.approx(3.02)
    assert row.mean == pytest.approx(1.06)
    assert row.throughput == pytest.approx(2 / 1.06)


EXAMPLE = Benchmark(
    "Engine(Small)",
    "onnxruntime",
    0.2,
    (
        Timing({"batch": 1, "time": 80}, 1, 2040, 0.00049, 0.00045, 0.0006, 0.0011),
        Timing({"batch": 16, "time": 80}, 16, 301, 0.0033, 0.0032, 0.0036, 0.0051),
    ),
)
TABLE = """\
Engine(Small)
batch  p50 ms  p90 ms  p99 ms  mean ms  examples/s  calls
---------------------------------------------------------
    1   0.450   0.600   1.100    0.490     2,040.8  2,040
   16   3.200   3.600   5.100    3.300     4,848.5    301
time=80
after 0.2 s of calls to warm up, at least 3, for each batch size"""


def test_the_table() -> None:
    assert str(EXAMPLE) == TABLE


def test_json() -> None:
    document = json.loads(EXAMPLE.to_json())
    assert document["warmup_seconds"] == 0.2
    assert document["rows"][1]["p99"] == 0.0051
    assert document["rows"][1]["throughput"] == pytest.approx(16 / 0.0033)


def test_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    assert EXAMPLE.plot(tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in EXAMPLE.plot(str(tmp_path / "speed.svg")).read_text()
    with pytest.raises(
        ArgumentError, match=r"path: expected a path that ends in \.png or \.svg or \.pdf, got 'a\.gif'"
    ):
        EXAMPLE.plot("a.gif")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(LibraryError, match=r'matplotlib is not installed: pip install "trtnn\[plot\]"'):
        EXAMPLE.plot(tmp_path / "speed.png")


def test_the_picture_has_a_logarithmic_axis_where_latencies_are_far_apart() -> None:
    figure = pytest.importorskip("matplotlib.figure").Figure()
    axes = figure.add_subplot()
    for p99, scale in ((0.019, "linear"), (0.021, "log")):
        one = Timing({}, 1, 9, mean=0.001, p50=0.001, p90=0.002, p99=p99)
        Benchmark("engine", "onnxruntime", 0.2, (one,))._draw_latency(axes, ["1"])
        assert axes.get_yscale() == scale
