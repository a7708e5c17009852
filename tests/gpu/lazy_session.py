"""An ONNX Runtime session on the CPU that works as one on the GPU does: when its stream comes to it."""

from __future__ import annotations

from typing import Any

import numpy as np

import trtnn as nn
from gpu.fake_device import FakeDevice, FakeMaker, FakeStream, floats
from trtnn import functional as F
from trtnn.backends.onnxruntime.cuda.lane import Lane
from trtnn.backends.onnxruntime.cuda.runtime import CudaRuntime
from trtnn.gpu.arrays import DeviceView

WEIGHTS = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)


class TwoOutputs(nn.Module):
    """tanh(x @ kernel), and the sum of x and y over the last axis."""

    def __init__(self) -> None:
        self.fc = nn.Linear(3, 5, bias=False)

    def forward(
        self, x: nn.Tensor = nn.Input("batch", 3), y: nn.Tensor = nn.Input("batch", 3)
    ) -> tuple[nn.Tensor, nn.Tensor]:
        return F.tanh(self.fc(x)), F.sum(x + y, axis=-1)


def expected(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.tanh(x @ WEIGHTS), (x + y).sum(-1)


def cpu_engine() -> Any:
    model = TwoOutputs()
    model.load_weights({"fc/kernel": WEIGHTS})
    return model.compile(target="onnxruntime")


class LazySession:
    """Puts its runs on the stream, or with ``stream=None`` runs at once, as a session with streams of its own."""

    def __init__(self, session: Any, stream: FakeStream | None) -> None:
        self.session, self.stream, self.runs, self.error = session, stream, 0, None
        self.get_outputs, self.io_binding = session.get_outputs, session.io_binding

    def run_with_iobinding(self, binding: Any, run_options: Any = None) -> None:
        self.runs += 1
        if self.error is not None:
            raise self.error
        if self.stream is None:
            self.session.run_with_iobinding(binding)
        else:
            self.stream.put(lambda: self.session.run_with_iobinding(binding))


class Setting:
    """A runtime on the fake device, with what it is made of."""

    def __init__(self, cuda_graphs: bool = False, waits: bool = False) -> None:
        engine = cpu_engine()
        self.device = FakeDevice()
        self.lane = Lane(self.device)  # type: ignore[arg-type]
        self.session: Any = LazySession(engine.session, None if waits else self.lane.stream)
        self.runtime = CudaRuntime(
            self.session,
            engine.signature,
            self.device,  # type: ignore[arg-type]
            self.lane,
            cuda_graphs=cuda_graphs,
            waits=waits,
            place=("cpu", 0),
        )

    def run(self, x: np.ndarray, y: np.ndarray, **options: Any) -> list[Any]:
        return self.runtime.run({"x": x, "y": y}, **options)

    def view(self, array: np.ndarray, stream: FakeStream | None, on: FakeStream | None = None) -> DeviceView:
        """The array on the device, written in the order of ``on``, for a library that works on ``stream``,
        or on one that nothing else does."""
        on = on or stream or self.device.new_stream()
        buffer, kept = self.device.allocate(array.nbytes, on), array.copy()

        def fill() -> None:
            floats(buffer.handle, kept.size)[:] = kept.ravel()

        on.put(fill)
        return DeviceView(
            buffer.handle, array.shape, array.dtype, on.handle, FakeMaker(stream or self.device.new_stream()), buffer
        )
