"""Networks built by hand, for tests: real TensorRT-RTX networks, simulated and, where asked, compiled."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import api_listing
import numpy as np
import pytest

from trtnn.backends.tensorrt.simulate import evaluate

trt: Any = pytest.importorskip("tensorrt_rtx")


@pytest.fixture(scope="module", autouse=True)
def in_every_listing() -> Iterator[None]:
    """A module that imports this proves that all it uses of TensorRT, in building and reading, is in every version."""
    with api_listing.recording(trt) as uses:
        yield
    api_listing.check(uses)


class _Logger(trt.ILogger):
    """Keeps what TensorRT reports as errors, except that there is no GPU."""

    def __init__(self) -> None:
        trt.ILogger.__init__(self)
        self.errors: list[str] = []

    def log(self, severity: Any, message: str) -> None:
        if severity <= trt.ILogger.ERROR and "catchCudaError" not in message:
            self.errors.append(message)


_LOGGER = _Logger()


@functools.cache
def _builder() -> Any:
    return trt.Builder(_LOGGER)


class HandNetwork:
    """A strongly typed network. Layers are added to ``.network``; arrays given to it live as long as it does."""

    def __init__(self) -> None:
        self.network = _builder().create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        self.constants: dict[str, np.ndarray] = {}
        _LOGGER.errors.clear()

    @property
    def errors(self) -> list[str]:
        """What TensorRT has reported as errors since the network was made."""
        return _LOGGER.errors

    def input(self, name: str, shape: Sequence[int], dtype: Any = np.float32) -> Any:
        """A network input of a NumPy or TensorRT data type, -1 being dynamic."""
        found = dtype if isinstance(dtype, trt.DataType) else DATA_TYPES[np.dtype(dtype)]
        return self.network.add_input(name, found, tuple(shape))

    def constant(self, values: Any, dtype: Any = None) -> Any:
        """A constant tensor."""
        array = np.asarray(values, dtype)
        return self.network.add_constant(array.shape, np.ascontiguousarray(array).reshape(array.shape)).get_output(0)

    def mark(self, tensor: Any, name: str = "y") -> Any:
        """Makes a tensor an output of the network."""
        tensor.name = name
        self.network.mark_output(tensor)
        return tensor

    def simulate(self, **inputs: np.ndarray) -> Any:
        """Evaluates the network, about which TensorRT must report no error: its output, or a dict of several."""
        outputs = evaluate(trt, self.network, inputs, self.constants)
        assert not self.errors, "; ".join(self.errors)
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs

    def simulate_and_build(self, **inputs: np.ndarray) -> Any:
        """Evaluates a network of static shapes, once TensorRT has compiled it too."""
        self.build()
        return self.simulate(**inputs)

    def build(self, **profile: tuple[Sequence[int], Sequence[int], Sequence[int]]) -> None:
        """Compiles the network for real; the profile has (min, opt, max) shapes of the dynamic inputs."""
        config = _builder().create_builder_config()
        if profile:
            shapes = _builder().create_optimization_profile()
            for name, (least, usual, most) in profile.items():
                shapes.set_shape(name, tuple(least), tuple(usual), tuple(most))
            assert config.add_optimization_profile(shapes) == 0
        assert _builder().build_serialized_network(self.network, config) is not None, "; ".join(self.errors)


DATA_TYPES = {
    np.dtype(np.float32): trt.DataType.FLOAT,
    np.dtype(np.float16): trt.DataType.HALF,
    np.dtype(np.int8): trt.DataType.INT8,
    np.dtype(np.int32): trt.DataType.INT32,
    np.dtype(np.int64): trt.DataType.INT64,
    np.dtype(np.bool_): trt.DataType.BOOL,
}


def random(*shape: int, seed: int = 0) -> np.ndarray:
    """Normally distributed float32 values."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)
