"""The digits network in every precision: accuracy on held-out images that did not calibrate it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ops.harness import TARGETS

HERE = Path(__file__).resolve().parents[2] / "examples" / "digits"


@pytest.fixture(scope="module")
def example() -> Iterator[Any]:
    """The example's module."""
    sys.path.insert(0, str(HERE))
    import precision_table

    yield precision_table
    sys.path.remove(str(HERE))


@pytest.fixture(scope="module")
def digits(example: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    """The trained model, the held-out images and their labels."""
    model, held_out = example.Digits(), np.load(HERE / "held_out.npz")
    model.load_weights(HERE / "checkpoint" / "digits.ckpt")
    return model, held_out["images"], held_out["labels"]


def test_accuracy_holds_in_every_precision(example: Any, digits: Any) -> None:
    results = example.accuracies(*digits)
    assert len(results) == 9
    best, _ = results["float32"]
    assert best > 0.98
    for name, (accuracy, error) in results.items():
        assert accuracy >= best - 0.005, (name, results)
        assert (name == "float32") == (error == 0)
        assert error < {"fp16": 2e-3, "bf16": 1.5e-2}.get(name, 0.1), results


@pytest.mark.skipif("tensorrt-rtx" not in TARGETS, reason="tensorrt_rtx is not installed")
@pytest.mark.parametrize("name", ["int8, percentile", "int8, entropy, fp16"])
def test_the_network_given_to_tensorrt_is_as_accurate(example: Any, digits: Any, name: str) -> None:
    model, images, labels = digits
    seen, unseen = images[: example.CALIBRATION_IMAGES], images[example.CALIBRATION_IMAGES :]
    engine = model.compile(target="tensorrt-rtx", dims={"batch": (1, 8, len(unseen))}, **example.options(seen)[name])
    got = engine.simulate(unseen).argmax(1) == labels[example.CALIBRATION_IMAGES :]
    assert (
        got.mean()
        >= (model.compile(target="onnxruntime")(unseen).argmax(1) == labels[example.CALIBRATION_IMAGES :]).mean()
        - 0.005
    )


def test_the_example_prints_a_table(example: Any, capsys: pytest.CaptureFixture[str]) -> None:
    example.main()
    said = capsys.readouterr().out
    assert ("int8, entropy" in said and "all modules are within" in said) or "goes wrong" in said
