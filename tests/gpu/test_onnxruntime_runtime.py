"""The ONNX Runtime engine's work on streams, on a device that does nothing before somebody waits for it."""

from __future__ import annotations

import gc
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from gpu.fake_device import FakeDevice, read
from gpu.lazy_session import Setting, cpu_engine, expected
from trtnn.backends.onnxruntime.cuda import engine as cuda_engine
from trtnn.backends.onnxruntime.cuda import graphs as cuda_graphs
from trtnn.backends.onnxruntime.placement import Placement
from trtnn.errors import ArgumentError, DeviceError, InputError
from trtnn.gpu.device import PER_THREAD_DEFAULT_STREAM
from trtnn.gpu.device_array import DeviceArray

RNG = np.random.default_rng(1)


def numbers(batch: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = RNG.normal(size=(2, batch, 3)).astype(np.float32)
    return x, y


def assert_right(got: Any, arrays: tuple[np.ndarray, np.ndarray]) -> None:
    for one, want in zip(got, expected(*arrays), strict=True):
        np.testing.assert_allclose(one, want, rtol=1e-5, atol=1e-6)


@pytest.fixture(params=["run", "graphs", "waits"])
def setting(request: pytest.FixtureRequest) -> Setting:
    return Setting(cuda_graphs=request.param == "graphs", waits=request.param == "waits")


def test_numpy_in_and_out_with_shapes_that_change(setting: Setting) -> None:
    for batch in (2, 2, 5, 1, 2, 9, 5):
        arrays = numbers(batch)
        assert_right(setting.run(*arrays), arrays)


def test_numpy_into_given_arrays(setting: Setting) -> None:
    out = (np.empty((4, 5), np.float32), np.empty(4, np.float32))
    for _ in range(3):
        arrays = numbers(4)
        got = setting.run(*arrays, out=out)
        assert got[0] is out[0]
        assert got[1] is out[1]
        assert_right(out, arrays)


def test_numpy_on_a_stream_of_the_callers(setting: Setting) -> None:
    for batch in (2, 40_000, 3, 3):
        arrays = numbers(batch)
        assert_right(setting.run(*arrays, stream=setting.device.new_stream().handle), arrays)


def test_the_per_thread_default_stream_is_another_one_in_every_thread() -> None:
    setting = Setting(cuda_graphs=True)
    setting.run(*numbers(3))  # from here on there is a graph
    batches = [numbers(3) for _ in range(4)]
    streams = [setting.device.new_stream() for _ in batches]
    results: list[Any] = []

    def call(arrays: tuple[np.ndarray, np.ndarray], stream: Any) -> None:
        setting.device.make_current()
        views = [setting.view(array, stream) for array in arrays]
        results.append(setting.run(*views, stream=PER_THREAD_DEFAULT_STREAM))

    for arrays, stream in zip(batches, streams, strict=True):
        thread = threading.Thread(target=call, args=(arrays, stream))
        thread.start()
        thread.join(30)
    setting.device.race()
    for arrays, got in zip(batches, results, strict=True):
        assert_right(map(read, got), arrays)


def test_arrays_on_the_device_are_read_and_written_in_the_order_of_the_callers_stream(setting: Setting) -> None:
    stream = setting.device.new_stream()
    made = []
    for batch in (2, 3, 2, 2, 3):  # nothing is waited for in between
        arrays = numbers(batch)
        made.append((arrays, setting.run(*(setting.view(array, stream) for array in arrays))))
    for arrays, got in reversed(made):
        assert_right(map(read, got), arrays)


def test_each_input_may_come_from_a_stream_of_its_own_and_the_call_be_on_another(setting: Setting) -> None:
    streams = [setting.device.new_stream() for _ in range(3)]
    for _ in range(3):
        arrays = numbers(4)
        views = [setting.view(array, stream) for array, stream in zip(arrays, streams, strict=False)]
        got = setting.run(*views, stream=streams[2].handle)
        del views
        gc.collect()
        for stream in streams[:2] * 2:  # what fills an array keeps it too
            stream.sync()  # the memory would be given back here, if what has yet to read it did not keep it
        assert_right(map(read, got), arrays)


def test_calls_on_different_streams_do_not_disturb_each_other(setting: Setting) -> None:
    streams = [setting.device.new_stream() for _ in range(4)]
    pending = []
    for turn in range(12):
        arrays = numbers(3)
        views = [setting.view(array, streams[turn % 4]) for array in arrays]
        pending.append((arrays, setting.run(*views)))
    for arrays, got in pending[::-1]:
        assert_right(map(read, got), arrays)


@pytest.mark.parametrize("on_host", [False, True])
@pytest.mark.parametrize("cut", range(5))
def test_a_call_does_not_start_in_the_middle_of_another(cut: int, on_host: bool) -> None:
    setting = Setting(cuda_graphs=True)
    first, second = (setting.device.new_stream() for _ in range(2))
    arrays, others = numbers(3), numbers(3)
    setting.run(*numbers(3))  # from here on there is a graph
    views = [setting.view(array, first) for array in arrays]
    start = len(first.queue)
    slow = setting.run(*views)
    first.run_until(min(start + cut, len(first.queue)))
    fast = setting.run(*(others if on_host else (setting.view(array, second) for array in others)))
    assert_right(fast if on_host else map(read, fast), others)
    assert_right(map(read, slow), arrays)


def test_outputs_go_where_the_inputs_are(setting: Setting) -> None:
    stream, arrays = setting.device.new_stream(), numbers(3)
    out = (np.zeros((3, 5), np.float32), np.zeros(3, np.float32))
    with pytest.raises(InputError, match=r"out: .*expected an array on the GPU, where the inputs are"):
        setting.run(*(setting.view(array, stream) for array in arrays), out=out)
    assert setting.session.runs == 0


def test_outputs_of_ours_are_waited_for_by_who_reads_them_next(setting: Setting) -> None:
    """Once they have been written again: they knew of the first time alone."""
    stream, other, arrays = setting.device.new_stream(), setting.device.new_stream(), numbers(3)
    out = []
    for shape in ((3, 5), (3,)):
        out.append(DeviceArray.empty(setting.device, shape, np.dtype(np.float32), stream))  # type: ignore[arg-type]
        out[-1].filled(stream)
    got = setting.run(*(setting.view(array, other) for array in arrays), out=tuple(out), stream=other.handle)
    assert got[0] is out[0] and got[1] is out[1]
    assert_right([read(array) for array in got], arrays)


def test_a_graph_is_captured_once_per_shapes_and_the_oldest_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_graphs, "MOST_GRAPHS", 3)
    setting = Setting(cuda_graphs=True)
    for batch in (1, 2, 3, 1, 2, 3, 3, 2, 1):
        arrays = numbers(batch)
        assert_right(setting.run(*arrays), arrays)
    graphs = setting.device.graphs
    assert [graph.launches for graph in graphs] == [2, 2, 2]
    assert setting.session.runs == 6  # each of the three ran once, and was captured once
    for batch in (4, 2, 1):  # 3 was used before 2 and 1
        arrays = numbers(batch)
        assert_right(setting.run(*arrays), arrays)
    assert [graph.closed for graph in graphs] == [False, False, True, False]


