"""The runtime on a real GPU: the stand-in's slow kernels on the streams, with NumPy, torch, CuPy and JAX around it."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from gpu.cuda_launcher import SLOW, launch
from gpu.real import SHAPES, assert_right, make
from gpu.runtimes import numbers
from trtnn import gpu
from trtnn.backends.tensorrt.runtime import on_device
from trtnn.backends.tensorrt.runtime.slots import Slot
from trtnn.errors import DeviceError, InputError
from trtnn.gpu.device import Device
from trtnn.gpu.device_array import DeviceArray

pytestmark = pytest.mark.skipif(not gpu.available(), reason=f"no GPU: {gpu.why_not()}")


def test_numpy_with_shapes_and_profiles_that_change(engine: Any) -> None:
    for shape in SHAPES * 2:
        x = numbers(*shape)
        got = engine(x)
        assert all(isinstance(array, np.ndarray) for array in got.values())
        assert_right(got, x)


def test_torch_on_its_current_stream(engine: Any, torch: Any) -> None:
    for stream in (torch.cuda.default_stream(), torch.cuda.Stream()):
        for shape in SHAPES * 2:
            x = numbers(*shape)
            source = torch.from_numpy(x).cuda()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                torch.cuda._sleep(SLOW)
                moved = source * 2
                got = engine(moved)
                doubled = {name: array + array for name, array in got.items()}
                assert all(isinstance(array, torch.Tensor) and array.is_cuda for array in got.values())
                del moved
                torch.empty(shape, device="cuda").fill_(float("nan"))
            stream.synchronize()
            assert_right({name: array / 2 for name, array in doubled.items()}, 2 * x)


def test_a_negative_view_of_torch_is_refused(engine: Any, torch: Any) -> None:
    x = torch.from_numpy(numbers(2, 16)).cuda()
    assert_right(engine(x), x.cpu().numpy())
    with pytest.raises(InputError, match=r"x: expected a tensor whose memory holds its values, got the negative view"):
        engine(torch._neg_view(x))


def test_torch_on_a_given_stream_waits_for_the_current_one(engine: Any, torch: Any) -> None:
    for shape in SHAPES:
        x, stream = numbers(*shape), torch.cuda.Stream()
        source = torch.from_numpy(x).cuda()
        torch.cuda.synchronize()
        torch.cuda._sleep(SLOW)
        moved = source * 2
        got = engine(moved, stream=stream)
        del moved
        torch.empty(shape, device="cuda").fill_(float("nan"))  # would take moved's memory if it were free
        stream.synchronize()
        assert_right(got, 2 * x)


@pytest.mark.parametrize("kind", ["int", "torch", "cupy", "cuda-core"])
def test_streams_of_every_kind(engine: Any, torch: Any, kind: str) -> None:
    made: Any = torch.cuda.Stream()
    handle = made.cuda_stream
    if kind == "cupy":
        made = pytest.importorskip("cupy").cuda.ExternalStream(handle)
    if kind == "cuda-core":
        made = gpu.load().core.Stream.from_handle(handle)
    x = numbers(2, 16)
    assert_right(engine(x, stream=handle if kind == "int" else made), x)
    got = engine(torch.from_numpy(x).cuda(), stream=handle if kind == "int" else made)
    torch.cuda.synchronize()
    assert_right(got, x)


def race(torch: Any, made: Any, producing: int) -> bool:
    """Whether one context that two streams share gives right results, for inputs that take ``producing`` cycles."""
    streams = [torch.cuda.Stream(), torch.cuda.Stream()]
    arrays = [numbers(40, 640) for _ in range(6)]
    sources = [torch.from_numpy(x).cuda() for x in arrays]
    torch.cuda.synchronize()
    results = []
    for i, source in enumerate(sources):
        if producing:
            torch.cuda._sleep(producing)
        results.append(made(source * 2, stream=streams[i % 2]))
    torch.cuda.synchronize()
    try:
        for got, x in zip(results, arrays, strict=True):
            assert_right(got, 2 * x)
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize("planted", ["nothing", "no order after producers", "no order after the last call"])
def test_a_race_shows(torch: Any, planted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made, producing = make(max_contexts=1, cycles=4 * SLOW), 16 * SLOW  # longer than the network takes to begin
    race(torch, made, 0)  # loads kernels, which would hide a race
    if planted == "no order after producers":
        monkeypatch.setattr(on_device, "order_after", lambda device, views, handle, stream: [])
    if planted == "no order after the last call":
        producing = 0  # so that the runs come close upon each other
        begin = Slot.begin

        def forgetful(self: Slot, handle: int | None) -> Any:
            self._last = None
            return begin(self, handle)

        monkeypatch.setattr(Slot, "begin", forgetful)
    assert race(torch, made, producing) == (planted == "nothing")
    if planted == "nothing":
        assert race(torch, made, 0)


def test_a_missing_synchronization_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    made, x = make(), numbers(40, 640)
    assert_right(made(x), x)

    class Hasty:
        def __init__(self, stream: Any) -> None:
            self._stream, self.handle = stream, stream.handle

        def __getattr__(self, name: str) -> Any:
            return getattr(self._stream, name)

        def __cuda_stream__(self) -> Any:
            return self._stream.__cuda_stream__()

    begin = Slot.begin
    copy = Device.copy

    def hasty(self: Slot, handle: int | None) -> Any:
        handle, stream = begin(self, handle)
        proxy = Hasty(stream)
        proxy.sync = lambda: None  # type: ignore[attr-defined]
        return handle, proxy

    monkeypatch.setattr(Slot, "begin", hasty)
    monkeypatch.setattr(
        Device, "copy", lambda self, a, b, n, stream: copy(self, a, b, n, getattr(stream, "_stream", stream))
    )
    with pytest.raises(AssertionError):
        assert_right(made(-x), -x)
    monkeypatch.undo()
    gpu.library.device().sync()
    assert_right(made(-x), -x)


def test_cupy(engine: Any) -> None:
    cupy = pytest.importorskip("cupy")
    for stream in (cupy.cuda.Stream.null, cupy.cuda.Stream(non_blocking=True)):
        for shape in SHAPES:
            x = numbers(*shape)
            with stream:
                got = engine(cupy.asarray(x) * 2)
                assert all(isinstance(array, cupy.ndarray) for array in got.values())
                assert_right({name: (array + array) / 2 for name, array in got.items()}, 2 * x)


def test_jax(engine: Any) -> None:
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    jax = pytest.importorskip("jax")
    for shape in SHAPES:
        x = numbers(*shape)
        got = engine(jax.device_put(x, jax.devices("gpu")[0]) * 2)
        assert all(isinstance(array, jax.Array) for array in got.values())
        assert_right({name: np.asarray((array + array) / 2) for name, array in got.items()}, 2 * x)


class Interface:
    """An array that speaks ``__cuda_array_interface__`` and nothing else."""

    def __init__(self, array: DeviceArray) -> None:
        self.__cuda_array_interface__ = array.__cuda_array_interface__
        self.kept = array


@pytest.mark.parametrize("interface", [False, True], ids=["dlpack", "interface"])
def test_arrays_of_no_known_library(engine: Any, torch: Any, interface: bool) -> None:
    for shape in SHAPES:
        x = numbers(*shape)
        device, stream = Device(), Device().new_stream()
        source = torch.from_numpy(x).cuda()
        torch.cuda.synchronize()
        array = DeviceArray.empty(device, shape, np.dtype(np.float32), stream)
        launch(stream, "fill", 1, array.pointer, source.data_ptr(), x.size, SLOW)
        array.filled(stream)
        got = engine(Interface(array) if interface else array)
        assert all(isinstance(one, DeviceArray) for one in got.values())
        tensors = {name: torch.from_dlpack(one) for name, one in got.items()}  # torch waits for the kernels
        doubled = {name: tensor + tensor for name, tensor in tensors.items()}
        assert_right({name: tensor / 2 for name, tensor in doubled.items()}, x)
        assert_right(got, x)


def test_out_on_both_sides(engine: Any, torch: Any) -> None:
    for shape in SHAPES:
        x = numbers(*shape)
        host = {"y": np.zeros(shape, np.float32), "total": np.zeros(shape[0], np.float32)}
        got = engine(x, out=host)
        assert got["y"] is host["y"]
        assert_right(host, x)
        out = {name: torch.from_numpy(np.zeros_like(array)).cuda() for name, array in host.items()}
        got = engine(torch.from_numpy(x).cuda(), out=out)
        assert got["y"] is out["y"]
        assert_right(out, x)


def test_page_locked_arrays_are_read_and_written_where_they_are(engine: Any, torch: Any) -> None:
    x = gpu.empty_pinned((64, 5000))
    out = {"y": gpu.empty_pinned((64, 5000)), "total": np.empty(64, np.float32)}
    for _ in range(3):
        x[:] = numbers(64, 5000)
        assert_right(engine(x), x)
        assert_right(engine(x[1:3]), x[1:3])
        assert_right(engine(x, out=out), x)
        assert_right(engine(engine(x)["y"]), 3 * x + 1)


def test_bound_calls_follow_their_inputs(engine: Any, torch: Any) -> None:
    x = torch.zeros(40, 640, device="cuda")
    stream = torch.cuda.Stream()
    for options in ({}, {"stream": stream}, {"out": {"y": torch.empty_like(x), "total": torch.empty(40).cuda()}}):
        bound = engine.bind(x, **options)
        for _ in range(4):
            values = numbers(40, 640)
            torch.cuda.synchronize()
            x.copy_(torch.from_numpy(values))
            torch.cuda.synchronize()
            got = bound()
            torch.cuda.synchronize()
            assert got is bound.outputs
            assert_right(got, values)
        bound.close()
        with pytest.raises(DeviceError, match="bound call: it has been closed"):
            bound()
