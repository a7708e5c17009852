"""The same with many calls: graphs that come and go, threads, errors between, memory; and what cannot be done."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpu.cuda_launcher import SLOW
from gpu.real import SHAPES, assert_right, make
from gpu.runtimes import WIDE, numbers
from gpu.standin import Network
from trtnn import gpu
from trtnn.backends.tensorrt.runtime import runtime
from trtnn.errors import DeviceError, InputError
from trtnn.gpu.device import Device
from trtnn.gpu.device_array import DeviceArray

pytestmark = pytest.mark.skipif(not gpu.available(), reason=f"no GPU: {gpu.why_not()}")


def test_graphs_are_captured_once_per_shapes_and_the_oldest_goes(torch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "GRAPHS_PER_SLOT", 2)
    captured: list[int] = []
    capture = Device.capture
    monkeypatch.setattr(Device, "capture", lambda *arguments: captured.append(1) or capture(*arguments))
    made = make(cuda_graphs=True, max_contexts=1)
    kept = []  # so that no address comes again
    for count, shape in enumerate([(2, 16), (3, 16), (2, 16), (3, 16), (4, 16), (4, 16), (3, 16), (2, 16)], 1):
        for _ in range(2):
            x = numbers(*shape)
            assert_right(made(x), x)
            kept.append(made(torch.from_numpy(x).cuda()))
            assert_right(kept[-1], x)
        assert len(captured) == {1: 1, 2: 2, 3: 2, 4: 2, 5: 3, 6: 3, 7: 3, 8: 4}[count]
    (slot,) = made._runtime._pool._free
    assert len(slot.graphs) == 2
    assert all(call.graph is not None for call in slot.graphs._copying.values())


def test_graphs_on_arrays_that_come_again(torch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller's own arrays, filled anew by slow kernels, and results whose memory torch gives out again."""
    made, copies = make(cuda_graphs=True), []
    copy = Device.copy
    monkeypatch.setattr(Device, "copy", lambda *arguments: copies.append(1) or copy(*arguments))
    out = {"y": torch.zeros(40, 640, device="cuda"), "total": torch.zeros(40, device="cuda")}
    for options in ({}, {"out": out}):
        x = torch.zeros(40, 640, device="cuda")
        for i in range(12):
            values = numbers(40, 640)
            source = torch.from_numpy(values).cuda()
            torch.cuda.synchronize()
            torch.cuda._sleep(SLOW)
            x.copy_(source)
            before = len(copies)
            got = {name: array + array for name, array in made(x, **options).items()}
            if i > 8:
                assert len(copies) == before, "the call copied"
            x.fill_(float("nan"))
            torch.cuda.synchronize()
            assert_right({name: array / 2 for name, array in got.items()}, values)


def test_outputs_whose_size_depends_on_the_values(torch: Any) -> None:
    cupy = pytest.importorskip("cupy")
    made = make(Network(compacts=True), WIDE)
    for shape in [(2, 16), (3, 5), (2, 16)]:
        x = numbers(*shape)
        assert_right(made(x), x)
        got = made(torch.from_numpy(x).cuda() * 1)
        assert isinstance(got["positive"], torch.Tensor)
        assert_right(got, x)
        assert isinstance(made(cupy.asarray(x))["positive"], cupy.ndarray)
    assert made(-np.ones((2, 3), np.float32))["positive"].shape == (0,)


@pytest.mark.parametrize("graphs", [False, True], ids=["enqueued", "graphs"])
def test_sixteen_threads_with_a_thousand_calls_each_and_errors_between(torch: Any, graphs: bool) -> None:
    made = make(cycles=0, cuda_graphs=graphs)
    failed = 0

    def calls(thread: int) -> int:
        rng, errors = np.random.default_rng(thread), 0
        stream = torch.cuda.Stream()
        for call in range(1000):
            x = rng.normal(size=SHAPES[(thread + call // 50) % 3]).astype(np.float32)
            if not graphs and thread == 0 and call % 100 == 50:
                setattr(made.standin._failures, "raises" if call % 200 == 50 else "returns_false", 1)
            try:
                if (thread + call) % 2:
                    assert_right(made(x), x)
                else:
                    with torch.cuda.stream(stream):
                        assert_right(made(torch.from_numpy(x).cuda(non_blocking=True)), x)
            except DeviceError as error:
                assert "an injected" in str(error)
                errors += 1
        return errors

    with ThreadPoolExecutor(16) as threads:
        failed = sum(threads.map(calls, range(16)))
    assert failed == (0 if graphs else 10)
    assert made._runtime._pool._made <= 4
    made.close()


def free_memory(torch: Any) -> int:
    torch.cuda.synchronize()
    gc.collect()
    return int(torch.cuda.mem_get_info()[0])


@pytest.mark.parametrize("graphs", [False, True], ids=["enqueued", "graphs"])
def test_device_memory_is_the_same_after_ten_thousand_calls(torch: Any, graphs: bool) -> None:
    made = make(cycles=0, cuda_graphs=graphs)
    arrays = [numbers(*shape) for shape in SHAPES]
    tensors = [torch.from_numpy(x).cuda() for x in arrays]
    own = [DeviceArray.empty(Device(), x.shape, x.dtype, Device().new_stream()) for x in arrays]

    def some_calls(count: int) -> None:
        for call in range(count):
            place = call // 3 % len(arrays)
            source: Any = (arrays, tensors, own)[call % 3][place]
            got = made(source)
            if call % 100 == 0 and call % 3 < 2:
                assert_right(got, arrays[place])

    some_calls(600)
    before = free_memory(torch)
    some_calls(10_000)
    assert free_memory(torch) == before
    made.close()


def test_what_it_refuses(engine: Any, torch: Any) -> None:
    x = torch.from_numpy(numbers(2, 16)).cuda()
    with pytest.raises(InputError, match=r"x: expected an array whose elements lie in C order.*use x\.contiguous\(\)"):
        engine(x.T)
    with pytest.raises(InputError, match="x: expected an array of float32, got float16"):
        engine(x.half())
    with pytest.raises(InputError, match=r"out: y: expected an array on the GPU, where the inputs are, got numpy"):
        engine(x, out={"y": np.empty((2, 16), np.float32), "total": np.empty(2, np.float32)})
    with pytest.raises(InputError, match="x: expected an array on the GPU, got one in host memory"):
        engine.bind(numbers(2, 16))
    assert isinstance(engine(x.cpu())["y"], np.ndarray)
    assert_right(engine(x[:, :]), x.cpu().numpy())
    flat = torch.from_numpy(numbers(1, 65)).cuda().flatten()[1:].reshape(2, 32)  # 4 bytes off
    assert_right(engine(flat), flat.cpu().numpy())


TRESPASS = """
import pytest
from gpu.real import make
from gpu.runtimes import WIDE, numbers
from gpu.standin import Network
from gpu.cuda_launcher import launch
from trtnn.errors import DeviceError
engine = make(Network(), WIDE)
engine(numbers(2, 3))
engine.standin._failures.launch = lambda stream: launch(engine._runtime._device.stream_of(stream), "trespass", 1, 8)
for _ in range(3):
    with pytest.raises(DeviceError, match="restart the process|out of GPU memory|TensorRT failed"):
        engine(numbers(2, 3))
engine.close()
print("survived")
"""


def test_an_illegal_access_is_an_error_every_time_and_hangs_nothing() -> None:
    path = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(__file__).parents[2])])
    done = subprocess.run(
        [sys.executable, "-c", TRESPASS],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "survived" in done.stdout, done.stderr
