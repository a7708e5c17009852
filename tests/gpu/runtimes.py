"""Runtimes around the stand-in, on the device that lives in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np

from gpu.fake_device import FakeDevice, FakeLauncher, FakeMaker, FakeStream, floats
from gpu.standin import TRT, Failures, Network, StandInEngine, expected
from trtnn.backends.tensorrt.runtime import Runtime
from trtnn.calling import Ranges
from trtnn.engine import Signature
from trtnn.gpu.arrays import DeviceView
from trtnn.graph import DType, TensorType
from trtnn.graph.dims import symbol

WIDE = ({"batch": (1, 4, 64), "width": (1, 16, 1 << 26)},)


RNG = np.random.default_rng(0)
TWO_PROFILES = Network(profiles=(((1, 1), (4, 32)), ((2, 16), (64, 1 << 14))))
TWO_RANGES = ({"batch": (1, 1, 4), "width": (1, 8, 32)}, {"batch": (2, 32, 64), "width": (16, 64, 1 << 14)})


def signature(network: Network) -> Signature:
    """What a caller sees of the stand-in's network."""
    batch, width, found = (symbol(name) for name in ("batch", "width", "found"))
    shapes = {"y": (batch, width), "total": (batch,), "positive": (found,)}
    outputs = {name: TensorType(DType.float32, shapes[name]) for name in network.outputs}
    return Signature("standin", {"x": TensorType(DType.float32, (batch, width))}, outputs, "dict")


@attrs.frozen(eq=False)
class Setting:
    """A runtime with the device and the engine below it."""

    runtime: Runtime
    device: FakeDevice
    engine: StandInEngine

    @property
    def failures(self) -> Failures:
        return self.engine._failures

    def run(self, x: np.ndarray, **options: Any) -> dict[str, np.ndarray]:
        """The outputs by name, for a NumPy array."""
        return dict(zip(self.engine._network.outputs, self.runtime.run({"x": x}, **options), strict=True))

    def view(self, x: np.ndarray, stream: FakeStream | None, on: FakeStream | None = None, offset: int = 0) -> Any:
        """x on the device, written in the order of ``on``, for a library that works on ``stream``, or on one that
        nothing else does."""
        on = on or stream or self.device.new_stream()
        buffer = self.device.allocate(x.nbytes + offset, on)
        kept, address = x.copy(), buffer.handle + offset  # the stream does not keep the buffer alive

        def fill() -> None:
            floats(address, x.size)[:] = kept.ravel()

        on.put(fill)
        return DeviceView(
            buffer.handle + offset, x.shape, x.dtype, on.handle, FakeMaker(stream or self.device.new_stream()), buffer
        )


def make(network: Network | None = None, profiles: Sequence[Ranges] = WIDE, **options: Any) -> Setting:
    """A runtime on a device of its own."""
    network = network or Network(profiles=(((1, 1), (64, 1 << 14)),))
    device = FakeDevice()
    engine = StandInEngine(network, FakeLauncher(device))
    runtime: Runtime = Runtime(engine, TRT, signature(network), profiles, device, **options)  # type: ignore[arg-type]
    return Setting(runtime, device, engine)


def numbers(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def assert_right(got: dict[str, Any], x: np.ndarray) -> None:
    for name, want in expected(x, compacts="positive" in got).items():
        np.testing.assert_allclose(got[name], want, rtol=1e-6, atol=1e-5)
