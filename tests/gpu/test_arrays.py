"""Looking into arrays of other libraries, by stand-ins for torch and CuPy; and what an engine says of them. No GPU."""

from __future__ import annotations

import gc
from collections import defaultdict, deque
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gpu.fake_device import FakeDevice, FakeMaker
from trtnn.calling import Arguments
from trtnn.errors import DimError, InputError
from trtnn.gpu import arrays, streams
from trtnn.gpu.arrays import DeviceView, layout_reader, order_after, view
from trtnn.gpu.device import PER_THREAD_DEFAULT_STREAM
from trtnn.gpu.device_array import DeviceArray
from trtnn.gpu.pinned import PinnedPool, is_page_locked
from trtnn.graph import DType, TensorType
from trtnn.graph.dims import symbol


class Tensor:
    """As much of a torch tensor as is looked at."""

    def __init__(
        self,
        *shape: int,
        device: int = 0,
        dtype: str = "torch.float32",
        contiguous: bool = True,
        negative: bool = False,
    ) -> None:
        self.shape, self.dtype, self._device, self._contiguous = shape, dtype, device, contiguous
        self._negative = negative
        self.is_cuda, self.device = device >= 0, f"cuda:{device}"

    def get_device(self) -> int:
        return self._device

    def is_contiguous(self) -> bool:
        return self._contiguous

    def is_neg(self) -> bool:
        return self._negative

    def data_ptr(self) -> int:
        return 4096

    def __dlpack__(self, **options: Any) -> Any:
        return np.arange(6, dtype=np.float32).reshape(self.shape).__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


class CupyArray:
    """As much of a CuPy array."""

    def __init__(self, *shape: int, device: int = 0, contiguous: bool = True) -> None:
        self.shape, self.dtype, self.device = shape, np.dtype(np.float32), SimpleNamespace(id=device)
        self.flags, self.data = SimpleNamespace(c_contiguous=contiguous), SimpleNamespace(ptr=8192)

    __cuda_array_interface__ = None


class HostArray:
    """An array in host memory, by DLPack alone."""

    def __init__(self, device: tuple[int, int] = (1, 0)) -> None:
        self._array, self._device = np.arange(6, dtype=np.float32).reshape(2, 3), device

    def __dlpack__(self, **options: Any) -> Any:
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device


Tensor.__module__, CupyArray.__module__ = "torch", "cupy"


@pytest.fixture(autouse=True)
def makers(monkeypatch: pytest.MonkeyPatch) -> None:
    maker = FakeMaker(FakeDevice().new_stream())
    maker.dtypes = {"torch.float32": np.dtype(np.float32), "torch.int64": np.dtype(np.int64)}  # type: ignore[attr-defined]
    for name in ("TorchMaker", "CupyMaker"):
        monkeypatch.setattr(arrays, name, SimpleNamespace(of=lambda ordinal: maker))


@pytest.mark.parametrize(("array", "pointer"), [(Tensor(2, 3), 4096), (CupyArray(2, 3), 8192)])
def test_arrays_on_the_gpu_are_not_copied(array: Any, pointer: int) -> None:
    found = view("x", array)
    assert isinstance(found, DeviceView)
    assert (found.pointer, found.shape, found.dtype, found.nbytes) == (pointer, (2, 3), np.float32, 24)
    assert found.owner is array
    assert found.stream == found.maker.current_stream()


@pytest.mark.parametrize("array", [Tensor(2, 3, device=-1), HostArray()])
def test_arrays_in_host_memory_become_numpys(array: Any) -> None:
    found = view("x", array)
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize(
    ("shape", "strides", "is_c_order"),
    [((2, 3), None, True), ((2, 3), (3, 1), True), ((1, 3), (99, 1), True), ((0, 3), (7, 7), True)]
    + [((2, 3), (1, 2), False), ((2, 3), (4, 1), False)],
)
def test_an_array_of_another_library_lies_in_c_order_or_is_refused(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], strides: tuple[int, ...] | None, is_c_order: bool
) -> None:
    """An axis of one element may have any stride."""

    class Stranger:
        __cuda_array_interface__ = None

    found = SimpleNamespace(ptr=4096, shape=shape, strides=strides, dtype=np.dtype(np.float32), readonly=True)
    utils = SimpleNamespace(StridedMemoryView=SimpleNamespace(from_any_interface=lambda array, stream: found))
    maker, stream = SimpleNamespace(), FakeDevice().new_stream()
    monkeypatch.setattr(arrays.library, "load", lambda: SimpleNamespace(core=SimpleNamespace(utils=utils)))
    monkeypatch.setattr(arrays, "OwnMaker", SimpleNamespace(of=lambda ordinal: maker))
    monkeypatch.setattr(arrays, "thread_stream", lambda ordinal: stream.handle)
    if is_c_order:
        got = view("x", Stranger())
        assert isinstance(got, DeviceView) and (got.pointer, got.shape, got.writeable) == (4096, shape, False)
        assert (got.stream, got.lent) == (stream.handle, True)
    else:
        with pytest.raises(InputError, match=r"x: expected an array whose elements lie in C order, got a strided"):
            view("x", Stranger())


