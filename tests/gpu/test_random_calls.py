"""Calls in any order, on any streams, with errors between them, while the streams get on as they like: on the lazy
device, for both runtimes. Needs no GPU."""

from __future__ import annotations

import contextlib
import gc
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gpu import lazy_session, runtimes
from gpu.fake_device import FakeDevice, FakeStream, read
from gpu.standin import Network
from gpu.standin import expected as tensorrt_expected
from trtnn.backends.onnxruntime.cuda import graphs as onnxruntime_graphs
from trtnn.errors import ArgumentError, DeviceError

CALLS = 60
RNG = np.random.default_rng(0)


class TensorRT:
    """The stand-in for TensorRT, with two profiles."""

    def __init__(self, graphs: bool, contexts: int) -> None:
        network = Network(profiles=runtimes.TWO_PROFILES.profiles)
        self.setting = runtimes.make(network, runtimes.TWO_RANGES, max_contexts=contexts, cuda_graphs=graphs)
        self.device, self.run, self.view = self.setting.device, self.setting.runtime.run, self.setting.view

    def inputs(self, size: int) -> dict[str, np.ndarray]:
        return {"x": RNG.normal(size=[(1, 8), (3, 20), (40, 64), (64, 100)][size]).astype(np.float32)}

    def expected(self, x: np.ndarray) -> list[np.ndarray]:
        return list(tensorrt_expected(x).values())

    def fail_next(self) -> None:
        self.setting.failures.raises = 1

    def fail_no_more(self) -> None:
        self.setting.failures.raises = 0


class OnnxRuntime:
    """A session on the CPU that is as lazy as the device."""

    def __init__(self, graphs: bool, contexts: int) -> None:
        self.setting = lazy_session.Setting(cuda_graphs=graphs)
        self.device, self.run, self.view = self.setting.device, self.setting.runtime.run, self.setting.view

    def inputs(self, size: int) -> dict[str, np.ndarray]:
        x, y = RNG.normal(size=(2, (1, 3, 40, 9000)[size], 3)).astype(np.float32)
        return {"x": x, "y": y}

    def expected(self, x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
        return list(lazy_session.expected(x, y))

    def fail_next(self) -> None:
        self.setting.session.error = RuntimeError("out of memory")

    def fail_no_more(self) -> None:
        self.setting.session.error = None


class Callers:
    """Makes calls at random, and remembers what is to come of those that return before the GPU is done."""

    def __init__(self, backend: Any, seed: int) -> None:
        self.backend, self.device, self.dice = backend, backend.device, random.Random(seed)
        self.streams: list[FakeStream] = [self.device.new_stream() for _ in range(3)]
        self.pending: list[tuple[list[Any], list[np.ndarray]]] = []

    def stream(self) -> FakeStream:
        return self.dice.choice(self.streams)

    def on_host(self) -> None:
        arrays = self.backend.inputs(self.dice.randrange(4))
        stream = self.dice.choice([None, self.stream().handle])
        compare(self.backend.run(arrays, stream=stream), self.backend.expected(**arrays))

    def on_device(self) -> None:
        arrays = self.backend.inputs(self.dice.randrange(4))
        current = self.dice.choice([None, self.stream()])
        views = {name: self.backend.view(one, current, on=self.stream()) for name, one in arrays.items()}
        stream = self.dice.choice([None, self.stream().handle])
        self.pending.append((self.backend.run(views, stream=stream), self.backend.expected(**arrays)))

    def refused(self) -> None:
        arrays = self.backend.inputs(self.dice.randrange(4))
        views = {name: self.backend.view(one, self.stream()) for name, one in arrays.items()}
        with pytest.raises(ArgumentError, match="out: expected"):
            self.backend.run(views, out="nothing", stream=self.stream().handle)

    def failing(self) -> None:
        self.backend.fail_next()
        with contextlib.suppress(DeviceError):
            self.dice.choice([self.on_host, self.on_device])()
        self.backend.fail_no_more()

    def look(self) -> None:
        if self.pending:
            got, wanted = self.pending.pop(self.dice.randrange(len(self.pending)))
            compare([read(array) for array in got], wanted)

    def some_work(self) -> None:
        for _ in range(self.dice.randrange(20)):
            stream = self.dice.choice(list(self.device.streams.values()))
            stream.run_until(min(stream.done + 1, len(stream.queue)))

    def go(self) -> None:
        steps: list[Callable[[], None]] = [self.on_host, self.on_device, self.on_device, self.on_device]
        steps += [self.refused, self.failing, self.look, self.some_work, self.some_work]
        for _ in range(CALLS):
            self.dice.choice(steps)()
        self.device.race()
        while self.pending:
            self.look()


def compare(got: list[Any], wanted: list[np.ndarray]) -> None:
    for one, want in zip(got, wanted, strict=True):
        np.testing.assert_allclose(one, want, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("graphs", [False, True], ids=["enqueued", "graphs"])
@pytest.mark.parametrize("kind", [TensorRT, OnnxRuntime])
@pytest.mark.parametrize("seed", range(6))
def test_every_result_is_right(kind: Any, graphs: bool, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trtnn.backends.tensorrt.runtime.runtime.GRAPHS_PER_SLOT", 2)
    monkeypatch.setattr(onnxruntime_graphs, "MOST_GRAPHS", 2)
    backend = kind(graphs, 1 + seed % 3)
    Callers(backend, seed).go()
    device: FakeDevice = backend.device
    del backend
    gc.collect()
    assert device.used == 0
