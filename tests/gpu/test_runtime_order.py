"""What has to come before what: streams, threads, memory that the GPU still uses. On the lazy device; needs no GPU."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gpu.fake_device import FakeDevice, FakeError, floats, read
from gpu.runtimes import TWO_PROFILES, TWO_RANGES, Setting, assert_right, make, numbers
from gpu.standin import Network
from trtnn.errors import ArgumentError, DeviceError, InputError
from trtnn.gpu.arrays import view
from trtnn.gpu.device import PER_THREAD_DEFAULT_STREAM
from trtnn.gpu.device_array import DeviceArray
from trtnn.gpu.pinned import PinnedPool


@pytest.fixture(params=[False, True], ids=["enqueued", "graphs"])
def setting(request: pytest.FixtureRequest) -> Setting:
    return make(cuda_graphs=request.param)


def in_a_thread(work: Callable[[], Any]) -> Any:
    """What work gives in a thread that has made no device current."""
    got: list[Any] = []

    def run() -> None:
        try:
            got.append(work())
        except BaseException as error:  # it is raised below
            got.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    if isinstance(got[0], BaseException):
        raise got[0]
    return got[0]


def test_a_change_of_profile_is_waited_for_after_a_call_that_was_refused() -> None:
    setting = make(TWO_PROFILES, TWO_RANGES, max_contexts=1)
    first, second = setting.device.new_stream(), setting.device.new_stream()
    x = numbers(40, 64)  # takes the second profile
    with pytest.raises(ArgumentError, match="out: expected a dict"):
        setting.run(setting.view(x, first), out=[])
    got = setting.run(setting.view(x, second))
    assert first.done == 0
    assert_right({name: read(array) for name, array in got.items()}, x)


def test_the_per_thread_default_stream_is_another_one_in_every_thread(setting: Setting) -> None:
    setting = make(max_contexts=1, cuda_graphs=setting.runtime._cuda_graphs)
    arrays = [numbers(3, 5) for _ in range(4)]
    streams = [setting.device.new_stream() for _ in arrays]

    def call(x: np.ndarray, stream: Any) -> Any:
        setting.device.make_current()
        return setting.run(setting.view(x, stream), stream=PER_THREAD_DEFAULT_STREAM)

    results = [in_a_thread(lambda x=x, on=on: call(x, on)) for x, on in zip(arrays, streams, strict=True)]
    setting.device.race()
    for got, x in zip(results, arrays, strict=True):
        assert_right({name: read(array) for name, array in got.items()}, x)


def test_arrays_outlive_the_engine_and_can_be_copied_in_any_thread(setting: Setting) -> None:
    x = numbers(3, 5)
    got = setting.run(setting.view(x, None))
    setting.runtime.close()
    assert_right({name: in_a_thread(array.numpy) for name, array in got.items()}, x)


def test_page_locked_memory_can_be_had_in_any_thread() -> None:
    pinned = PinnedPool(FakeDevice())  # type: ignore[arg-type]
    assert in_a_thread(lambda: pinned.array(100)) is not None


@pytest.mark.parametrize("graphs", [False, True])
@pytest.mark.parametrize("how", ["close", "forget"])
def test_any_thread_may_be_the_last_to_use_an_engine(how: str, graphs: bool) -> None:
    setting, x = make(cuda_graphs=graphs), numbers(3, 5)
    stream = setting.device.new_stream()
    got = setting.run(setting.view(x, stream))
    done, runtimes = setting.runtime._pool._free[0]._done, [setting.runtime]
    del setting

    def forget() -> None:
        runtimes.clear()
        gc.collect()

    assert not done.is_done
    in_a_thread(runtimes[0].close if how == "close" else forget)
    assert done.is_done, "memory was freed that the GPU still worked on"
    assert_right({name: read(array) for name, array in got.items()}, x)


def test_a_bound_call_can_be_made_in_any_thread_and_waits_before_it_goes(setting: Setting) -> None:
    stream, x = setting.device.new_stream(), numbers(3, 5)
    bound = setting.runtime.bind({"x": setting.view(x, stream)})
    got = in_a_thread(bound)
    done = stream.record()
    assert not done.is_done
    del bound
    gc.collect()
    assert done.is_done, "its context went while the GPU worked on it"
    assert_right({name: read(array) for name, array in got.items()}, x)


def test_a_bound_call_comes_behind_producers_on_another_stream(setting: Setting) -> None:
    mine, other = setting.device.new_stream(), setting.device.new_stream()
    x = numbers(3, 5)
    bound = setting.runtime.bind({"x": setting.view(x, mine, on=other)}, stream=mine.handle)
    assert_right({name: read(array) for name, array in bound.outputs.items()}, x)


def test_what_a_failed_call_has_put_on_its_stream_is_done_before_its_memory_goes(setting: Setting) -> None:
    stream, x = setting.device.new_stream(), numbers(3, 5)
    setting.failures.raises = 1
    with pytest.raises(DeviceError, match="an injected exception"):
        setting.run(x, stream=stream.handle)
    assert stream.queue, "nothing was copied"
    assert stream.done == len(stream.queue)


def test_outputs_of_unknown_size_come_behind_producers_too() -> None:
    setting = make(Network(profiles=(((1, 1), (64, 1 << 14)),), compacts=True))
    mine, other = setting.device.new_stream(), setting.device.new_stream()
    x = numbers(3, 5)
    view = setting.view(x, mine, on=other)
    got = setting.run(view, stream=mine.handle)
    del view
    gc.collect()
    other.sync()  # memory that was given back would be overwritten now
    assert_right({name: read(array) for name, array in got.items()}, x)


def test_outputs_that_are_given_are_written_behind_their_own_streams(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trtnn.gpu.arrays.view", lambda name, array, ordinal: array)
    mine, other = setting.device.new_stream(), setting.device.new_stream()
    x = numbers(3, 5)
    out = {"y": setting.view(numbers(3, 5), mine, on=other), "total": setting.view(numbers(3), mine, on=other)}
    setting.run(setting.view(x, mine), out=out)
    mine.sync()
    other.sync()
    np.testing.assert_allclose(floats(out["y"].pointer, 15).reshape(3, 5), 3 * x + 1, rtol=1e-6)


def test_memory_of_outputs_of_unknown_size_is_the_callers_alone() -> None:
    setting = make(Network(profiles=(((1, 1), (64, 1 << 14)),), compacts=True))
    x = numbers(3, 5)
    got = setting.run(setting.view(x, setting.device.new_stream()))
    buffer = weakref.ref(got["positive"]._buffer)  # type: ignore[attr-defined]
    del got
    gc.collect()
    assert buffer() is None


def test_an_output_without_elements_needs_no_memory() -> None:
    context = make().runtime._plan.create_context()
    context.bind("y", 0)  # where torch has it
    assert context._raw._addresses["y"] != 0


def test_outputs_on_the_device_share_no_memory(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trtnn.gpu.arrays.view", lambda name, array, ordinal: array)
    stream = setting.device.new_stream()
    x, y, total = (setting.view(numbers(*shape), stream) for shape in ((3, 5), (3, 5), (3,)))
    with pytest.raises(InputError, match=r"out: y: .* memory of its own, got memory that it shares with x$"):
        setting.run(x, out={"y": x, "total": total})
    part = setting.view(numbers(3), stream)
    part.pointer = y.pointer + 4
    with pytest.raises(InputError, match="out: total: expected an array at an address that is a multiple of 256"):
        setting.run(x, out={"y": y, "total": part})
    part.pointer = y.pointer
    with pytest.raises(
        InputError, match="out: total: expected memory of its own, got memory that it shares with out: y"
    ):
        setting.run(x, out={"y": y, "total": part})


def test_outputs_in_host_memory_share_none(setting: Setting) -> None:
    x, total = numbers(3, 5), np.empty(3, np.float32)
    kept = x.copy()
    with pytest.raises(InputError, match=r"out: y: .* memory of its own, got memory that it shares with x$"):
        setting.run(x, out={"y": x, "total": total})
    both = np.empty(18, np.float32)
    with pytest.raises(
        InputError, match="out: total: expected memory of its own, got memory that it shares with out: y"
    ):
        setting.run(x, out={"y": both[:15].reshape(3, 5), "total": both[14:17]})
    np.testing.assert_array_equal(x, kept)
    out = {"y": both[:15].reshape(3, 5), "total": both[15:]}  # side by side
    assert_right(setting.run(x, out=out), x)


def test_an_array_is_freed_behind_the_last_consumer() -> None:
    device = FakeDevice()
    own, consumer = device.new_stream(), device.new_stream()
    array = DeviceArray.empty(device, (4,), np.dtype(np.float32), own)  # type: ignore[arg-type]
    address = array.pointer
    own.put(lambda: floats(address, 4).fill(7))
    array.filled(own)
    array._order(consumer)
    seen: list[np.ndarray] = []
    consumer.put(lambda: seen.append(floats(address, 4).copy()))
    del array
    own.sync()
    consumer.sync()
    np.testing.assert_array_equal(seen[0], 7)


def ours(device: FakeDevice, x: np.ndarray, stream: Any) -> DeviceArray:
    """x as an array of ours, written in the order of the stream."""
    array = DeviceArray.empty(device, x.shape, x.dtype, stream)  # type: ignore[arg-type]
    kept, address = x.copy(), array.pointer
    stream.put(lambda: floats(address, kept.size).__setitem__(slice(None), kept.ravel()))
    array.filled(stream)
    return array


def on_the_thread_stream(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> Any:
    stream = setting.device.new_stream()
    monkeypatch.setattr("trtnn.gpu.makers.thread_stream", lambda ordinal: stream.handle)
    return stream


def test_an_array_is_freed_behind_those_that_read_it_before_it_was_exported(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, consumer, x = on_the_thread_stream(setting, monkeypatch), setting.device.new_stream(), numbers(3, 5)
    array = ours(setting.device, x, own)
    got = setting.run(view("x", array))  # type: ignore[arg-type]
    array._order(consumer)
    del array
    gc.collect()
    consumer.sync()
    assert_right({name: read(one) for name, one in got.items()}, x)


@pytest.mark.parametrize("how", ["out", "out on another stream", "again", "bound"])
@pytest.mark.parametrize("reader", ["own stream", "another stream", "exported"])
def test_arrays_of_ours_that_are_written_again_are_waited_for(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, how: str, reader: str
) -> None:
    own, other, x = on_the_thread_stream(setting, monkeypatch), setting.device.new_stream(), numbers(3, 5)
    array = ours(setting.device, x, own)
    out = {"y": ours(setting.device, 0 * x, own), "total": ours(setting.device, 0 * x[:, 0], own)}
    if how == "bound":
        bound = setting.runtime.bind({"x": view("x", array)}, out=out, stream=other.handle)  # type: ignore[dict-item]
        other.sync()
        floats(out["y"].pointer, 15)[:] = 0
        bound()
    else:
        stream = other.handle if how == "out on another stream" else own.handle
        setting.run(view("x", array), out=out, stream=stream)  # type: ignore[arg-type]
        if how == "again":
            own.sync()
            floats(array.pointer, 15)[:] += 1
            x = x + 1
            assert setting.runtime.again([array], None, out) is not None
    y, seen = out["y"], setting.device.new_stream() if reader != "own stream" else own
    if reader == "exported":
        y._order(seen)
        found: list[np.ndarray] = []
        seen.put(lambda: found.append(floats(y.pointer, 15).reshape(3, 5).copy()))
        seen.sync()
        np.testing.assert_allclose(found[0], 3 * x + 1, rtol=1e-6)
    else:
        got = setting.run(view("x", y), stream=seen.handle)  # type: ignore[arg-type]
        np.testing.assert_allclose(read(got["y"]), 9 * x + 4, rtol=1e-5, atol=1e-5)


def test_an_array_on_a_per_thread_default_stream_is_copied_in_any_thread() -> None:
    device, x = FakeDevice(), numbers(3, 5)

    def make_it() -> DeviceArray:
        device.make_current()
        return ours(device, x, device.stream_of(PER_THREAD_DEFAULT_STREAM))

    array = in_a_thread(make_it)
    array._stream = device.stream_of(PER_THREAD_DEFAULT_STREAM)  # as the handle means here
    np.testing.assert_array_equal(array.numpy(), x)


def test_a_binding_that_fails_waits_for_what_it_has_enqueued(monkeypatch: pytest.MonkeyPatch) -> None:
    setting = make(cuda_graphs=True)
    stream, enqueued = setting.device.new_stream(), []

    def refuse(*arguments: Any) -> Any:
        enqueued.append(stream.record())
        raise FakeError("CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED")

    monkeypatch.setattr(setting.device, "capture", refuse)
    with pytest.raises(DeviceError, match="the network cannot be captured as a CUDA graph"):
        setting.runtime.bind({"x": setting.view(numbers(3, 5), stream)})
    assert enqueued[0].place > 0
    assert enqueued[0].is_done
