"""32 threads call one engine with different shapes, while some of them make mistakes."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import numpy as np
import pytest

import trtnn as nn
import trtnn.functional as F
from trtnn.errors import ArgumentError, DimError, InputError, TrtnnError

THREADS, CALLS = 32, 40
SHAPES = [(batch, steps) for batch in (1, 2, 5) for steps in (3, 8, 13)]
RNG = np.random.default_rng(0)


class Reader(nn.Module):
    """An LSTM over a convolution of a sequence of any length: outputs of all steps, and scores."""

    def __init__(self) -> None:
        self.conv = nn.Conv1d(4, 8, 3, padding="same")
        self.lstm = nn.LSTM(8, 6, return_sequences=True)
        self.scores = nn.Linear(6, 5)

    def forward(
        self, x: nn.Tensor = nn.Input(nn.Dim("batch", 1, 2, 8), nn.Dim("steps", 1, 8, 16), 4)
    ) -> dict[str, nn.Tensor]:
        steps = self.lstm(F.relu(self.conv(x)))
        return {"steps": steps, "scores": F.softmax(self.scores(F.mean(steps, axis=1)))}


@attrs.frozen(eq=False)
class Case:
    """An input with its outputs, as one call with nobody else around gave them."""

    x: np.ndarray
    outputs: dict[str, np.ndarray]


@pytest.fixture(scope="module")
def engine() -> Any:
    model = Reader()
    for parameter in model.parameters():
        parameter.assign(RNG.normal(0, 0.5, parameter.shape).astype(np.float32))
    return model.compile(target="onnxruntime", threads=1)


@pytest.fixture(scope="module")
def cases(engine: Any) -> list[Case]:
    arrays = [RNG.normal(size=(*shape, 4)).astype(np.float32) for shape in SHAPES for _ in range(2)]
    return [Case(x, engine(x)) for x in arrays]


def empty_like(case: Case) -> dict[str, np.ndarray]:
    return {name: np.empty_like(array) for name, array in case.outputs.items()}


MISTAKES: list[tuple[type[TrtnnError], str, Callable[[Any, Case], Any]]] = [
    (InputError, "x: expected shape", lambda engine, case: engine(case.x[..., :3])),
    (InputError, "x: expected an array of float32", lambda engine, case: engine(case.x.astype(np.float64))),
    (InputError, "NaN", lambda engine, case: engine(case.x * np.float32("nan"))),
    (DimError, "steps: expected 1..16, got 60", lambda engine, case: engine(np.ones((1, 60, 4), np.float32))),
    (InputError, "expected 1 inputs", lambda engine, case: engine(case.x, case.x)),
    (ArgumentError, "out: expected a dict with steps, scores", lambda engine, case: engine(case.x, out=case.x)),
    (
        InputError,
        "out: scores: expected shape",
        lambda engine, case: engine(case.x, out={**empty_like(case), "scores": np.empty((99, 5), np.float32)}),
    ),
]


def assert_same(got: dict[str, np.ndarray], case: Case) -> None:
    for name, want in case.outputs.items():
        np.testing.assert_allclose(got[name], want, rtol=1e-5, atol=1e-6)


def test_32_threads_with_shapes_and_mistakes_of_their_own(engine: Any, cases: list[Case]) -> None:
    start = threading.Barrier(THREADS)

    def work(seed: int) -> int:
        rng, held, mistakes = random.Random(seed), [], 0
        start.wait()
        for _ in range(CALLS):
            case, kind = rng.choice(cases), rng.random()
            if kind < 0.25:
                error, message, call = rng.choice(MISTAKES)
                with pytest.raises(error, match=message):
                    call(engine, case)
                mistakes += 1
            elif kind < 0.5:
                out = empty_like(case)
                assert engine(case.x, out=out)["steps"] is out["steps"]
                held.append((out, case))
            else:
                held.append((engine(case.x), case))
        for got, case in held:  # nobody wrote into them since
            assert_same(got, case)
        return mistakes

    with ThreadPoolExecutor(THREADS) as pool:
        mistakes = list(pool.map(work, range(THREADS)))
    assert sum(mistakes) > THREADS


def test_engines_are_made_and_dropped_while_others_run(engine: Any, cases: list[Case]) -> None:
    def work(seed: int) -> None:
        model = nn.Sequential(nn.Linear(4, 4, bias=False))
        model.load_weights({"0/kernel": (seed + 1) * np.eye(4, dtype=np.float32)})
        own = model.compile(nn.Input("batch", 4), target="onnxruntime", threads=1)
        for case in cases[seed % 3 :: 3]:
            assert_same(engine(case.x), case)
            rows = case.x.reshape(-1, 4)
            np.testing.assert_array_equal(own(rows), (seed + 1) * rows)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
