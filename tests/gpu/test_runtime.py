"""The runtime's logic on a device that does nothing before somebody waits for it; needs no GPU."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

from gpu.fake_device import floats, read
from gpu.runtimes import TWO_PROFILES, TWO_RANGES, Setting, assert_right, make, numbers
from gpu.standin import Network
from trtnn.errors import ArgumentError, DeviceError, DimError, InputError, UnsupportedError


@pytest.fixture(params=[False, True], ids=["enqueued", "graphs"])
def setting(request: pytest.FixtureRequest) -> Setting:
    return make(cuda_graphs=request.param)


def test_numpy_in_and_out_with_shapes_that_change(setting: Setting) -> None:
    for shape in [(2, 3), (2, 3), (5, 7), (1, 1), (2, 3), (64, 100), (2, 3)]:
        x = numbers(*shape)
        assert_right(setting.run(x), x)


def test_results_are_the_callers_own(setting: Setting) -> None:
    x = numbers(2, 3)
    first = setting.run(x)
    second = setting.run(-x)
    assert_right(first, x)
    assert_right(second, -x)
    first["y"][:] = 0
    assert_right(second, -x)


def test_large_results_are_given_in_page_locked_memory_that_comes_back() -> None:
    setting = make(Network(profiles=(((1, 1), (64, 1 << 20)),)))
    x = numbers(4, 1 << 17)
    first = setting.run(x)["y"]
    assert not first.flags.owndata
    address = first.ctypes.data
    np.testing.assert_allclose(first, 3 * x + 1, rtol=1e-6)
    del first
    gc.collect()
    again = setting.run(x)["y"]
    assert again.ctypes.data == address
    other = setting.run(2 * x)["y"]
    assert other.ctypes.data != address
    np.testing.assert_allclose(again, 3 * x + 1, rtol=1e-6)


def test_arrays_larger_than_a_chunk_go_in_pieces() -> None:
    setting = make(Network(profiles=(((1, 1), (64, 1 << 22)),)))
    x = numbers(5, 1 << 19)  # two chunks and a half
    out = {"y": np.empty_like(x), "total": np.empty(5, np.float32)}
    got = setting.run(x, out=out)
    assert got["y"] is out["y"]
    np.testing.assert_array_equal(got["y"], 3 * x + 1)


def test_views_in_and_arrays_out_without_waiting(setting: Setting) -> None:
    stream = setting.device.new_stream()
    for shape in [(2, 3), (2, 3), (5, 7), (2, 3)]:
        x = numbers(*shape)
        done = stream.done
        got = setting.run(setting.view(x, stream))  # type: ignore[arg-type]
        assert stream.done == done, "the call waited for the GPU"
        assert_right({name: read(array) for name, array in got.items()}, x)


def test_producers_on_another_stream_come_first(setting: Setting) -> None:
    mine, other = setting.device.new_stream(), setting.device.new_stream()
    x = numbers(4, 4)
    got = setting.run(setting.view(x, mine, on=other), stream=mine.handle)  # type: ignore[arg-type]
    assert other.done == 0
    assert_right({name: read(array) for name, array in got.items()}, x)


def test_inputs_of_another_stream_live_until_they_are_read(setting: Setting) -> None:
    mine, other = setting.device.new_stream(), setting.device.new_stream()
    x = numbers(4, 4)
    view = setting.view(x, mine, on=other)
    got = setting.run(view, stream=mine.handle)  # type: ignore[arg-type]
    del view
    gc.collect()
    other.sync()  # a memory that was given back would be overwritten now
    assert_right({name: read(array) for name, array in got.items()}, x)
    setting.run(setting.view(x, mine))  # type: ignore[arg-type]  # lets go of it
    gc.collect()


def test_a_context_that_works_for_one_stream_is_not_disturbed_by_the_next(setting: Setting) -> None:
    setting = make(max_contexts=1, cuda_graphs=setting.runtime._cuda_graphs)
    streams = [setting.device.new_stream() for _ in range(3)]
    arrays = [numbers(3, 5) for _ in range(9)]
    results = [setting.run(setting.view(x, streams[i % 3])) for i, x in enumerate(arrays)]  # type: ignore[arg-type]
    setting.device.race()
    for got, x in zip(results, arrays, strict=True):
        assert_right({name: read(array) for name, array in got.items()}, x)


def test_without_a_stream_of_the_library_it_works_on_its_own(setting: Setting) -> None:
    x = numbers(3, 5)
    got = setting.run(setting.view(x, None))  # type: ignore[arg-type]
    assert_right({name: read(array) for name, array in got.items()}, x)


def test_unaligned_inputs_are_moved(setting: Setting) -> None:
    stream, x = setting.device.new_stream(), numbers(3, 5)
    got = setting.run(setting.view(x, stream, offset=4))  # type: ignore[arg-type]
    assert_right({name: read(array) for name, array in got.items()}, x)


@pytest.mark.parametrize("graphs", [False, True])
def test_outputs_whose_size_depends_on_the_values(graphs: bool, caplog: pytest.LogCaptureFixture) -> None:
    network = Network(profiles=(((1, 1), (64, 1 << 14)),), compacts=True)
    setting = make(network, cuda_graphs=graphs)
    for x in [numbers(3, 5), numbers(3, 5), -np.abs(numbers(2, 2)), numbers(4, 4)]:
        assert_right(setting.run(x), x)
        stream = setting.device.new_stream()
        got = setting.run(setting.view(x, stream))  # type: ignore[arg-type]
        assert_right({name: read(array) for name, array in got.items()}, x)
    assert not setting.device.graphs
    assert ("no CUDA graph, since outputs' sizes depend on the values" in caplog.text) == graphs
    with pytest.raises(UnsupportedError, match=r"out: the sizes of the outputs depend on the values"):
        setting.run(numbers(3, 5), out={})
    with pytest.raises(UnsupportedError, match="cannot be bound"):
        setting.runtime.bind({"x": setting.view(numbers(3, 5), stream)})


def test_the_profile_follows_the_sizes() -> None:
    setting = make(TWO_PROFILES, TWO_RANGES, max_contexts=1)
    for shape in [(1, 8), (40, 64), (1, 8), (2, 16), (64, 1 << 14), (3, 20)]:
        x = numbers(*shape)
        assert_right(setting.run(x), x)
    with pytest.raises(DimError, match="no optimization profile takes batch=1, width=64"):
        setting.run(numbers(1, 64))


def test_profiles_get_contexts_of_their_own_while_there_is_room() -> None:
    setting = make(TWO_PROFILES, TWO_RANGES, max_contexts=2)
    for _ in range(3):
        for shape in [(1, 8), (40, 64)]:
            x = numbers(*shape)
            assert_right(setting.run(x), x)
    assert setting.engine._contexts == 2
    assert setting.engine._profile_changes == 1


def test_out_on_the_host_and_on_the_device(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    x = numbers(3, 5)
    out = {"total": np.empty(3, np.float32), "y": np.empty((3, 5), np.float32)}
    got = setting.run(x, out=out)
    assert got["y"] is out["y"] and got["total"] is out["total"]
    assert_right(got, x)

    stream = setting.device.new_stream()
    views = {name: setting.view(np.zeros_like(array), stream) for name, array in out.items()}
    monkeypatch.setattr("trtnn.gpu.arrays.view", lambda name, array, ordinal: array)
    got = setting.run(setting.view(x, stream), out=views)  # type: ignore[arg-type]
    assert got["y"] is views["y"]
    stream.sync()
    buffer = views["y"].owner
    np.testing.assert_allclose(
        np.frombuffer(buffer.memory, np.float32, 15, buffer.handle - buffer.memory.ctypes.data).reshape(3, 5), 3 * x + 1
    )


@pytest.mark.parametrize(
    ("out", "error", "text"),
    [
        ({"y": np.empty((3, 5), np.float32)}, ArgumentError, "out: expected a dict with y, total, got a dict with y"),
        ([], ArgumentError, "out: expected a dict with y, total, got 0 arrays"),
        (
            {"y": np.empty((3, 4), np.float32), "total": np.empty(3, np.float32)},
            InputError,
            r"out: y: expected shape \(3, 5\) for these inputs, got shape \(3, 4\)",
        ),
        (
            {"y": np.empty((3, 5)), "total": np.empty(3, np.float32)},
            InputError,
            "out: y: expected an array of float32, got float64",
        ),
        ({"y": [1], "total": 2}, InputError, "out: y: expected a NumPy array, as the inputs are, got list"),
        (
            {"y": np.empty((5, 3), np.float32).T, "total": np.empty(3, np.float32)},
            InputError,
            "out: y: expected an array in C order that can be written",
        ),
    ],
)
def test_an_out_that_does_not_fit_is_refused_and_costs_nothing(
    setting: Setting, out: Any, error: type[Exception], text: str
) -> None:
    x = numbers(3, 5)
    with pytest.raises(error, match=text):
        setting.run(x, out=out)
    made = setting.engine._contexts
    setting.device.race()
    assert_right(setting.run(x), x)
    assert setting.engine._contexts == made


def test_graphs_are_captured_once_per_shapes_and_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trtnn.backends.tensorrt.runtime.runtime.GRAPHS_PER_SLOT", 2)
    setting = make(cuda_graphs=True, max_contexts=1)
    for shape in [(2, 16), (3, 16), (2, 16), (4, 16), (3, 16)]:
        for _ in range(2):
            x = numbers(*shape)
            assert_right(setting.run(x), x)
    launched = [(graph.launches, graph.closed) for graph in setting.device.graphs]
    assert launched == [(3, True), (1, True), (1, False), (1, False)]  # (3, 16) was captured twice


def test_a_network_that_cannot_be_captured_runs_without_a_graph(caplog: pytest.LogCaptureFixture) -> None:
    setting = make(cuda_graphs=True)
    setting.device.refuses_capture = True
    for _ in range(3):
        x = numbers(2, 16)
        assert_right(setting.run(x), x)
    assert caplog.text.count("standin cannot be captured as a CUDA graph and runs without: CUDA_ERROR") == 1
    stream = setting.device.new_stream()
    with pytest.raises(DeviceError, match=r"cannot be captured as a CUDA graph: .*; compile with cuda_graphs=False"):
        setting.runtime.bind({"x": setting.view(numbers(2, 16), stream)})


def test_bound_calls_follow_their_inputs(setting: Setting) -> None:
    stream, x = setting.device.new_stream(), numbers(3, 5)
    view = setting.view(x, stream)
    bound = setting.runtime.bind({"x": view})
    for values in (x, numbers(3, 5), numbers(3, 5)):
        stream.sync()
        floats(view.pointer, 15)[:] = values.ravel()
        got = bound()
        assert got is bound.outputs
        stream.sync()
        assert_right(
            {name: floats(one.pointer, one.nbytes // 4).reshape(one.shape) for name, one in got.items()}, values
        )
    setting.failures.raises = 1
    if not setting.runtime._cuda_graphs:
        with pytest.raises(DeviceError, match="an injected exception"):
            bound()
    bound.close()
    with pytest.raises(DeviceError, match="bound call: it has been closed"):
        bound()
    with pytest.raises(InputError, match=r"x: expected an address that is a multiple of 256, got .*; copy it"):
        setting.runtime.bind({"x": setting.view(x, stream, offset=4)})
