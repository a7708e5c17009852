"""What one call at a time has to itself: a stream, execution contexts, buffers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from trtnn.backends.tensorrt.runtime.contexts import ExecutionContext, Plan
from trtnn.backends.tensorrt.runtime.cuda_graphs import GraphCache
from trtnn.backends.tensorrt.runtime.shapes import Shapes, is_known, nbytes_of
from trtnn.gpu.buffers import Buffers
from trtnn.gpu.device import PER_THREAD_DEFAULT_STREAM, Device
from trtnn.gpu.held import Held
from trtnn.gpu.pinned import PinnedPool
from trtnn.gpu.staging import Staging


@attrs.frozen(eq=False)
class Memory:
    """Where the tensors of a call with some shapes are, as long as the buffers' version is the same."""

    shapes: Shapes
    version: int
    addresses: Mapping[str, int]


class Slot:
    """One of the pool's places: used by one thread at a time, and on the GPU by one stream at a time.

    Without CUDA graphs it has one execution context, with them one for each captured graph. ``stream`` is its own
    stream, for callers who bring none. ``user`` is the thread that has it, None while it is free: the pool's to set.
    """

    def __init__(self, plan: Plan, device: Device, results: PinnedPool, graphs: int) -> None:
        self._plan, self._device = plan, device
        self.stream = device.new_stream()
        self.handle = int(self.stream.handle)
        self.user: int | None = None
        self._done = device.new_event()
        self._last: int | None = None
        self._under_way: tuple[int, Any] | None = None
        self.held = Held()
        self.staging = Staging(device, results)
        self.buffers = Buffers(device, self.stream)
        self._memory: Memory | None = None
        self.graphs = GraphCache(plan, device, self.stream, graphs) if graphs else None
        self._context: ExecutionContext | None = None if graphs else plan.create_context()

    def has(self, shapes: Shapes) -> bool:
        """Whether a context is set to these shapes; with graphs, where each has its own, they do not matter."""
        return self.graphs is not None or (self._context is not None and self._context.shapes is shapes)

    def has_profile(self, shapes: Shapes) -> bool:
        """Whether its context is set to the profile of these shapes."""
        own = None if self._context is None else self._context.shapes
        return own is not None and own.profile == shapes.profile

    def suits(self, handle: int | None, shapes: Shapes) -> bool:
        """Whether a call finds everything as it needs it, for sure; `is_free_for` asks the GPU too."""
        return self._follows(handle) and self.has(shapes)

    def is_free_for(self, handle: int | None) -> bool:
        """Whether a call on that stream need not wait for the GPU to finish the slot's last one."""
        return self._follows(handle) or bool(self._done.is_done)

    def begin(self, handle: int | None) -> tuple[int, Any]:
        """The stream to work on, the slot's own unless the caller has one, made to wait for the slot's last call."""
        self.held.let_go()
        if handle is None:
            handle, stream = self.handle, self.stream
        else:
            stream = self._device.stream_of(handle)
        self._under_way = handle, stream
        if not self._follows(handle):
            stream.wait(self._done)
        return handle, stream

    def end(self, handle: int, stream: Any) -> None:
        """Notes that the stream still works on the call."""
        stream.record(self._done)
        self._last, self._under_way = handle, None

    def give_up(self) -> None:
        """Notes that a call ends before the network was enqueued; a change of profile may be on its stream."""
        if self._under_way is not None:
            under_way = self._under_way
            _quietly(lambda: self.end(*under_way))

    def end_synchronized(self) -> None:
        """Notes that the stream has finished the call."""
        self._last = self._under_way = None

    def learn(self, shapes: Shapes, handle: int, stream: Any) -> None:
        """Finds the outputs' shapes, as far as they do not depend on the values."""
        if shapes.outputs is None:
            if self.graphs is None:
                self.plain_context(shapes, handle)
            else:
                self.graphs.copying(shapes, handle, stream)

    def plain_context(self, shapes: Shapes, handle: int) -> ExecutionContext:
        """The context that no graph was captured from, set to the shapes. With graphs it is made for calls that cannot
        be captured."""
        if self._context is None:
            self._context = self._plan.create_context()
        self._context.configure(shapes, handle)
        return self._context

    def bind_own_memory(self, context: ExecutionContext, shapes: Shapes, stream: Any) -> Mapping[str, int]:
        """Binds the context to the slot's buffers, ready in the order of the stream; gives their addresses by name, but
        for outputs of unknown size."""
        memory = self._memory
        if memory is None or memory.shapes is not shapes or memory.version != self.buffers.version:
            assert shapes.outputs is not None  # the context was configured
            tensors = zip(self._plan.tensors, (*shapes.inputs, *shapes.outputs), strict=True)
            addresses = {
                name: self.buffers.address(name, nbytes_of(shape, dtype), stream)
                for (name, dtype), shape in tensors
                if is_known(shape)
            }
            memory = self._memory = Memory(shapes, self.buffers.version, addresses)
        for name, pointer in memory.addresses.items():
            context.bind(name, pointer)
        return memory.addresses

    def close(self) -> None:
        """Waits for the slot's last call and frees everything, as far as the GPU still answers."""
        if self._under_way is not None:
            _quietly(self._under_way[1].sync)  # the stream of a call that failed: some of its work may be on it
        if self._last is not None:
            _quietly(self._done.sync)
        _quietly(self.stream.sync)
        self.held.clear()
        self._context = None
        for part in (self.graphs, self.buffers, self.staging):
            if part is not None:
                _quietly(part.close)
        # The stream goes with the last array that was made on it.

    def _follows(self, handle: int | None) -> bool:
        """Whether what is put on that stream comes after the slot's last call by itself."""
        return self._last is None or (self._last == handle and handle != PER_THREAD_DEFAULT_STREAM)


def _quietly(step: Callable[[], None]) -> None:
    """Runs a step of cleaning up; after an error on the GPU it may fail too, and the first error is the one to tell."""
    with contextlib.suppress(Exception):
        step()
