"""Calls that have come before: nothing is checked twice, and graphs run on the caller's own arrays. On the lazy device,
with a library of arrays whose freed memory is given out again; needs no GPU."""

from __future__ import annotations

import gc
import random
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import attrs
import numpy as np
import pytest

from gpu.fake_device import FakeBuffer, FakeDevice, FakeLauncher, FakeStream, floats, read
from gpu.runtimes import WIDE, signature
from gpu.standin import TRT, Network, StandInEngine, expected
from trtnn.backends.tensorrt.engine import TensorRTEngine
from trtnn.backends.tensorrt.runtime import Runtime, cuda_graphs
from trtnn.backends.tensorrt.runtime.known import KnownCalls
from trtnn.backends.tensorrt.runtime.shapes import Shapes
from trtnn.calling import Arguments
from trtnn.engine import Choice
from trtnn.errors import ArgumentError, DimError, InputError
from trtnn.gpu import arrays
from trtnn.gpu.device_array import DeviceArray
from trtnn.gpu.makers import Maker

F32 = np.dtype(np.float32)


class Library(Maker):
    """A library of arrays on the lazy device, with a current stream and an allocator that gives out freed memory again,
    to work on the same stream."""

    def __init__(self, device: FakeDevice) -> None:
        super().__init__(0)
        self.device, self.stream = device, device.new_stream()
        self.free: defaultdict[tuple[int, int], list[FakeBuffer]] = defaultdict(list)

    def current_stream(self) -> int:
        return self.stream.handle

    def empty(self, device: Any, shape: tuple[int, ...], dtype: np.dtype, handle: int, stream: Any) -> tuple[Any, int]:
        nbytes = 4 * int(np.prod(shape))
        free = self.free[handle, nbytes]
        buffer = free.pop() if free else self.device.allocate(nbytes, self.device.stream_of(handle))
        return Array(shape, buffer, free), buffer.handle

    def array(self, x: np.ndarray, offset: int = 0) -> Array:
        """x in new memory, written in the order of the current stream."""
        made = Array(x.shape, self.device.allocate(x.nbytes + offset, self.stream), [], offset)
        made.fill(x, self.stream)
        return made


class Array:
    __module__ = "cupy"
    __cuda_array_interface__ = None

    def __init__(self, shape: tuple[int, ...], buffer: FakeBuffer, free: list[FakeBuffer], offset: int = 0) -> None:
        self.shape, self.dtype, self.device = shape, F32, SimpleNamespace(id=0)
        self.flags, self.data = SimpleNamespace(c_contiguous=True), SimpleNamespace(ptr=buffer.handle + offset)
        self._buffer, self._free = buffer, free

    def fill(self, x: np.ndarray, stream: FakeStream) -> None:
        kept, address = x.copy(), self.data.ptr

        def write() -> None:
            floats(address, kept.size)[:] = kept.ravel()

        stream.put(write)

    def __del__(self) -> None:
        self._free.append(self._buffer)


@attrs.frozen(eq=False)
class Setting:
    engine: TensorRTEngine
    library: Library
    standin: StandInEngine
    copies: list[int]
    """The bytes of all copies on the device."""

    @property
    def launches(self) -> list[int]:
        """How many times each graph has run, in the order in which they were captured."""
        return [graph.launches for graph in self.library.device.graphs]


def make(monkeypatch: pytest.MonkeyPatch, **options: Any) -> Setting:
    device, network = FakeDevice(), Network(profiles=(((1, 1), (64, 1 << 14)),))
    library, standin = Library(device), StandInEngine(network, FakeLauncher(device))
    monkeypatch.setattr(arrays, "CupyMaker", SimpleNamespace(of=lambda ordinal: library))
    copies: list[int] = []
    copy = device.copy

    def counted(target: int, source: int, nbytes: int, stream: Any) -> None:
        copies.append(nbytes)
        copy(target, source, nbytes, stream)

    monkeypatch.setattr(device, "copy", counted)
    engine = TensorRTEngine(signature(network), Choice("tensorrt", "asked for"), WIDE, memoryview(b""), **options)
    engine._runtime = Runtime(standin, TRT, engine.signature, WIDE, device, **engine.runtime_options)  # type: ignore[arg-type]
    return Setting(engine, library, standin, copies)


@pytest.fixture(params=[False, True], ids=["enqueued", "graphs"])
def setting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Setting:
    return make(monkeypatch, cuda_graphs=request.param)


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> Setting:
    return make(monkeypatch, cuda_graphs=True, max_contexts=1)


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).normal(size=shape).astype(np.float32)


