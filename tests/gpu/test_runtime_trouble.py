"""The runtime when things go wrong, or are many: errors, threads, memory, closing; needs no GPU."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gpu.fake_device import FakeDevice, FakeError, FakeLauncher, read
from gpu.runtimes import TWO_PROFILES, TWO_RANGES, WIDE, Setting, assert_right, make, numbers, signature
from gpu.standin import TRT, USES, Network, StandInContext, StandInEngine
from gpu.tensorrt_api import check, listings
from trtnn.backends.tensorrt.runtime import Runtime
from trtnn.errors import DeviceError


@pytest.fixture(params=[False, True], ids=["enqueued", "graphs"])
def setting(request: pytest.FixtureRequest) -> Setting:
    return make(cuda_graphs=request.param)


@pytest.mark.parametrize("failure", ["returns_false", "raises", "refuses_shape", "sync"])
def test_errors_become_device_errors_and_cost_one_context(setting: Setting, failure: str) -> None:
    x = numbers(3, 5)
    assert_right(setting.run(x), x)
    if failure == "sync":

        def break_stream(stream: int) -> None:
            setting.device.stream_of(stream).broken = True

        setting.failures.launch = break_stream
        text = "standin: the GPU failed: CUDA_ERROR_ILLEGAL_ADDRESS; if every call fails from now on, restart"
    else:
        setattr(setting.failures, failure, 1)
        text = {
            "returns_false": r"standin: TensorRT failed: an injected failure$",
            "raises": "standin: TensorRT failed: an injected exception",
            "refuses_shape": r"standin: TensorRT refuses the shape \(3, 6\) of x: an injected refusal",
        }[failure]
    if setting.runtime._cuda_graphs or failure == "refuses_shape":
        x = numbers(3, 6)  # a graph that has been captured is not enqueued any more
    with pytest.raises(DeviceError, match=text):
        setting.run(x)
    assert setting.runtime._pool._made == 0
    assert_right(setting.run(x), x)


def test_memory_for_an_output_that_cannot_be_had_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    setting = make(Network(profiles=(((1, 1), (64, 1 << 14)),), compacts=True))
    x = numbers(3, 5)
    assert_right(setting.run(x), x)
    allocate = setting.device.allocate

    def refuse(nbytes: int, stream: Any) -> Any:
        raise FakeError("CUDA_ERROR_OUT_OF_MEMORY")

    monkeypatch.setattr(setting.device, "allocate", refuse)
    with pytest.raises(DeviceError, match="standin: TensorRT failed: no memory for positive") as caught:
        setting.run(x)
    assert "OUT_OF_MEMORY" in str(caught.value.__cause__)
    monkeypatch.setattr(setting.device, "allocate", allocate)
    assert_right(setting.run(x), x)


@pytest.mark.parametrize("graphs", [False, True])
def test_threads_wait_for_contexts_and_get_their_own_results(graphs: bool) -> None:
    setting = make(max_contexts=2, cuda_graphs=graphs)
    arrays = [numbers(1 + i % 3, 4) for i in range(200)]
    with ThreadPoolExecutor(8) as threads:
        for x, got in zip(arrays, threads.map(setting.run, arrays), strict=True):
            assert_right(got, x)
    assert setting.runtime._pool._made <= 2


def test_errors_amid_many_threads_reach_their_own_callers_only() -> None:
    setting = make(max_contexts=3)

    def call(number: int) -> bool:
        x = numbers(2, 4)
        if number % 10 == 0:
            setting.failures.raises = 1
        try:
            assert_right(setting.run(x), x)
        except DeviceError:
            return False
        return True

    with ThreadPoolExecutor(6) as threads:
        came = list(threads.map(call, range(300)))
    assert 0 < came.count(False) <= 30
    x = numbers(2, 4)
    setting.failures.raises = 0
    assert_right(setting.run(x), x)


def test_memory_stays_the_same_call_after_call(setting: Setting) -> None:
    stream = setting.device.new_stream()

    def some_calls() -> tuple[int, int]:
        for shape in [(2, 3), (5, 7), (2, 3)]:
            x = numbers(*shape)
            setting.run(x)
            setting.run(setting.view(x, stream))  # type: ignore[arg-type]
        stream.sync()
        gc.collect()
        return setting.device.used, setting.device.pinned

    some_calls()
    before = some_calls()
    for _ in range(10):
        assert some_calls() == before


def test_closing_waits_and_gives_everything_back(setting: Setting) -> None:
    x, stream = numbers(3, 5), setting.device.new_stream()
    setting.run(x)
    got = setting.run(setting.view(x, stream))  # type: ignore[arg-type]
    scratch = setting.device.used
    setting.runtime.close()
    gc.collect()
    assert setting.device.pinned == 0
    assert setting.device.used < scratch
    assert_right({name: read(array) for name, array in got.items()}, x)
    del got
    gc.collect()
    assert setting.device.used == 0
    with pytest.raises(DeviceError, match="standin: the engine has been closed"):
        setting.run(x)


def test_all_that_the_runtime_uses_is_in_every_version_of_tensorrt() -> None:
    for graphs in (False, True):
        setting = make(Network(profiles=TWO_PROFILES.profiles, compacts=True), TWO_RANGES, cuda_graphs=graphs)
        for shape in [(1, 8), (40, 64)]:
            x = numbers(*shape)
            assert_right(setting.run(x), x)
    check(USES)
    used = {(use.owner, use.member) for use in USES}
    for cls, owner in ((StandInEngine, "ICudaEngine"), (StandInContext, "IExecutionContext")):
        for member in vars(cls):
            assert member.startswith("_") or member == "error_recorder" or (owner, member) in used, member
    for listing in listings().values():
        assert {"STATIC", "USER_MANAGED"} <= set(listing["ExecutionContextAllocationStrategy"])
        assert "deserialize_cuda_engine" in listing["Runtime"]


def test_a_plan_of_another_network_is_refused() -> None:
    device = FakeDevice()
    engine = StandInEngine(Network(), FakeLauncher(device))
    other: Any = signature(Network(compacts=True))
    with pytest.raises(
        DeviceError, match="the plan is of another network; expected x -> y, total, positive, got x -> "
    ):
        Runtime(engine, TRT, other, WIDE, device)  # type: ignore[arg-type]
