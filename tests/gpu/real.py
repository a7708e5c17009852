"""Engines around the stand-in on a real GPU, and what they are compared by."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpu.cuda_launcher import CudaLauncher
from gpu.runtimes import signature
from gpu.standin import TRT, Network, StandInEngine, expected
from trtnn.backends.tensorrt.engine import TensorRTEngine
from trtnn.backends.tensorrt.runtime import Runtime
from trtnn.engine import Choice
from trtnn.gpu.device import Device

NETWORK = Network(profiles=(((1, 1), (4, 256)), ((2, 16), (64, 1 << 16))))
RANGES = ({"batch": (1, 1, 4), "width": (1, 8, 256)}, {"batch": (2, 32, 64), "width": (16, 64, 1 << 16)})
SHAPES = [(1, 8), (40, 64), (2, 16), (64, 1000), (1, 8), (4, 256)]


def make(network: Network = NETWORK, profiles: Any = RANGES, cycles: int | None = None, **options: Any) -> Any:
    """An engine whose runtime calls the stand-in."""
    device = Device()
    standin = StandInEngine(network, CudaLauncher(device) if cycles is None else CudaLauncher(device, cycles))
    engine = TensorRTEngine(signature(network), Choice("tensorrt", "asked for"), profiles, memoryview(b""), **options)
    engine._runtime = Runtime(standin, TRT, engine.signature, profiles, device, **engine.runtime_options)
    engine.standin = standin  # type: ignore[attr-defined]
    return engine


def on_host(array: Any) -> np.ndarray:
    """A copy of an array of any library, which waits for it as that library does."""
    if isinstance(array, np.ndarray):
        return array
    if hasattr(array, "cpu"):
        return array.cpu().numpy()
    if hasattr(array, "numpy"):
        return array.numpy()
    return array.get() if hasattr(array, "get") else np.asarray(array)


def assert_right(got: Any, x: np.ndarray) -> None:
    wanted = expected(x, compacts="positive" in got)
    for name, array in got.items():
        np.testing.assert_allclose(on_host(array), wanted[name], rtol=1e-5, atol=1e-4, err_msg=name)
