"""Launching one kernel on arrays of a caller's: threads, streams, memory that the kernel still reads. Needs no GPU."""

from __future__ import annotations

import gc
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from gpu.fake_device import FakeDevice, FakeMaker, FakeStream, floats, read

from trtnn.custom.kernels import launching
from trtnn.gpu.arrays import DeviceView
from trtnn.gpu.held import Held
from trtnn.graph import DType, TensorType


class Setting:
    """A kernel y = 2 x on the fake device."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.device, self.held = FakeDevice(), Held()
        prepared = SimpleNamespace(
            outputs=(TensorType(DType.float32, (4,)),), launch=SimpleNamespace(workspace=0), enqueue=self.enqueue
        )
        monkeypatch.setattr(launching, "custom_of", lambda op: op)
        monkeypatch.setattr(launching, "device_of", lambda ordinal: self.device)
        monkeypatch.setattr(launching, "prepare", lambda *rest: prepared)
        monkeypatch.setattr(launching, "_view", lambda op, i, array, ordinal: array)
        monkeypatch.setattr(launching, "_held", lambda ordinal: self.held)

    def enqueue(self, inputs: list[int], outputs: list[int], workspace: int, stream: FakeStream) -> None:
        (x,), (y,) = inputs, outputs

        def double() -> None:
            floats(y, 4)[:] = 2 * floats(x, 4)

        stream.put(double)

    def view(self, x: np.ndarray, stream: FakeStream) -> DeviceView:
        buffer, kept = self.device.allocate(x.nbytes, stream), x.copy()
        address = buffer.handle

        def fill() -> None:
            floats(address, x.size)[:] = kept

        stream.put(fill)
        return DeviceView(address, x.shape, x.dtype, stream.handle, FakeMaker(stream), buffer)

    def launch(self, x: DeviceView, **options: Any) -> Any:
        return launching.launch("op", x, kernel="kernel", **options)  # type: ignore[arg-type]


X = np.arange(4, dtype=np.float32)


def test_a_kernel_can_be_launched_from_any_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    setting = Setting(monkeypatch)
    view, got = setting.view(X, setting.device.new_stream()), []
    thread = threading.Thread(target=lambda: got.append(setting.launch(view)))
    thread.start()
    thread.join(30)
    np.testing.assert_array_equal(read(got[0]), 2 * X)


def test_an_operand_of_another_stream_lives_until_it_has_been_read(monkeypatch: pytest.MonkeyPatch) -> None:
    setting = Setting(monkeypatch)
    other, mine = setting.device.new_stream(), setting.device.new_stream()
    got = setting.launch(setting.view(X, other), stream=mine.handle)
    gc.collect()
    other.sync()  # memory that was given back would be overwritten here
    np.testing.assert_array_equal(read(got), 2 * X)
    assert len(setting.held._owners) == 1
    mine.sync()
    setting.launch(setting.view(X, mine))
    assert not setting.held._owners
