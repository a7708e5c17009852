"""CUDA graphs: a network captured once and replayed with one launch.

A captured graph has its addresses built in. So there are two kinds. A copying graph, one per shapes, works on memory of
its own: inputs are copied in and outputs out, which serves every caller and costs a few microseconds per array. A
direct graph works on the caller's arrays where they are. It is captured when the same addresses come for the second
time, as they do from allocators that give freed memory out again, and from callers who keep their arrays.

TensorRT wants a context to stay as it was when its graph was captured, so each graph has its own; they share the
memory that contexts work in, since a slot runs one at a time.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from trtnn.backends.tensorrt.runtime.contexts import ExecutionContext, Plan
from trtnn.backends.tensorrt.runtime.shapes import Shapes, nbytes_of
from trtnn.errors import DeviceError
from trtnn.gpu.buffers import Buffers
from trtnn.gpu.device import Device

LOG = logging.getLogger("trtnn.tensorrt")
SEEN = 64
"""How many combinations of addresses that came once are kept in mind."""
IDLE = 1000
"""A direct graph that has not been used for so many calls makes room for another. A capture costs as much as many
copies: where addresses keep changing, it is the copies that serve."""

Place: TypeAlias = tuple[Shapes, tuple[int, ...]]


class GraphCall:
    """A context set to one kind of call, its tensors' ``addresses`` by name, and its graph once there is one.

    ``graph`` stays None where the network cannot be captured: then the context is enqueued. ``last_used`` is the count
    of calls then. ``buffers`` are its own memory, None where it works on the caller's.
    """

    def __init__(self, context: ExecutionContext, addresses: Mapping[str, int], buffers: Buffers | None) -> None:
        self.context, self.addresses, self._buffers = context, addresses, buffers
        self.graph: Any = None
        self.tried = False
        self.last_used = 0

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
        if self._buffers is not None:
            self._buffers.close()


class GraphCache:
    """The graphs of one slot: of either kind at most ``size``."""

    def __init__(self, plan: Plan, device: Device, stream: Any, size: int) -> None:
        self._plan, self._device, self._stream, self._size = plan, device, stream, size
        self._copying: OrderedDict[Shapes, GraphCall] = OrderedDict()
        self._direct: dict[Place, GraphCall] = {}
        self._most_direct = size
        self._seen: dict[Place, None] = {}
        self._count = 0
        self._memory = Buffers(device, stream)

    def __len__(self) -> int:
        return len(self._copying) + len(self._direct)

    def copying(self, shapes: Shapes, handle: int, stream: Any) -> GraphCall | None:
        """The call for these shapes on memory of its own, the one used last kept the longest; None for a network whose
        outputs' sizes depend on the values, which cannot be captured. ``shapes`` has its outputs afterwards."""
        found = self._copying.get(shapes)
        if found is not None:
            self._copying.move_to_end(shapes)
            return found
        while len(self._copying) >= self._size:
            self._drop(self._copying.popitem(last=False)[1], stream)
        context = self._make_context(shapes, handle, stream)
        if not shapes.known:
            LOG.warning("%s: no CUDA graph, since outputs' sizes depend on the values", self._plan.name)
            self._settle(stream)
            return None
        assert shapes.outputs is not None  # they are known
        buffers = Buffers(self._device, self._stream)
        addresses = [
            buffers.address(name, nbytes_of(shape, dtype), stream)
            for (name, dtype), shape in zip(self._plan.tensors, (*shapes.inputs, *shapes.outputs), strict=True)
        ]
        found = self._copying[shapes] = self._bound(context, addresses, buffers)
        return found

    def direct(self, shapes: Shapes, addresses: tuple[int, ...], handle: int, stream: Any) -> GraphCall | None:
        """The call on the caller's arrays at these addresses, which are aligned, in the order of the plan's tensors;
        None where they have not come often enough, or too many others have."""
        self._count += 1
        place = shapes, addresses
        found = self._direct.get(place)
        if found is None and self._has_come_before(place) and self._has_room(stream):
            found = self._make_direct(place, handle, stream)
        if found is not None:
            found.last_used = self._count
        return found

    def capture(self, call: GraphCall) -> None:
        """Captures the graph of a call that has just been enqueued once, as TensorRT wants it. Where it cannot be
        captured, the log says why."""
        call.tried = True
        handle = int(self._stream.handle)
        try:
            call.graph = self._device.capture(self._stream, lambda: call.context.enqueue(handle))
        except Exception as error:  # of the driver, or TensorRT's refusal
            LOG.warning("%s cannot be captured as a CUDA graph and runs without: %s", self._plan.name, error)

    def close(self) -> None:
        """Frees all graphs and their memory."""
        for calls in (self._copying, self._direct):
            while calls:
                calls.popitem()[1].close()
        self._memory.close()

    def _has_come_before(self, place: Place) -> bool:
        """Whether a call came from there, since the network was captured for its shapes."""
        copying = self._copying.get(place[0])
        if copying is None or copying.graph is None:
            return False
        if place in self._seen:
            return True
        if len(self._seen) >= SEEN:
            del self._seen[next(iter(self._seen))]
        self._seen[place] = None
        return False

    def _has_room(self, stream: Any) -> bool:
        """Whether there may be one more direct graph, in the place of one that is not used any more."""
        if len(self._direct) < self._most_direct:
            return True
        if not self._direct:
            return False
        place, oldest = min(self._direct.items(), key=lambda item: item[1].last_used)
        if self._count - oldest.last_used < IDLE:
            return False
        del self._direct[place]
        self._drop(oldest, stream)
        return True

    def _make_direct(self, place: Place, handle: int, stream: Any) -> GraphCall | None:
        shapes, addresses = place
        try:
            context = self._make_context(shapes, handle, stream)
        except DeviceError as error:  # there is no memory for more: copies need none
            LOG.warning("%s: no more CUDA graphs on the caller's own arrays: %s", self._plan.name, error)
            self._most_direct = len(self._direct)
            return None
        found = self._direct[place] = self._bound(context, addresses, None)
        return found

    def _make_context(self, shapes: Shapes, handle: int, stream: Any) -> ExecutionContext:
        context = self._plan.create_context(memory=False)
        nbytes = int(self._plan.engine.device_memory_size_v2)
        if nbytes:
            context.use_memory(self._memory.address("context", nbytes, stream), nbytes)
        context.configure(shapes, handle)
        return context

    def _bound(self, context: ExecutionContext, addresses: Sequence[int], buffers: Buffers | None) -> GraphCall:
        named = {name: address for (name, _), address in zip(self._plan.tensors, addresses, strict=True)}
        for name, address in named.items():
            context.bind(name, address)
        return GraphCall(context, named, buffers)

    def _drop(self, call: GraphCall, stream: Any) -> None:
        self._settle(stream)
        call.close()

    def _settle(self, stream: Any) -> None:
        """Waits until the GPU has done what was put on the stream, and before it the slot's last call: a context must
        not go away meanwhile. This happens once per capture."""
        self._stream.wait(stream)
        self._stream.sync()
