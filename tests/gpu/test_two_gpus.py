"""The runtime where there is a second GPU, which its engines do not use: the caller may be there at any time."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from gpu.cuda_launcher import SLOW
from gpu.real import assert_right
from gpu.runtimes import numbers
from trtnn import gpu
from trtnn.errors import InputError


def gpus() -> int:
    return len(gpu.load().core.Device.get_all_devices()) if gpu.available() else 0


pytestmark = pytest.mark.skipif(gpus() < 2, reason="needs two GPUs")


@pytest.fixture(autouse=True)
def elsewhere(torch: Any) -> Any:
    """The thread's current device is the second."""
    torch.cuda.set_device(1)
    yield
    torch.cuda.set_device(0)


def test_numpy_while_another_device_is_current(engine: Any, torch: Any) -> None:
    for _ in range(3):
        torch.cuda.set_device(1)
        x = numbers(40, 640)
        assert_right(engine(x), x)


def test_torch_while_another_device_is_current(engine: Any, torch: Any) -> None:
    streams = [torch.cuda.default_stream(0), torch.cuda.Stream(0)]
    for i in range(8):
        x, stream = numbers(40, 640), streams[i % 2]
        source = torch.from_numpy(x).to("cuda:0")
        torch.cuda.synchronize(0)
        with torch.cuda.stream(stream):
            torch.cuda._sleep(SLOW)
            moved = source * 2
            torch.cuda.set_device(1)
            got = engine(moved, stream=stream)
            assert {array.device.index for array in got.values()} == {0}
        torch.cuda.set_device(1)
        stream.synchronize()
        assert_right(got, 2 * x)


def test_cupy_while_another_device_is_current(engine: Any) -> None:
    cupy = pytest.importorskip("cupy")
    with cupy.cuda.Device(1):
        theirs = cupy.cuda.Stream(non_blocking=True)
    for _ in range(4):
        x = numbers(40, 640)
        with cupy.cuda.Device(0):
            array = cupy.asarray(x)
        with cupy.cuda.Device(1), theirs:
            got = engine(array)
        with cupy.cuda.Device(0):
            assert {one.device.id for one in got.values()} == {0}
            assert_right(got, x)


def test_threads_on_either_device(engine: Any, torch: Any) -> None:
    def call(number: int) -> None:
        torch.cuda.set_device(number % 2)
        x = numbers(40, 640)
        assert_right(engine(x), x)
        torch.cuda.set_device(1 - number % 2)
        assert_right(engine(torch.from_numpy(x).to("cuda:0")), x)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(call, range(40)))


def test_arrays_on_the_other_gpu_are_refused(engine: Any, torch: Any) -> None:
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    cupy, jax = pytest.importorskip("cupy"), pytest.importorskip("jax")
    x = numbers(40, 640)
    here, there = torch.from_numpy(x).to("cuda:0"), torch.from_numpy(x).to("cuda:1")
    for _ in range(2):
        assert_right(engine(here), x)
    with pytest.raises(InputError, match=r"on GPU 0, where the engine runs, got a tensor on cuda:1; x\.to"):
        engine(there)
    with cupy.cuda.Device(1):
        other = cupy.asarray(x)
    for array in (other, jax.device_put(x, jax.devices("gpu")[1])):
        with pytest.raises(InputError, match="x: expected an array on GPU 0, where the engine runs, got an array on"):
            engine(array)
    with pytest.raises(InputError, match="out: y: expected an array on GPU 0"):
        engine(here, out={"y": torch.empty_like(there), "total": torch.empty(40, device="cuda:0")})
    out = {"y": torch.empty_like(here), "total": torch.empty(40, device="cuda:0")}
    assert_right(engine(here, out=out), x)


def test_results_that_wait_while_another_device_is_current(engine: Any, torch: Any) -> None:
    x = numbers(40, 640)
    bound = engine.bind(torch.from_numpy(x).to("cuda:0"))
    torch.cuda.set_device(1)
    got = bound()
    torch.cuda.synchronize(0)
    assert_right(got, x)
    bound.close()
    page_locked = gpu.empty_pinned(x.shape)
    page_locked[:] = x
    torch.cuda.set_device(1)
    assert_right(engine(page_locked), np.asarray(x))