def assert_right(got: dict[str, Array], x: np.ndarray, stream: FakeStream) -> None:
    stream.sync()
    for name, want in expected(x).items():
        found = floats(got[name].data.ptr, want.size).reshape(want.shape)
        np.testing.assert_allclose(found, want, rtol=1e-6, atol=1e-5, err_msg=name)


def outputs(library: Library, rows: int, columns: int) -> dict[str, Array]:
    return {"y": library.array(np.zeros((rows, columns), F32)), "total": library.array(np.zeros(rows, F32))}


def count_checks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    checks: list[int] = []
    check = Arguments.check

    def counted(self: Arguments, *arguments: Any) -> Any:
        checks.append(1)
        return check(self, *arguments)

    monkeypatch.setattr(Arguments, "check", counted)
    return checks


def test_a_layout_is_checked_once(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    checks, library = count_checks(monkeypatch), setting.library
    for rows in (2, 3):
        for _ in range(4):
            x = numbers(rows, 5)
            assert_right(setting.engine(library.array(x)), x, library.stream)
    assert len(checks) == 2
    setting.engine(x=library.array(x))  # names have to be put in order
    assert len(checks) == 3


def test_given_outputs_are_checked_once_for_their_addresses(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    checks, library, x = count_checks(monkeypatch), setting.library, numbers(3, 5)
    array, out = library.array(x), outputs(library, 3, 5)
    for _ in range(4):
        got = setting.engine(array, out=out)
        assert got["y"] is out["y"] and got["total"] is out["total"]
        assert_right(got, x, library.stream)
    assert len(checks) == 1
    with pytest.raises(InputError, match="out: y: expected memory of its own, got memory that it shares with x"):
        setting.engine(array, out={"y": array, "total": out["total"]})
    with pytest.raises(InputError, match=r"engine: expected 1 inputs \(x\), got 3"):
        setting.engine(array, out["y"], out["total"])
    with pytest.raises(ArgumentError, match="out: expected a dict with y, total"):
        setting.engine(array, out=[out["y"]])
    assert_right(setting.engine(array, out=outputs(library, 3, 5)), x, library.stream)


def test_what_does_not_fit_is_refused_as_at_the_first_call(setting: Setting) -> None:
    library, x = setting.library, numbers(3, 5)
    for _ in range(2):
        assert_right(setting.engine(library.array(x)), x, library.stream)
    with pytest.raises(DimError, match=r"batch: expected 1\.\.64, got 65"):
        setting.engine(library.array(numbers(65, 5)))
    with pytest.raises(InputError, match="engine: expected 1 inputs"):
        setting.engine(library.array(x), library.array(x))
    with pytest.raises(InputError, match=r"engine: expected 1 inputs \(x\), got 2 \(given twice: x\)"):
        setting.engine(library.array(x), x=library.array(x))
    for attribute, value, text in [
        ("dtype", np.dtype(np.float64), "x: expected an array of float32, got float64"),
        ("device", SimpleNamespace(id=1), "x: expected an array on GPU 0, where the engine runs"),
        ("flags", SimpleNamespace(c_contiguous=False), "x: expected an array whose elements lie in C order"),
    ]:
        array = library.array(x)
        setattr(array, attribute, value)
        with pytest.raises(InputError, match=text):
            setting.engine(array)
    assert_right(setting.engine(library.array(x, offset=4)), x, library.stream)


def test_the_order_of_streams_is_kept(setting: Setting) -> None:
    library, x = setting.library, numbers(3, 5)
    setting.engine(library.array(x))
    first, second = library.stream, library.device.new_stream()
    found: list[tuple[Any, FakeStream]] = []
    for _ in range(4):
        for stream in (first, second):
            library.stream = stream
            found.append((setting.engine(library.array(x)), stream))
    library.stream = first
    array = library.array(x)
    found.append((setting.engine(array, stream=first.handle), first))
    got = setting.engine(array, stream=second.handle)  # has to wait for the array
    assert_right(got, x, second)
    library.device.race()
    for got, stream in found:
        assert_right(got, x, stream)


def test_results_of_ours_are_known_in_the_thread_that_they_were_made_in(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In another one they are viewed, and waited for."""
    checks, device, own = count_checks(monkeypatch), setting.library.device, threading.local()

    def thread_stream(ordinal: int) -> int:
        if not hasattr(own, "stream"):
            device.make_current()
            own.stream = device.new_stream()
        return own.stream.handle  # type: ignore[no-any-return]

    monkeypatch.setattr("trtnn.gpu.makers.thread_stream", thread_stream)
    x = numbers(3, 5)
    stream = device.stream_of(thread_stream(0))
    array = DeviceArray.empty(device, x.shape, F32, stream)  # type: ignore[arg-type]
    stream.put(lambda address=array.pointer: floats(address, 15).__setitem__(slice(None), x.ravel()))
    array.filled(stream)
    results = [setting.engine(array) for _ in range(4)]
    assert len(checks) == 1
    with ThreadPoolExecutor(1) as other:
        results += [other.submit(setting.engine, array).result() for _ in range(2)]
    assert len(checks) == 3
    results.append(setting.engine(results[3]["y"]))
    assert len(checks) == 3
    array._order(setting.library.stream)  # it is given to another library, in whose order its memory is freed then
    results += [setting.engine(array) for _ in range(2)]
    assert len(checks) == 5
    device.race()
    for i, got in enumerate(results):
        for name, want in expected(3 * x + 1 if i == 6 else x).items():
            np.testing.assert_allclose(read(got[name]), want, rtol=1e-6, atol=1e-5)


def test_what_comes_from_another_thread_first_is_waited_for_every_time(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks, device, x = count_checks(monkeypatch), setting.library.device, numbers(3, 5)
    mine, theirs = device.new_stream(), device.new_stream()
    monkeypatch.setattr("trtnn.gpu.makers.thread_stream", lambda ordinal: mine.handle)
    array = DeviceArray.empty(device, x.shape, F32, theirs)  # type: ignore[arg-type]
    theirs.put(lambda address=array.pointer: floats(address, 15).__setitem__(slice(None), x.ravel()))
    array.filled(theirs)
    results = [setting.engine(array) for _ in range(3)]
    assert len(checks) == 3
    for got in results:
        np.testing.assert_allclose(read(got["y"]), 3 * x + 1, rtol=1e-6)


def test_arrays_of_two_libraries_are_never_known(setting: Setting) -> None:
    """Each of them may change its current stream."""
    library, known = setting.library, KnownCalls()
    array, out = library.array(numbers(3, 5)), library.array(numbers(3, 5))
    views = [arrays.view("x", one) for one in (array, out)]
    shapes = Shapes(0, ((3, 5),), ((3, 5),), True)
    known.note(views[:1], [], shapes, library.stream.handle)  # type: ignore[arg-type]
    assert known.find([array], []) is not None
    views[1].maker = Library(library.device)  # type: ignore[union-attr]
    known.note(views[:1], views[1:], shapes, library.stream.handle)  # type: ignore[arg-type]
    assert known.find([array], [out]) is None


def test_closing_frees_the_graphs_of_either_kind(graphs: Setting) -> None:
    array = graphs.library.array(numbers(3, 5))
    for _ in range(4):
        graphs.engine(array)
    graphs.engine.close()
    assert [graph.closed for graph in graphs.library.device.graphs] == [True, True]


def test_a_graph_runs_on_arrays_that_come_again(graphs: Setting) -> None:
    library, x = graphs.library, numbers(3, 5)
    array = library.array(x)
    graphs.engine(array)  # captured with memory of its own
    assert (graphs.launches, len(graphs.copies)) == ([0], 3)
    graphs.engine(array)
    assert (graphs.launches, len(graphs.copies)) == ([1], 6)
    graphs.engine(array)  # the addresses come again: captured with them
    assert (graphs.launches, len(graphs.copies)) == ([1, 0], 6)
    for _ in range(3):
        array.fill(2 * x, library.stream)
        got = graphs.engine(array)
        assert_right(got, 2 * x, library.stream)
        array.fill(x, library.stream)
        del got
    assert (graphs.launches, len(graphs.copies)) == ([1, 3], 6)
    assert_right(graphs.engine(library.array(x)), x, library.stream)  # at another address
    assert (graphs.launches, len(graphs.copies)) == ([2, 3], 9)


def test_the_host_and_the_device_use_one_slot_by_turns(graphs: Setting) -> None:
    library = graphs.library
    array = library.array(numbers(3, 5))
    for i in range(6):
        x = i * numbers(3, 5)
        array.fill(x, library.stream)
        on_device, on_host = graphs.engine(array), graphs.engine(x + 1)
        for name, want in expected(x + 1).items():
            np.testing.assert_allclose(on_host[name], want, rtol=1e-6, atol=1e-5)
        assert_right(on_device, x, library.stream)
    assert len(graphs.launches) == 3  # results are kept until the next are there, and so lie in two places by turns


def test_a_few_addresses_have_graphs_and_the_others_are_copied(
    graphs: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, x = graphs.library, numbers(3, 5)
    monkeypatch.setattr(cuda_graphs, "IDLE", 60)
    sources = [library.array(x) for _ in range(20)]
    for _ in range(4):  # by turns: those that came first have graphs, and keep them
        for array in sources:
            assert_right(graphs.engine(array), x, library.stream)
    assert len(graphs.launches) == 1 + 16
    assert sum(graph.closed for graph in library.device.graphs) == 0
    for _ in range(70):
        assert_right(graphs.engine(sources[-1]), x, library.stream)
    assert len(graphs.launches) == 1 + 17  # the one that rested for 60 calls made room
    assert [graph.closed for graph in library.device.graphs].index(True) > 0
    assert sum(graph.closed for graph in library.device.graphs) == 1


def test_a_context_that_has_to_go_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trtnn.backends.tensorrt.runtime.runtime.GRAPHS_PER_SLOT", 1)
    monkeypatch.setattr(cuda_graphs, "IDLE", 0)
    setting = make(monkeypatch, cuda_graphs=True, max_contexts=1)
    first, second, other = (setting.library.array(numbers(*shape)) for shape in ((3, 5), (3, 5), (2, 5)))
    for array, next_one in ((first, second), (second, other)):
        for _ in range(4):
            setting.engine(array)
        done = setting.library.stream.record()
        graphs = len(setting.launches)
        while len(setting.launches) == graphs:
            assert not done.is_done
            setting.engine(next_one)
        assert done.is_done


def test_where_there_is_no_memory_for_another_context_copies_serve(
    graphs: Setting, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    library, x = graphs.library, numbers(3, 5)
    arrays = [library.array(x) for _ in range(2)]
    graphs.engine(arrays[0])
    monkeypatch.setattr(graphs.standin, "create_execution_context", lambda strategy: None)
    for _ in range(4):
        for array in arrays:
            assert_right(graphs.engine(array), x, library.stream)
    assert (
        caplog.text.count("no more CUDA graphs on the caller's own arrays: standin: TensorRT cannot make another") == 1
    )
    assert len(graphs.launches) == 1


def test_addresses_that_never_come_again_are_forgotten(graphs: Setting) -> None:
    library, x = graphs.library, numbers(3, 5)
    kept = [library.array(x) for _ in range(2 * cuda_graphs.SEEN)]
    for array in kept:
        graphs.engine(array)
    assert len(graphs.launches) == 1
    slot = graphs.engine._runtime._pool._free[0]  # type: ignore[union-attr]
    assert len(slot.graphs._seen) == cuda_graphs.SEEN  # type: ignore[union-attr]


def test_a_network_that_cannot_be_captured_is_not_tried_again(graphs: Setting) -> None:
    graphs.library.device.refuses_capture = True
    array = graphs.library.array(numbers(3, 5))
    for _ in range(5):
        assert_right(graphs.engine(array), numbers(3, 5), graphs.library.stream)
    assert graphs.standin._contexts == 1


@pytest.mark.parametrize("seed", range(8))
def test_calls_in_any_order(setting: Setting, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few arrays, results that are kept or dropped, streams that change, work that gets on as it likes."""
    monkeypatch.setattr("trtnn.backends.tensorrt.runtime.runtime.GRAPHS_PER_SLOT", 2)
    monkeypatch.setattr(cuda_graphs, "IDLE", 5)
    setting = make(monkeypatch, cuda_graphs=setting.engine.runtime_options["cuda_graphs"], max_contexts=1 + seed % 2)
    library, dice = setting.library, random.Random(seed)
    streams = [library.stream, library.device.new_stream()]
    places = []
    for library.stream in streams * 2:
        places += [(library.stream, library.array(numbers(rows, 5))) for rows in (2, 3)]
    pending: list[tuple[Any, np.ndarray, FakeStream]] = []
    for i in range(80):
        library.stream, array = dice.choice(places)
        x = i * numbers(*array.shape)
        array.fill(x, library.stream)
        out = outputs(library, *array.shape) if dice.random() < 0.2 else None
        for _ in range(dice.choice([1, 1, 3])):
            pending.append((setting.engine(array, out=out), x, library.stream))
        while len(pending) > dice.randrange(8):
            assert_right(*pending.pop(0))
        stream = dice.choice(list(library.device.streams.values()))
        stream.run_until(min(stream.done + dice.randrange(6), len(stream.queue)))
    library.device.race()
    for one in pending:
        assert_right(*one)
    setting.engine.close()
    del setting, pending, array, out, one
    places.clear()
    library.free.clear()
    gc.collect()
    assert library.device.used == 0