def test_an_interface_that_cannot_be_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Old:
        __cuda_array_interface__ = None

    def refuse(array: Any, stream: int) -> Any:
        raise BufferError("only CUDA Array Interface v3 or above is supported")

    utils = SimpleNamespace(StridedMemoryView=SimpleNamespace(from_any_interface=refuse))
    monkeypatch.setattr(arrays.library, "load", lambda: SimpleNamespace(core=SimpleNamespace(utils=utils)))
    monkeypatch.setattr(arrays, "thread_stream", lambda ordinal: 16)
    with pytest.raises(InputError, match=r"x: .* version 3 .*, got Old: only CUDA Array Interface v3"):
        view("x", Old())


def own_array(device: FakeDevice, stream: Any) -> DeviceArray:
    array = DeviceArray.empty(device, (2, 3), np.dtype(np.float32), stream)  # type: ignore[arg-type]
    array.filled(stream)
    return array


def test_an_array_of_ours_is_looked_into_without_a_protocol() -> None:
    device = FakeDevice()
    stream = device.new_stream()
    array = own_array(device, stream)
    found = view("x", array)
    assert isinstance(found, DeviceView)
    assert (found.pointer, found.shape, found.stream) == (array.pointer, (2, 3), stream.handle)
    assert (found.ready, found.lent, found.owner) == (array.ready, False, array)
    array._order(device.new_stream())
    assert view("x", array).lent  # type: ignore[union-attr]  # another stream may give its memory back
    with pytest.raises(InputError, match="x: expected an array on GPU 1, where the engine runs, got an array on GPU 0"):
        view("x", array, 1)


def test_an_array_on_a_per_thread_stream_is_on_no_stream_of_this_thread() -> None:
    device = FakeDevice()
    mine = device.stream_of(PER_THREAD_DEFAULT_STREAM)
    found = view("x", own_array(device, mine))
    assert isinstance(found, DeviceView) and found.stream != PER_THREAD_DEFAULT_STREAM


def test_streams_wait_for_what_is_not_ready_in_their_order() -> None:
    device = FakeDevice()
    mine, other, third = (device.new_stream() for _ in range(3))
    waited: list[Any] = []
    mine.wait = waited.append  # type: ignore[method-assign,assignment]
    ours = [view("x", own_array(device, stream)) for stream in (mine, other, other)]
    theirs = [DeviceView(4096, (3,), np.dtype(np.float32), third.handle, ours[0].maker, None) for _ in range(2)]  # type: ignore[union-attr]
    lent = DeviceView(4096, (3,), np.dtype(np.float32), mine.handle, ours[0].maker, None, lent=True)  # type: ignore[union-attr]
    kept = order_after(device, [*ours, *theirs, lent], mine.handle, mine)  # type: ignore[arg-type,list-item]
    assert waited == [ours[1].ready, ours[2].ready, third]  # type: ignore[union-attr]
    assert kept == [*ours[1:], *theirs, lent]


def test_threads_have_streams_of_their_own_that_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    device = FakeDevice()
    monkeypatch.setattr(streams, "Device", lambda ordinal: device)
    monkeypatch.setattr(streams, "_FREE", defaultdict(deque))
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as two:
        first, again = (one.submit(streams.thread_stream, 7).result() for _ in range(2))
        second = two.submit(streams.thread_stream, 7).result()
    assert first is again and second is not first
    gc.collect()
    with ThreadPoolExecutor(1) as three:
        assert three.submit(streams.thread_stream, 7).result() in (first, second)
    assert not any(stream.closed for stream in device.streams.values())


def test_layouts_and_addresses_are_read_without_a_view() -> None:
    for array, address in ((Tensor(2, 3), 4096), (CupyArray(2, 3), 8192)):
        read = layout_reader(type(array))
        assert read is not None
        layout, found = read(array)
        assert found == address and read(type(array)(2, 3))[0] == layout
        kind = type(array)
        for other in (kind(3, 2), kind(2, 3, device=1), kind(2, 3, contiguous=False)):  # type: ignore[arg-type]
            assert read(other)[0] != layout
    read = layout_reader(Tensor)
    assert read is not None and read(Tensor(2, 3, negative=True))[0] != read(Tensor(2, 3))[0]
    assert layout_reader(np.ndarray) is None and layout_reader(HostArray) is None


def test_the_layout_of_an_array_of_ours_has_its_stream() -> None:
    device = FakeDevice()
    first, second = (own_array(device, device.new_stream()) for _ in range(2))
    read = layout_reader(DeviceArray)
    assert read is not None
    layout, address = read(first)
    assert address == first.pointer and read(second)[0] != layout
    first._order(device.new_stream())
    assert read(first)[0] != layout


