"""CUDA graphs: a network captured once per shapes and replayed with one launch.

A captured graph has its addresses built in, so it works on memory of its own: inputs are copied in, outputs out. On the
device such a copy costs a few microseconds; capturing anew for every set of the caller's addresses would cost
milliseconds whenever the caller's allocator gives out others. Who wants no copies binds the arrays (`Runtime.bind`):
that captures the caller's own addresses.

TensorRT wants a context to stay as it was when its graph was captured, so each graph has its own; they share the
memory that contexts work in, since a slot runs one at a time.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from trtnn.backends.tensorrt.runtime.contexts import ExecutionContext, Plan
from trtnn.backends.tensorrt.runtime.shapes import Shapes, is_known, nbytes_of
from trtnn.gpu.buffers import Buffers
from trtnn.gpu.device import Device

LOG = logging.getLogger("trtnn.tensorrt")


class GraphCall:
    """A context set to one kind of call, its tensors' ``addresses``, and its graph once there is one.

    ``graph`` stays None where the network cannot be captured: then the context is enqueued.
    """

    def __init__(self, context: ExecutionContext, buffers: Buffers, addresses: Mapping[str, int]) -> None:
        self.context, self.addresses, self._buffers = context, addresses, buffers
        self.graph: Any = None
        self.tried = False

    def launch(self, handle: int, stream: Any) -> None:
        """Runs the network on the stream."""
        if self.graph is not None:
            self.graph.launch(stream)
        else:
            self.context.enqueue(handle)

    def close(self) -> None:
        """Frees the graph and the memory."""
        if self.graph is not None:
            self.graph.close()
        self._buffers.close()


class GraphCache:
    """The graphs of one slot, the ones used last: at most ``size``."""

    def __init__(self, plan: Plan, device: Device, stream: Any, size: int) -> None:
        self._plan, self._device, self._stream, self._size = plan, device, stream, size
        self._calls: OrderedDict[Shapes, GraphCall] = OrderedDict()
        self._memory = Buffers(device, stream)

    def __len__(self) -> int:
        return len(self._calls)

    def call(self, shapes: Shapes, handle: int, stream: Any) -> GraphCall:
        """The call for these shapes. Its context's memory is set, and its tensors' but for outputs of unknown size."""
        found = self._calls.get(shapes)
        if found is not None:
            self._calls.move_to_end(shapes)
            return found
        while len(self._calls) >= self._size:
            _, oldest = self._calls.popitem(last=False)
            self._stream.wait(stream)  # which has been made to wait for the slot's last call
            self._stream.sync()  # a context must not go away while the GPU works on it; this happens once per capture
            oldest.close()
        found = self._make(shapes, handle, stream)
        self._calls[shapes] = found
        return found

    def capture(self, call: GraphCall) -> None:
        """Captures the graph of a call that has just been enqueued once, as TensorRT wants it. Where it cannot be
        captured, the log says why."""
        call.tried = True
        if call.context.shapes is None or not call.context.shapes.known:
            LOG.warning("%s: no CUDA graph, since outputs' sizes depend on the values", self._plan.name)
            return
        handle = int(self._stream.handle)
        try:
            call.graph = self._device.capture(self._stream, lambda: call.context.enqueue(handle))
        except Exception as error:  # of the driver, or TensorRT's refusal
            LOG.warning("%s cannot be captured as a CUDA graph and runs without: %s", self._plan.name, error)

    def close(self) -> None:
        """Frees all graphs and their memory."""
        while self._calls:
            self._calls.popitem()[1].close()
        self._memory.close()

    def _make(self, shapes: Shapes, handle: int, stream: Any) -> GraphCall:
        context = self._plan.create_context(memory=False)
        nbytes = int(self._plan.engine.device_memory_size_v2)
        if nbytes:
            context.use_memory(self._memory.address("context", nbytes, stream), nbytes)
        context.configure(shapes, handle)
        assert shapes.outputs is not None  # configure has filled it in
        buffers = Buffers(self._device, self._stream)
        addresses = {
            name: buffers.address(name, nbytes_of(shape, dtype), stream)
            for (name, dtype), shape in zip(self._plan.tensors, (*shapes.inputs, *shapes.outputs), strict=True)
            if is_known(shape)
        }
        for name, pointer in addresses.items():
            context.bind(name, pointer)
        return GraphCall(context, buffers, addresses)
