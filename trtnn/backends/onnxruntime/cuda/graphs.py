"""CUDA graphs of a session: its run captured once per input shapes, and replayed with one launch.

The graphs are captured here and not by ONNX Runtime's own ``enable_cuda_graph``, which keeps them for each thread that
calls, never frees one, and can only replay them through a whole run. A graph has its addresses built in, so it works on
memory of its own: inputs are copied in, outputs out. What it works in between is ONNX Runtime's memory, which the next
run uses too: graphs and runs must follow each other on the GPU.
"""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from trtnn.backends.onnxruntime.binding import Port, Ports
from trtnn.backends.onnxruntime.cuda.lane import Lane
from trtnn.gpu.buffers import Buffers
from trtnn.gpu.device import Device
from trtnn.outputs import Shape

LOG = logging.getLogger("trtnn.onnxruntime")
MOST_GRAPHS = 16


@attrs.frozen(eq=False)
class CapturedRun:
    """A run on memory of its own: ``graph.launch(stream)`` runs it."""

    graph: Any
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    buffers: Buffers

    def close(self) -> None:
        """Frees the graph and the memory."""
        self.graph.close()
        self.buffers.close()


class RunGraphs:
    """The graphs of one session, the ones used last: at most ``size``. For one thread at a time.

    ``run`` puts the session's run with a binding on the lane's stream.
    """

    def __init__(
        self, device: Device, lane: Lane, ports: Ports, bind: Callable[..., Any], run: Callable[[Any], None], name: str
    ) -> None:
        self._device, self._lane, self._ports, self._name = device, lane, ports, name
        self._bind, self._run = bind, run
        self._graphs: OrderedDict[tuple[Shape, ...], CapturedRun | None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._graphs)

    def find(self, inputs: tuple[Shape, ...]) -> CapturedRun | None:
        """The graph for inputs of these shapes, if there is one."""
        found = self._graphs.get(inputs)
        if found is not None:
            self._graphs.move_to_end(inputs)
        return found

    def capture(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> None:
        """Makes the graph for these shapes, which a run has just had: it is what found the kernels and the memory.

        Where it cannot be captured, the log says why, and it is not tried again.
        """
        if inputs in self._graphs:
            return
        stream = self._lane.stream
        while len(self._graphs) >= MOST_GRAPHS:
            _, oldest = self._graphs.popitem(last=False)
            if oldest is not None:
                oldest.close()  # in the order of the stream, which the run has made wait for all earlier calls
        buffers = Buffers(self._device, stream)
        try:
            sources = self._ports_for(buffers, "in", inputs, list(self._ports.inputs.values()))
            targets = self._ports_for(buffers, "out", outputs, list(self._ports.outputs.values()))
            binding = self._bind(sources, targets)
            graph = self._device.capture(stream, lambda: self._run(binding), mode="relaxed")
        except Exception as error:  # of the driver, or ONNX Runtime's
            LOG.warning("%s cannot be captured as a CUDA graph and runs without: %s", self._name, error)
            buffers.close()
            self._graphs[inputs] = None
        else:
            self._graphs[inputs] = CapturedRun(graph, sources, targets, buffers)
        self._lane.end(stream)  # the memory is there from here on

    def _ports_for(
        self, buffers: Buffers, use: str, shapes: Sequence[Shape], dtypes: Sequence[Any]
    ) -> tuple[Port, ...]:
        stream = self._lane.stream
        return tuple(
            (shape, buffers.address(f"{use} {place}", dtype.itemsize * math.prod(shape), stream))
            for place, (shape, dtype) in enumerate(zip(shapes, dtypes, strict=True))
        )