def test_other_things_are_none_of_its_business() -> None:
    assert view("x", [1, 2]) is None
    array = np.ones(3)
    assert view("x", array) is array


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (Tensor(2, 3, device=1), r"on GPU 0, where the engine runs, got a tensor on cuda:1; x\.to\(\"cuda:0\"\)"),
        (Tensor(2, 3, contiguous=False), r"elements lie in C order, got a strided view.*; use x\.contiguous\(\)"),
        (Tensor(2, 3, dtype="torch.complex64"), " of numbers, got torch.complex64"),
        (
            Tensor(2, 3, negative=True),
            r" whose memory holds its values, got the negative view of one; use x\.clone\(\)",
        ),
        (CupyArray(2, 3, device=1), " on GPU 0, where the engine runs, got an array on GPU 1"),
        (CupyArray(2, 3, contiguous=False), r"in C order, got a strided view.*; use cupy\.ascontiguousarray\(x\)"),
        (HostArray((10, 0)), r"on GPU 0, where the engine runs, got an array on device \(10, 0\) of DLPack"),
        (HostArray((2, 1)), r"on GPU 0, where the engine runs, got an array on device \(2, 1\) of DLPack"),
    ],
)
def test_what_cannot_be_used_where_it_is(array: Any, text: str) -> None:
    with pytest.raises(InputError, match=f"^x: expected (an array|a tensor).*{text}"):
        view("x", array)


def test_what_numpy_cannot_look_into() -> None:
    class Brain(HostArray):
        def __dlpack__(self, **options: Any) -> Any:
            raise BufferError("Can't export tensors that require gradient")

    with pytest.raises(InputError, match="host memory that NumPy can look into, got Brain: Can't export tensors that"):
        view("x", Brain())


BATCH = symbol("batch")
INPUTS = {"x": TensorType(DType.float32, (BATCH, 3)), "y": TensorType(DType.float32, (BATCH, 3))}
PROFILES = ({"batch": (1, 2, 4)},)
ARGUMENTS = Arguments(INPUTS, PROFILES, True, gpu=0)


def test_views_are_checked_as_numpy_arrays_are() -> None:
    for _ in range(2):  # the second time by memory
        feeds = ARGUMENTS.check([Tensor(2, 3)], {"y": CupyArray(2, 3)})
        assert [one.pointer for one in feeds.values()] == [4096, 8192]
        with pytest.raises(InputError, match="x: expected an array of float32, got int64"):
            ARGUMENTS.check([Tensor(2, 3, dtype="torch.int64"), Tensor(2, 3)], {})
        with pytest.raises(InputError, match=r"y: expected shape \(batch, 3\), got rank 1"):
            ARGUMENTS.check([Tensor(2, 3), Tensor(3)], {})
        with pytest.raises(DimError, match=r"y: batch: expected 2 on axis 0, as in an earlier input, got 3"):
            ARGUMENTS.check([Tensor(2, 3), Tensor(3, 3)], {})
        with pytest.raises(DimError, match=r"batch: expected 1\.\.4, got 5"):
            ARGUMENTS.check([Tensor(5, 3), Tensor(5, 3)], {})


def test_inputs_here_and_there_are_refused() -> None:
    with pytest.raises(
        InputError, match="y: expected an array on the GPU, where the other inputs are, got one in host"
    ):
        ARGUMENTS.check([Tensor(2, 3), np.ones((2, 3), np.float32)], {})


def test_tensors_in_host_memory_are_taken_as_numpy_arrays() -> None:
    feeds = ARGUMENTS.check([Tensor(2, 3, device=-1), np.ones((2, 3), np.float32)], {})
    assert all(type(array) is np.ndarray for array in feeds.values())
    with pytest.raises(InputError, match="x: expected an array of float32, got list"):
        ARGUMENTS.check([[1.0], np.ones((2, 3), np.float32)], {})


def test_an_engine_for_host_memory_takes_no_tensors() -> None:
    with pytest.raises(InputError, match="x: expected an array of float32, got Tensor"):
        Arguments(INPUTS, PROFILES, True).check([Tensor(2, 3), Tensor(2, 3)], {})


def test_nan_is_found_in_large_arrays_too() -> None:
    arguments = Arguments({"x": TensorType(DType.float32, (BATCH,))}, ({"batch": (1, 2, 1 << 23)},), True)
    x = np.ones(1 << 22, np.float32)
    arguments.check([x], {})
    x[3_000_000] = np.nan
    with pytest.raises(InputError, match=r"x: expected numbers, got NaN at index \(3000000,\)"):
        arguments.check([x], {})


def test_page_locked_arrays_are_known_by_their_memory() -> None:
    found = PinnedPool(FakeDevice()).array(1000)  # type: ignore[arg-type]
    assert found is not None
    array = found[0]
    assert is_page_locked(array)
    assert is_page_locked(array.view(np.float32).reshape(10, 25)[3:, :2])
    assert not is_page_locked(array.copy())
    assert not is_page_locked(np.ones(3)[1:])
