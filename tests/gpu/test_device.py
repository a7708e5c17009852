"""The device, around a stand-in for cuda-core that counts what it is asked for. Needs no GPU."""

from __future__ import annotations

import os
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from trtnn.errors import DeviceError
from trtnn.gpu import device as devices
from trtnn.gpu import library
from trtnn.gpu.device import LEGACY_DEFAULT_STREAM, PER_THREAD_DEFAULT_STREAM, Device
from trtnn.gpu.library import CudaLibrary


class Core:
    """As much of ``cuda.core`` as a device uses at first."""

    LEGACY_DEFAULT_STREAM, PER_THREAD_DEFAULT_STREAM = "legacy", "per thread"

    def __init__(self, gpus: int = 1) -> None:
        self.made_current: list[int] = []
        core = self

        class Gpu:
            name, memory_resource = "a GPU", None

            def __init__(self, ordinal: int) -> None:
                self.ordinal = ordinal

            def set_current(self) -> None:
                core.made_current.append(self.ordinal)

            @staticmethod
            def get_all_devices() -> list[int]:
                return list(range(gpus))

        self.Device = Gpu
        self.Stream = SimpleNamespace(from_handle=lambda handle: f"stream {handle}")

    def LegacyPinnedMemoryResource(self) -> None:  # cuda-core's name
        return None


def made(monkeypatch: pytest.MonkeyPatch, gpus: int = 1) -> tuple[Device, Core]:
    core = Core(gpus)
    monkeypatch.setattr(library, "load", lambda: CudaLibrary(core, "1.2.0"))
    monkeypatch.setattr(devices, "_THREAD", devices._Thread())
    device = Device(gpus - 1)
    core.made_current.clear()
    return device, core


def test_each_thread_makes_the_device_current_once_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    device, core = made(monkeypatch)

    def twice() -> None:
        device.make_current()
        device.make_current()

    for _ in range(2):
        thread = threading.Thread(target=twice)
        thread.start()
        thread.join()
    assert core.made_current == [0, 0]


def test_among_several_devices_it_is_made_current_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    device, core = made(monkeypatch, gpus=2)
    device.make_current()
    device.make_current()
    assert core.made_current == [1, 1]


def test_the_default_streams_have_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    device, _ = made(monkeypatch)
    handles = (LEGACY_DEFAULT_STREAM, PER_THREAD_DEFAULT_STREAM, 4096)
    assert [device.stream_of(handle) for handle in handles] == ["legacy", "per thread", "stream 4096"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_is_told_that_cuda_does_not_work_there(monkeypatch: pytest.MonkeyPatch) -> None:
    device, _ = made(monkeypatch)
    device.make_current()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, said_by(device).encode())
        finally:
            os._exit(0)
    os.close(writing)
    deadline = time.monotonic() + 30
    while not os.waitpid(child, os.WNOHANG)[0]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    assert text == (
        "GPU 0: this process was forked from one that uses the GPU, and CUDA does not work in it; "
        'start processes with multiprocessing.get_context("spawn"), or fork before the first call'
    )
    assert said_by(device) == "nothing"


def said_by(device: Any) -> str:
    try:
        device.make_current()
    except DeviceError as error:
        return str(error)
    return "nothing"
