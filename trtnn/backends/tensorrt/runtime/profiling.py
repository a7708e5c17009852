"""Time per layer of a plan, from the profiler that TensorRT reports to."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trtnn.backends.tensorrt.kernels import Kernel
from trtnn.backends.tensorrt.layer_names import layers_in, region_in
from trtnn.backends.tensorrt.runtime.contexts import ExecutionContext
from trtnn.graph import Node
from trtnn.measure.layer import Layer

_NUMBERED = re.compile(r"(#\d+)+$")
_OWN = ("__my", "Reformatting", "[")
"""How the names begin that TensorRT gives to what it adds itself."""


def layer_times(trt: Any, context: ExecutionContext, call: Callable[[], object], calls: int) -> list[dict[str, float]]:
    """Seconds by TensorRT's name of the layer, for each of some calls of something that runs the context and waits for
    it. TensorRT times the layers one by one, and so a call with a profiler takes longer than one without."""

    class Profiler(trt.IProfiler):  # type: ignore[misc]  # the library is a value here
        def __init__(self) -> None:
            super().__init__()
            self.times: dict[str, float] = {}

        def report_layer_time(self, layer_name: str, ms: float) -> None:
            self.times[layer_name] = self.times.get(layer_name, 0.0) + 1e-3 * ms

    profiler, found = Profiler(), []
    context.report_to(profiler)
    try:
        for _ in range(calls):
            profiler.times = {}
            call()
            found.append(profiler.times)
    finally:
        context.report_to(None)
    return found


class LayerFinder:
    """Knows what TensorRT's names of layers stand for.

    From the builder's report of ``kernels`` where there is one, or from what was ``saved`` of it, else from the names
    of the network's layers in them; ``nodes`` are those behind the layers. It is None for a plan from a file, whose
    modules are read off the names: "encoder.conv" of "encoder.conv.conv".
    """

    def __init__(
        self, kernels: Sequence[Kernel], nodes: Mapping[str, Node] | None, saved: Sequence[Layer] = ()
    ) -> None:
        self._kernels = {kernel.name: kernel for kernel in kernels}
        self._nodes, self._saved = nodes, {layer.name: layer for layer in saved}

    def find(self, name: str) -> Layer:
        """The layer that TensorRT reports under a name."""
        if name in self._saved:
            return self._saved[name]
        kernel = self._kernels.get(name)
        if self._nodes is None:
            return Layer(name, "", _modules_in(name))
        layers = [layer for layer in kernel.layers if layer in self._nodes] if kernel else self._layers_in(name)
        nodes = [self._nodes[layer] for layer in layers]
        kind = kernel.kind if kernel else " + ".join(dict.fromkeys(node.op.name for node in nodes))
        return Layer(name, kind, tuple(dict.fromkeys(node.origin.path for node in nodes)))

    def _layers_in(self, name: str) -> Sequence[str]:
        assert self._nodes is not None
        return region_in(name, self._nodes) or layers_in(name, self._nodes)


def _modules_in(name: str) -> tuple[str, ...]:
    """The modules of the layers that a name is made of, by what layers are called: "conv1.conv + relu"."""
    if name.startswith(_OWN):
        return ()
    parts = re.split(r" \+ |\.\.\.|, ", re.sub(r"\{?ForeignNode\[|PWN\(|[\])}]", "", name))
    layers = (_NUMBERED.sub("", re.sub(r"(_U\d+|_myl\d+).*$", "", part.rpartition("^")[2])) for part in parts)
    return tuple(dict.fromkeys(layer.rpartition(".")[0] for layer in layers))
