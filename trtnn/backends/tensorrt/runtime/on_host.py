"""Calls with NumPy arrays: through page-locked memory to the GPU and back, with one wait at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from trtnn.backends.tensorrt.runtime.contexts import Plan
from trtnn.backends.tensorrt.runtime.shapes import Shapes
from trtnn.backends.tensorrt.runtime.slots import Slot
from trtnn.engine import Signature
from trtnn.gpu.device import Device
from trtnn.outputs import host_outputs, unknown_sizes


class HostCalls:
    """Makes a call, by a slot that nobody else uses meanwhile."""

    def __init__(self, plan: Plan, device: Device, signature: Signature) -> None:
        self._plan, self._device, self._signature = plan, device, signature

    def run(
        self, slot: Slot, shapes: Shapes, arrays: Sequence[np.ndarray], handle: int | None, out: Any
    ) -> list[np.ndarray]:
        """The outputs, in order. ``handle`` is that of the stream to work on, the slot's own if None. Raises what
        `host_outputs` does, UnsupportedError for an ``out`` whose sizes depend on the values, and DeviceError."""
        handle, stream = slot.begin(handle)
        slot.learn(shapes, handle, stream)
        given = None if out is None else self._given(out, shapes, arrays)
        call = slot.graphs.copying(shapes, handle, stream) if slot.graphs is not None and shapes.known else None
        context = slot.plain_context(shapes, handle) if call is None else call.context
        addresses = slot.bind_own_memory(context, shapes, stream) if call is None else call.addresses
        for name, array in zip(self._plan.inputs, arrays, strict=True):
            slot.staging.upload(name, array, addresses[name], stream)
        allocators = {
            name: context.bind_allocator(name, lambda nbytes: self._device.allocate(nbytes, stream))
            for name in self._plan.outputs
            if name not in addresses
        }
        if call is None:
            context.enqueue(handle)
        else:
            call.launch(handle, stream)
        assert shapes.outputs is not None  # learned
        finishing: list[Callable[[], np.ndarray]] = []
        held: list[Any] = []  # memory that is read until the stream has been synchronized
        for place, (name, dtype) in enumerate(self._plan.outputs.items()):
            if name in allocators:
                buffer, shape = allocators[name].take()
                held.append(buffer)
                pointer = int(buffer.handle)
            else:
                shape, pointer = shapes.outputs[place], addresses[name]
            target = None if given is None else given[place]
            finishing.append(slot.staging.download(name, pointer, shape, dtype, stream, target))
        stream.sync()
        results = [finish() for finish in finishing]
        slot.end_synchronized()
        if call is not None and not call.tried:
            assert slot.graphs is not None  # whose call it is
            slot.graphs.capture(call)
        return results

    def _given(self, out: Any, shapes: Shapes, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        if not shapes.known or shapes.outputs is None:
            raise unknown_sizes("out", "call without out=")
        return host_outputs(self._signature, out, shapes.outputs, dict(zip(self._plan.inputs, arrays, strict=True)))
