"""The pool of slots by itself: who gets which, who waits, who is told off. Needs no GPU."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from trtnn.backends.tensorrt.runtime.pool import SlotPool
from trtnn.backends.tensorrt.runtime.shapes import Shapes
from trtnn.errors import DeviceError

A, B = Shapes(0, ((1,),), ((1,),)), Shapes(1, ((2,),), ((2,),))


class FakeSlot:
    """A slot whose last call, on a stream, the GPU has not finished, or has."""

    def __init__(self) -> None:
        self.shapes: Shapes | None = None
        self.last: int | None = None
        self.done = False
        self.closed = False
        self.user: int | None = None

    def suits(self, handle: int | None, shapes: Shapes) -> bool:
        return self.last in (None, handle) and self.has(shapes)

    def has(self, shapes: Shapes) -> bool:
        return self.shapes is shapes

    def has_profile(self, shapes: Shapes) -> bool:
        return self.shapes is not None and self.shapes.profile == shapes.profile

    def is_free_for(self, handle: int | None) -> bool:
        return self.last in (None, handle) or self.done

    def close(self) -> None:
        self.closed = True


def pool(size: int) -> Any:
    return SlotPool(FakeSlot, size, "engine")  # type: ignore[arg-type]


def used(slots: Any, handle: int, shapes: Shapes) -> Any:
    """A slot after an asynchronous call."""
    slot = slots.acquire(handle, shapes)
    slot.last, slot.shapes, slot.done = handle, shapes, False
    return slot


def test_a_slot_of_the_same_stream_and_shapes_is_used_again() -> None:
    slots = pool(4)
    first = used(slots, 1, A)
    slots.release(first)
    assert slots.acquire(1, A) is first


def test_while_there_is_room_nobody_waits_for_the_gpu_or_changes_profiles() -> None:
    slots = pool(3)
    first = used(slots, 1, A)
    slots.release(first)
    second = used(slots, 2, A)
    assert second is not first  # the GPU still works for stream 1
    slots.release(second)
    third = used(slots, 2, B)
    assert third not in (first, second)  # another profile
    slots.release(third)
    assert used(slots, 3, A) is first  # no more room: the one that rested the longest


def test_the_profile_counts_before_the_time_of_rest() -> None:
    slots = pool(2)
    first, second = used(slots, 1, A), used(slots, 2, B)
    slots.release(first)
    slots.release(second)
    first.done = second.done = True
    assert slots.acquire(3, Shapes(0, ((9,),))) is first


def test_callers_wait_their_turn_and_a_closed_pool_lets_them_go() -> None:
    slots, got = pool(1), []
    slot = slots.acquire(None, A)

    def take() -> None:
        try:
            got.append(slots.acquire(None, A))
        except DeviceError as error:
            got.append(error)

    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    assert not got
    slots.release(slot)
    while not got:
        time.sleep(0.001)
    assert got == [slot]
    closing = threading.Thread(target=slots.close)
    closing.start()
    while len(got) < 2:
        time.sleep(0.001)
    assert "engine: the engine has been closed" in str(got[1])
    assert closing.is_alive()  # until the slot in use comes back
    slots.release(slot)
    closing.join(5)
    assert not closing.is_alive()
    assert slot.closed


def test_a_discarded_slot_makes_room_for_another() -> None:
    slots = pool(1)
    slot = slots.acquire(None, A)
    slots.discard(slot)
    assert slot.closed
    assert slots.acquire(None, A) is not slot


def test_a_slot_makes_room_even_when_closing_it_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    slots = pool(1)
    slot = slots.acquire(None, A)

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(slot, "close", interrupted)
    with pytest.raises(KeyboardInterrupt):
        slots.discard(slot)
    assert slots._made == 0


def test_who_is_interrupted_while_waiting_leaves_the_turn_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    slots, got = pool(1), []
    slot = slots.acquire(None, A)
    wait, first = slots._condition.wait, threading.Event()

    def interrupted_once() -> None:
        mine = not first.is_set()
        first.set()
        wait()
        if mine:
            raise KeyboardInterrupt

    monkeypatch.setattr(slots._condition, "wait", interrupted_once)

    def take() -> None:
        try:
            got.append(slots.acquire(None, A))
        except KeyboardInterrupt as interrupt:
            got.append(interrupt)

    threads = [threading.Thread(target=take, daemon=True) for _ in range(2)]
    for waiting, thread in enumerate(threads, 1):
        thread.start()
        while slots._waiting < waiting:
            time.sleep(0.001)
    slots.release(slot)
    for thread in threads:
        thread.join(10)
    assert isinstance(got[0], KeyboardInterrupt)
    assert got[1:] == [slot]
    assert slots._waiting == 0


def test_a_slot_that_cannot_be_made_takes_no_place() -> None:
    tries = []

    def make() -> Any:
        tries.append(1)
        if len(tries) < 3:
            raise MemoryError
        return FakeSlot()

    slots: Any = SlotPool(make, 1, "engine")
    for _ in range(2):
        with pytest.raises(MemoryError):
            slots.acquire(None, A)
    assert slots.acquire(None, A)
