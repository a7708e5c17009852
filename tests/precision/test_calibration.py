"""Calibration: ranges, methods, streaming, files, and bad data."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import trtnn as nn
from precision.networks import Residual, filled, images
from trtnn.errors import ArgumentError, CalibrationError
from trtnn.precision.histogram import BINS, Histogram
from trtnn.precision.progress import with_progress


def collected(calibration: nn.Calibration, model: nn.Module | None = None) -> nn.Calibration:
    (model or filled(Residual())).compile(target="onnxruntime", int8=calibration)
    return calibration


@given(st.lists(st.floats(1e-3, 1e4), min_size=1, max_size=5), st.integers(0, 99))
def test_a_histogram_grows_with_its_data_and_loses_nothing(scales: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    batches = [(rng.normal(size=300) * scale).astype(np.float32) for scale in scales]
    histogram = Histogram()
    for batch in batches:
        histogram.add(batch)
    everything = np.concatenate(batches)
    assert histogram.counts.sum() == everything.size
    assert (histogram.low, histogram.high) == (everything.min(), everything.max())
    for percent in (60.0, 90.0, 99.0):
        want = np.percentile(np.abs(everything), percent, method="inverted_cdf")
        assert abs(histogram.percentile(percent) - want) <= histogram.limit / BINS
    assert 0 < histogram.entropy() <= histogram.limit


def test_entropy_clips_outliers_and_leaves_even_values_alone() -> None:
    rng = np.random.default_rng(0)
    even, tailed = Histogram(), Histogram()
    even.add(rng.uniform(-1, 1, 100_000).astype(np.float32))
    assert even.entropy() == pytest.approx(1, rel=0.01)
    tailed.add(np.append(rng.normal(size=100_000), 100).astype(np.float32))
    assert 3 < tailed.entropy() < 20


def test_zeros_of_a_relu_do_not_drown_what_they_stand_among() -> None:
    values = np.maximum(np.random.default_rng(0).normal(size=20_000), 0).astype(np.float32)
    histogram = Histogram()
    histogram.add(values)
    assert histogram.entropy() > 0.8 * values.max()


def test_minmax_ranges_are_those_of_the_activations() -> None:
    model, data = filled(Residual()), images(20)
    ranges = collected(nn.Calibration(data, "minmax"), model).ranges
    assert ranges["image"] == (data.min(), data.max())
    assert all(low <= high for low, high in ranges.values()) and ranges["relu"][0] == 0
    narrower = collected(nn.Calibration(data, "percentile", percentile=90), model).ranges
    assert all(narrower[name][1] <= ranges[name][1] for name in ranges)
    assert narrower["image"][1] < 0.6 * ranges["image"][1]


def test_data_is_any_iterable_of_inputs_and_read_once_one_item_at_a_time() -> None:
    alive = 0

    def stream() -> Iterator[Any]:
        nonlocal alive
        for number in range(5):
            alive += 1
            batch = images(2, number)
            yield {0: batch, 1: (batch,), 2: {"image": batch}}[number % 3]

    model, calibration = filled(Residual()), nn.Calibration(stream(), "minmax")
    assert repr(calibration) == "Calibration(minmax, not collected yet)"
    collected(calibration, model)
    assert (calibration.samples, alive) == (10, 5)
    assert repr(calibration) == f"Calibration(minmax, {len(calibration.ranges)} ranges of 10 samples)"
    collected(calibration, model)
    together = np.concatenate([images(2, number) for number in range(5)])
    whole = collected(nn.Calibration(together, "minmax"), model)
    for name, found in calibration.ranges.items():
        np.testing.assert_allclose(found, whole.ranges[name], rtol=1e-5)


def test_saved_and_loaded_it_serves_every_target_without_data(tmp_path: Path) -> None:
    model = filled(Residual())
    saved = collected(nn.Calibration(images(16), "percentile"), model)
    saved.save(tmp_path / "int8.json")
    loaded = nn.Calibration.load(tmp_path / "int8.json")
    assert (loaded.ranges, loaded.samples, loaded.method) == (saved.ranges, 16, "percentile")
    x = images(2, seed=5)
    one, other = (model.compile(target="onnxruntime", int8=each)(x) for each in (saved, loaded))
    np.testing.assert_array_equal(one, other)


def test_its_options_go_with_it_into_a_file_and_to_other_weights(tmp_path: Path) -> None:
    made = collected(nn.Calibration(images(3), "percentile", percentile=90, least=2))
    made.save(tmp_path / "int8.json")
    assert nn.Calibration.load(tmp_path / "int8.json").percentile == 90
    again = made.again()
    assert (again.method, again.percentile, again.least, again.is_collected) == ("percentile", 90, 2, False)
    assert collected(again).ranges == made.ranges


def test_another_network_is_refused(tmp_path: Path) -> None:
    calibration = collected(nn.Calibration(images(16)))
    for other in (filled(Residual(), seed=1), filled(Residual(channels=4))):
        with pytest.raises(
            CalibrationError, match=r"expected the network that it was made for \(\w{8}\), got Residual with"
        ):
            collected(calibration, other)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "expected at least 8 samples, got 0; the data is empty; a generator can be read only once"),
        (images(5), "expected at least 8 samples, got 5; give more of them, or say how few are enough"),
        (
            [images(8), np.full((1, 8, 8, 3), np.nan, np.float32)],
            "calibration item 1: image: expected numbers, got NaN",
        ),
        ([images(8).astype(np.float64)], "calibration item 0: image: expected an array of float32, got float64"),
        ([images(8, size=9)], "calibration item 0: image: expected shape"),
        (
            [np.full((8, 8, 8, 3), 3e38, np.float32)],
            r"calibration item 0: makes \S+ infinite or NaN; look at this input",
        ),
    ],
)
def test_bad_data(data: Any, message: str) -> None:
    calibration = nn.Calibration(data)
    with pytest.raises(CalibrationError, match=message):
        collected(calibration)
    assert not calibration.is_collected


def test_fewer_samples_are_enough_when_one_says_so() -> None:
    assert collected(nn.Calibration(images(1), least=1)).samples == 1


def test_bad_options(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="method: expected 'entropy' or 'percentile' or 'minmax', got 'kl'"):
        nn.Calibration([], "kl")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"percentile: expected more than 50 and at most 100, got 0\.9"):
        nn.Calibration([], "percentile", percentile=0.9)
    with pytest.raises(ArgumentError, match="data: expected an iterable of inputs, got NoneType"):
        nn.Calibration(None)  # type: ignore[arg-type]
    with pytest.raises(CalibrationError, match="calibration: has no ranges yet; compile a network with int8="):
        nn.Calibration([]).save(tmp_path / "none.json")


@pytest.mark.parametrize("held", ["", "[]", "{}", json.dumps({"format": 0, "method": "minmax", "percentile": 99})])
def test_a_file_that_is_none(tmp_path: Path, held: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(held)
    with pytest.raises(CalibrationError, match=r"bad\.json: expected a calibration that trtnn saved, got"):
        nn.Calibration.load(path)
    with pytest.raises(
        CalibrationError, match=r"gone\.json: expected a calibration that trtnn saved, got FileNotFound"
    ):
        nn.Calibration.load(tmp_path / "gone.json")


def test_progress_without_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert list(with_progress([1, 2], "counting")) == [1, 2]
