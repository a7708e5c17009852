"""Ctrl-C at every point of a call where Python may raise it: no slot is lost. On the lazy device; needs no GPU."""

from __future__ import annotations

import dis
import functools
import gc
import sys
from types import CodeType, FrameType
from typing import Any

import pytest

from gpu.runtimes import Setting, assert_right, make, numbers
from trtnn.backends.tensorrt import runtime

PACKAGE = str(runtime.__file__).removesuffix("__init__.py")
BEGUN = -1
CHECKED_AFTER = ("CALL", "CALL_FUNCTION_EX", "CALL_KW", "JUMP_BACKWARD")


@functools.cache
def operations(code: CodeType) -> dict[int, str]:
    return {one.offset: one.opname for one in dis.get_instructions(code)}


class Interrupt:
    """Raises KeyboardInterrupt in the runtime's own code at the point with that number of those where Python may:
    where a function begins, behind a call of a C function, and where a loop goes back."""

    def __init__(self, number: int) -> None:
        self.left = number
        self._last: dict[FrameType, int] = {}

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        frame.f_trace_opcodes = True
        if event == "call":
            self._last[frame] = BEGUN
        elif event == "return" and frame.f_back is not None:
            self._last.pop(frame.f_back, None)  # nothing is raised between a return and what follows it
        elif event == "opcode":
            last = self._last.get(frame)
            self._last[frame] = frame.f_lasti
            if last == BEGUN or (last is not None and operations(frame.f_code)[last] in CHECKED_AFTER):
                self.left -= 1
                if self.left < 0:
                    raise KeyboardInterrupt
        return self


def interrupted(setting: Setting, number: int) -> bool:
    """Whether a call was interrupted, one that has so many points."""
    x, stream = numbers(3, 5), setting.device.new_stream()
    view = setting.view(x, stream)
    gc.disable()  # what is raised in a finalizer is lost
    sys._getframe().f_trace_opcodes = True  # or Python 3.12 traces no operations before the next `settrace`
    sys.settrace(Interrupt(number))
    try:
        setting.run(view)
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(None)
        gc.enable()
    return False


@pytest.mark.parametrize("graphs", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_no_slot_is_lost(graphs: bool, first: bool) -> None:
    number = 0
    while True:
        setting, x = make(cuda_graphs=graphs, max_contexts=1), numbers(3, 5)
        if not first:  # else the slot has to be made
            assert_right(setting.run(x), x)
        if not interrupted(setting, number):
            break
        pool = setting.runtime._pool
        assert pool._made == len(pool._free), f"lost at point {number}"
        assert_right(setting.run(x), x)
        setting.runtime.close()
        number += 1
    assert number > 30