def test_what_cannot_be_captured_runs_without_and_the_log_says_why(caplog: pytest.LogCaptureFixture) -> None:
    setting = Setting(cuda_graphs=True)
    setting.device.refuses_capture = True
    with caplog.at_level(logging.WARNING, "trtnn.onnxruntime"):
        for _ in range(3):
            arrays = numbers(2)
            assert_right(setting.run(*arrays), arrays)
    (record,) = caplog.records
    assert record.getMessage() == (
        "TwoOutputs cannot be captured as a CUDA graph and runs without: CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"
    )


def test_after_an_error_the_next_call_is_right(setting: Setting) -> None:
    stream = setting.device.new_stream()
    for on_device in (False, True):
        arrays = numbers(6 + on_device)
        given = [setting.view(array, stream) for array in arrays] if on_device else arrays
        setting.session.error = RuntimeError("CUDA failure 2: out of memory")
        with pytest.raises(DeviceError, match="TwoOutputs: failed on the GPU: CUDA failure 2: out of memory"):
            setting.run(*given)
        setting.session.error = None
        got = setting.run(*given)
        assert_right(map(read, got) if on_device else got, arrays)


@pytest.mark.parametrize("cut", range(8))
def test_what_a_failed_call_has_put_on_its_stream_does_not_disturb_the_next(
    cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = Setting(cuda_graphs=True)
    first, second = (setting.device.new_stream() for _ in range(2))
    setting.run(*numbers(3))  # from here on there is a graph
    (graph,) = setting.device.graphs
    launch = graph.launch

    def fail(stream: Any) -> None:
        raise RuntimeError("CUDA failure 719: launch failure")

    monkeypatch.setattr(graph, "launch", fail)
    with pytest.raises(DeviceError, match="launch failure"):
        setting.run(*(setting.view(array, first) for array in numbers(3)))
    monkeypatch.setattr(graph, "launch", launch)
    arrays = numbers(3)
    views = [setting.view(array, second) for array in arrays]
    start = len(second.queue)
    got = setting.run(*views)
    second.run_until(min(start + cut, len(second.queue)))
    first.sync()
    assert_right(map(read, got), arrays)


def test_without_memory_for_a_graph_the_call_runs_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    setting, arrays = Setting(cuda_graphs=True), numbers(3)
    capture = setting.runtime._graphs.capture  # type: ignore[union-attr]

    def refuse(nbytes: int, stream: Any) -> Any:
        raise MemoryError("out of memory")

    def without_memory(*shapes: Any) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(setting.device, "allocate", refuse)
            capture(*shapes)

    monkeypatch.setattr(setting.runtime._graphs, "capture", without_memory)
    for _ in range(2):
        assert_right(setting.run(*arrays), arrays)
    assert caplog.text.count("TwoOutputs cannot be captured as a CUDA graph and runs without: out of memory") == 1


def test_what_is_no_stream_and_what_does_not_fit_out_is_refused_before_anything_runs(setting: Setting) -> None:
    arrays = numbers(2)
    with pytest.raises(ArgumentError, match="stream: expected a CUDA stream"):
        setting.run(*arrays, stream="mine")
    with pytest.raises(InputError, match=r"expected shape \(2, 5\) for these inputs, got shape \(3, 5\)"):
        setting.run(*arrays, out=(np.empty((3, 5), np.float32), np.empty(2, np.float32)))
    assert setting.session.runs == 0


def test_threads_take_turns(setting: Setting) -> None:
    batches = [numbers(1 + turn % 5) for turn in range(60)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda arrays: setting.run(*arrays), batches))
    for arrays, got in zip(batches, results, strict=True):
        assert_right(got, arrays)


