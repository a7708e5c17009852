"""Looking into arrays of other libraries, by stand-ins for torch and CuPy; and what an engine says of them. No GPU."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gpu.fake_device import FakeDevice, FakeMaker
from trtnn.calling import Arguments
from trtnn.errors import DimError, InputError
from trtnn.gpu import arrays
from trtnn.gpu.arrays import DeviceView, view
from trtnn.gpu.pinned import PinnedPool, is_page_locked
from trtnn.graph import DType, TensorType
from trtnn.graph.dims import symbol


class Tensor:
    """As much of a torch tensor as is looked at."""

    def __init__(self, *shape: int, device: int = 0, dtype: str = "torch.float32", contiguous: bool = True) -> None:
        self.shape, self.dtype, self._device, self._contiguous = shape, dtype, device, contiguous
        self.is_cuda, self.device = device >= 0, f"cuda:{device}"

    def get_device(self) -> int:
        return self._device

    def is_contiguous(self) -> bool:
        return self._contiguous

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
    maker = SimpleNamespace(import_stream=FakeDevice().new_stream())
    monkeypatch.setattr(arrays.library, "load", lambda: SimpleNamespace(core=SimpleNamespace(utils=utils)))
    monkeypatch.setattr(arrays, "OwnMaker", SimpleNamespace(of=lambda ordinal: maker))
    if is_c_order:
        got = view("x", Stranger())
        assert isinstance(got, DeviceView) and (got.pointer, got.shape, got.writeable) == (4096, shape, False)
    else:
        with pytest.raises(InputError, match=r"x: expected an array whose elements lie in C order, got a strided"):
            view("x", Stranger())


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
        (CupyArray(2, 3, device=1), " on GPU 0, where the engine runs, got an array on GPU 1"),
        (CupyArray(2, 3, contiguous=False), r"in C order, got a strided view.*; use cupy\.ascontiguousarray\(x\)"),
        (HostArray((10, 0)), r"on GPU 0, where the engine runs, got an array on device \(10, 0\) of DLPack"),
        (HostArray((2, 1)), r"on GPU 0, where the engine runs, got an array on device \(2, 1\) of DLPack"),
    ],
)
def test_what_cannot_be_used_where_it_is(array: Any, text: str) -> None:
    with pytest.raises(InputError, match=f"^x: expected an array.*{text}"):
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
