"""The engine of a TensorRT plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from trtnn.backends.tensorrt.emit import Network
from trtnn.backends.tensorrt.kernels import Kernel
from trtnn.calling import Ranges
from trtnn.engine import Choice, Engine, Result
from trtnn.errors import DeviceError
from trtnn.graph import Graph


class TensorRTEngine(Engine):
    """A TensorRT plan, together with the network that it was built from.

    ``plan`` is the serialized plan, a memoryview that can be written to a file as it is. ``network`` is kept for
    `simulate`. ``kernels`` are the plan's kernels where it was compiled with ``kernels=True``.
    """

    def __init__(
        self,
        graph: Graph,
        choice: Choice,
        profiles: Sequence[Ranges],
        network: Network,
        plan: memoryview,
        check_nan: bool = True,
        kernels: tuple[Kernel, ...] = (),
    ) -> None:
        super().__init__(graph, choice, profiles, check_nan)
        self.network, self.plan, self.kernels = network, plan, kernels

    def simulate(self, *arrays: np.ndarray, **named: np.ndarray) -> Result:
        """Evaluates the very network that was given to TensorRT in NumPy: slow, needs no GPU, and shows what the plan
        computes.

        Takes and returns what calling the engine does, and raises InputError or DimError for the same reasons.
        """
        return self._pack(self.network.simulate(self._arguments.check(arrays, named)))

    def _run(self, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        raise DeviceError(
            self.graph.name,
            problem="running a TensorRT plan needs an NVIDIA GPU and the GPU runtime, "
            "which this version of trtnn does not have",
            remedy='use engine.simulate(...) to evaluate the network in NumPy, or compile with target="onnxruntime"',
        )