@pytest.mark.parametrize("left", range(5))
def test_the_memory_is_given_back_behind_the_last_call(left: int) -> None:
    setting = Setting(cuda_graphs=True)
    device, stream, arrays = setting.device, setting.device.new_stream(), numbers(2)
    for _ in range(3):
        got = setting.run(*(setting.view(array, stream) for array in arrays))
    stream.run_until(len(stream.queue) - left)
    own = setting.lane.stream
    del setting
    gc.collect()
    own.sync()
    assert_right(map(read, got), arrays)
    del got
    gc.collect()
    assert device.used == 0


def test_the_engine_names_the_gpu_whose_arrays_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = cpu_engine()
    for name in ("require_cuda", "prepare_cuda"):
        monkeypatch.setattr(cuda_engine, name, lambda: None)
    monkeypatch.setattr(cuda_engine, "require_on_cuda", lambda session: None)
    monkeypatch.setattr(cuda_engine, "Device", lambda ordinal: FakeDevice())
    on_gpu = cuda_engine.CudaEngine(
        cpu.signature, cpu.choice, cpu.profiles, True, Placement("cuda:1"), lambda options, providers: cpu.session
    )
    assert on_gpu.gpu == 1
    assert on_gpu._arguments.gpu == 1
    assert cpu.gpu is None
