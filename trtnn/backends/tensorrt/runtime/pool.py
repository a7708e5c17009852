"""The bounded pool of slots: who gets which, who waits, and what becomes of those that saw an error."""

from __future__ import annotations

import threading
from collections.abc import Callable
from threading import get_ident

from trtnn.backends.tensorrt.runtime.shapes import Shapes
from trtnn.backends.tensorrt.runtime.slots import Slot
from trtnn.errors import DeviceError


class SlotPool:
    """At most ``size`` slots, made when they are needed. Safe to use from several threads.

    No slot is lost to Ctrl-C, wherever it comes: Python raises it behind calls of C functions and where a function
    begins, and so not between an assignment and the ``del`` or the ``append`` below it.
    """

    def __init__(self, make: Callable[[], Slot], size: int, name: str) -> None:
        self._make, self._size, self._name = make, size, name
        self._lock = threading.Lock()
        self._condition = threading.Condition(self._lock)
        self._waiting = 0
        self._free: list[Slot] = []  # the one used last stands last
        self._made = 0
        self._closed = False

    def acquire(self, handle: int | None, shapes: Shapes) -> Slot:
        """A slot for a call on that stream with these shapes; waits while all are taken.

        Takes one whose context is set up for the shapes already where it can, makes a new one rather than wait for
        the GPU or change a context's profile, and reuses the one that rested the longest when there may be no more.
        Raises DeviceError once the pool is closed.
        """
        user, taken, counted = get_ident(), None, False
        try:
            with self._lock:
                while True:
                    if self._closed:
                        raise DeviceError(self._name, problem="the engine has been closed")
                    at_once = self._free and self._free[-1].suits(handle, shapes)
                    place = -1 if at_once else self._choose(handle, shapes)
                    if place is not None:
                        taken = self._free[place]
                        taken.user = user
                        del self._free[place]
                        return taken
                    if self._made < self._size:
                        counted = True
                        self._made += 1
                        break
                    self._wait()
            made = self._make()
            made.user = user
            return made
        except BaseException:
            if taken is not None:
                self.release(taken)
            if counted:
                self._forget()
            raise

    def release(self, slot: Slot) -> None:
        """Gives a slot back."""
        with self._lock:
            if not self._closed:
                if self._waiting:
                    self._condition.notify()  # who wakes up when the lock is free
                slot.user = None
                self._free.append(slot)
                return
        slot.user = get_ident()  # whoever took it
        self.discard(slot)

    def discard(self, slot: Slot) -> None:
        """Closes a slot that saw an error, so that no later call does; a new one may take its place. One that the
        calling thread has given back already stays, since somebody else may have it."""
        if slot.user == get_ident():
            slot.user = None
            self._close(slot)

    def _close(self, slot: Slot) -> None:
        try:
            slot.close()
        finally:
            self._forget()

    def close(self, wait: bool = True) -> None:
        """Closes all slots, those in use when their calls have ended, which it waits for unless told otherwise."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
            free, self._free = self._free, []
        for slot in free:
            self._close(slot)
        with self._condition:
            while wait and self._made:
                self._condition.wait()

    def _wait(self) -> None:
        """Waits for a slot to come back; whoever is interrupted leaves it to the next in the line."""
        self._waiting += 1
        try:
            self._condition.wait()
        except BaseException:
            self._condition.notify()
            raise
        finally:
            self._waiting -= 1

    def _choose(self, handle: int | None, shapes: Shapes) -> int | None:
        """The place among the free ones of the slot to take, None to make another or to wait."""
        free, ready = self._free, None
        may_grow = self._made < self._size
        for place in reversed(range(len(free))):
            if free[place].is_free_for(handle):
                if free[place].has(shapes):
                    return place
                if ready is None or free[place].has_profile(shapes) > free[ready].has_profile(shapes):
                    ready = place
        if ready is not None and (free[ready].has_profile(shapes) or not may_grow):
            return ready
        return None if may_grow or not free else 0

    def _forget(self) -> None:
        with self._condition:
            self._made -= 1
            self._condition.notify_all()
