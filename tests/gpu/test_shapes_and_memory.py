"""The parts of the runtime by themselves: profiles, memory that is used again, streams. Needs no GPU."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu.fake_device import FakeDevice
from trtnn.backends.tensorrt.runtime.shapes import ShapeTable, choose_profile, is_known
from trtnn.errors import ArgumentError, DimError
from trtnn.gpu.buffers import Buffers
from trtnn.gpu.pinned import GRANULE, PinnedPool
from trtnn.gpu.streams import stream_handle
from trtnn.graph import DType, TensorType
from trtnn.graph.dims import symbol


@pytest.mark.parametrize(
    ("size", "profile"), [(1, 0), (4, 0), (5, 0), (8, 0), (9, 1), (16, 1), (30, 1), (40, 2), (64, 2), (100, 2)]
)
def test_the_profile_with_the_nearest_optimum_is_chosen(size: int, profile: int) -> None:
    profiles = [{"batch": (1, 4, 8)}, {"batch": (1, 16, 32)}, {"batch": (1, 64, 100)}]
    assert choose_profile(profiles, {"batch": size}) == profile


def test_the_nearest_optimum_is_that_of_the_smallest_ratio() -> None:
    profiles = [{"batch": (1, 1, 64)}, {"batch": (1, 8, 64)}]
    assert [choose_profile(profiles, {"batch": size}) for size in (1, 2, 3, 4)] == [0, 0, 1, 1]


def test_a_size_is_known_unless_it_is_negative() -> None:
    assert [is_known(shape) for shape in ((), (0,), (2, 3), (2, -1))] == [True, True, True, False]


@given(
    st.lists(st.tuples(st.integers(1, 20), st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=4), st.data()
)
def test_a_chosen_profile_always_takes_the_sizes(ranges: list[tuple[int, int, int]], data: st.DataObject) -> None:
    profiles = [{"n": (low, low + more, low + more + most)} for low, more, most in ranges]
    size = data.draw(st.integers(1, 64))
    fitting = [number for number, one in enumerate(profiles) if one["n"][0] <= size <= one["n"][2]]
    if fitting:
        assert choose_profile(profiles, {"n": size}) in fitting
    else:
        with pytest.raises(DimError, match=f"no optimization profile takes n={size}"):
            choose_profile(profiles, {"n": size})


def test_a_network_without_named_dims_has_one_profile() -> None:
    table = ShapeTable({"x": TensorType(DType.float32, (2, 3))}, [{}])
    assert table.find(((2, 3),)).profile == 0
    assert table.find(((2, 3),)) is table.find(((2, 3),))


def test_the_table_forgets_when_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trtnn.backends.tensorrt.runtime.shapes.MOST_KEPT", 2)
    table = ShapeTable({"x": TensorType(DType.float32, (symbol("n"),))}, [{"n": (1, 2, 9)}])
    first = table.find(((1,),))
    assert table.find(((2,),)) is not first
    assert table.find(((1,),)) is first
    table.find(((3,),))
    assert table.find(((1,),)) is not first


def test_page_locked_blocks_come_back_and_the_limit_holds() -> None:
    device = FakeDevice()
    pinned = PinnedPool(device, limit=4 * GRANULE)  # type: ignore[arg-type]
    array, block = pinned.array(100)  # type: ignore[misc]
    assert array.shape == (100,)
    part = array[10:]
    del array
    other, _ = pinned.array(100)  # type: ignore[misc]
    assert other.ctypes.data != block.handle  # a view of the first one lives
    del part
    gc.collect()
    assert pinned.take(GRANULE) is block
    assert pinned.array(3 * GRANULE) is None
    del other
    gc.collect()
    assert pinned.take(3 * GRANULE) is not None  # blocks of other sizes are given up for it
    assert pinned.allocated == 4 * GRANULE
    pinned.close()
    pinned.give_back(block)
    assert device.pinned == 3 * GRANULE


def test_page_locked_memory_that_cannot_be_had_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    device = FakeDevice()
    pinned = PinnedPool(device, limit=4 * GRANULE)  # type: ignore[arg-type]
    allocate = device.allocate_pinned

    def refuse(nbytes: int) -> Any:
        raise MemoryError

    monkeypatch.setattr(device, "allocate_pinned", refuse)
    for _ in range(3):
        with pytest.raises(MemoryError):
            pinned.array(2 * GRANULE)
    monkeypatch.setattr(device, "allocate_pinned", allocate)
    assert pinned.allocated == 0
    assert pinned.array(4 * GRANULE) is not None


def test_buffers_grow_and_are_used_again() -> None:
    device = FakeDevice()
    stream = device.new_stream()
    buffers = Buffers(device, stream)  # type: ignore[arg-type]
    address = buffers.address("x", 100, stream)
    assert buffers.address("x", GRANULE, stream) == address
    assert buffers.address("y", 1, stream) != address
    assert buffers.address("x", GRANULE + 1, stream) != address
    assert device.used == 3 * GRANULE
    buffers.close()
    assert device.used == 0


class Protocol:
    def __cuda_stream__(self) -> tuple[int, int]:
        return (0, 77)


class TorchStream:
    cuda_stream = 88


class CupyStream:
    ptr = 0


@pytest.mark.parametrize(
    ("stream", "handle"), [(5, 5), (0, 1), (Protocol(), 77), (TorchStream(), 88), (CupyStream(), 1)]
)
def test_streams_are_understood(stream: Any, handle: int) -> None:
    assert stream_handle(stream) == handle


@pytest.mark.parametrize("stream", ["5", -1, 5.0, True, object()])
def test_what_is_no_stream_is_refused(stream: Any) -> None:
    with pytest.raises(ArgumentError, match="stream: expected a CUDA stream: its address, a torch or CuPy stream"):
        stream_handle(stream)
