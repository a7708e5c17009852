"""Calls with arrays that are on the GPU: they are used where they are, and nobody waits."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from trtnn.backends.tensorrt.runtime.contexts import ALIGNMENT, Plan
from trtnn.backends.tensorrt.runtime.cuda_graphs import GraphCache
from trtnn.backends.tensorrt.runtime.known import Known
from trtnn.backends.tensorrt.runtime.outputs import new_outputs, views_of_given
from trtnn.backends.tensorrt.runtime.shapes import Shape, Shapes, is_known, nbytes_of
from trtnn.backends.tensorrt.runtime.slots import Slot
from trtnn.engine import Signature
from trtnn.gpu.arrays import DeviceView, order_after
from trtnn.gpu.device import Device
from trtnn.gpu.device_array import DeviceArray, note_written
from trtnn.gpu.makers import Maker
from trtnn.outputs import given_outputs, unknown_sizes


class DeviceCalls:
    """Puts a call on its stream, by a slot that nobody else uses meanwhile."""

    def __init__(self, plan: Plan, device: Device, signature: Signature) -> None:
        self._plan, self._device, self._signature = plan, device, signature

    def run(
        self, slot: Slot, shapes: Shapes, views: Sequence[DeviceView], handle: int, out: Any
    ) -> tuple[list[Any], list[DeviceView]]:
        """The outputs, in order: new arrays of the first view's kind, or those given as ``out``; and the views of the
        latter. Raises what `device_outputs` does, UnsupportedError for an ``out`` whose sizes depend on the values, and
        DeviceError."""
        handle, stream = slot.begin(handle)
        slot.learn(shapes, handle, stream)
        if not shapes.known:
            if out is not None:
                raise unknown_sizes("out", "call without out=")
            return self._allocating(slot, shapes, views, handle, stream), []
        written: list[DeviceView] = []
        if out is not None:
            written = views_of_given(self._plan, self._device, self._signature, out, shapes, views)
        kept = order_after(self._device, [*views, *written], handle, stream)
        sources = [self._aligned(slot, name, view, stream) for name, view in zip(self._plan.inputs, views, strict=True)]
        maker, targets = views[0].maker, [view.pointer for view in written]
        if out is None:
            arrays, targets = new_outputs(self._plan, self._device, shapes, maker, handle, stream)
        self._launch(slot, shapes, (*sources, *targets), handle, stream)
        if kept:
            slot.held.hold(stream, kept)
        if out is not None:
            arrays = given_outputs(self._signature, out)
            note_written(arrays, stream)
        elif maker.adopts:
            arrays = [maker.hand_over(array, stream) for array in arrays]
        return arrays, written

    def again(
        self, slot: Slot, known: Known, addresses: tuple[int, ...], given: Sequence[Any], handle: int
    ) -> Sequence[Any]:
        """The same for a call that has come before, on its library's current stream: its arrays' addresses are all
        that is new."""
        handle, stream = slot.begin(handle)
        if given:
            self._launch(slot, known.shapes, addresses, handle, stream)
            if known.maker.adopts:
                note_written(given, stream)
            return given
        arrays, targets = new_outputs(self._plan, self._device, known.shapes, known.maker, handle, stream)
        self._launch(slot, known.shapes, (*addresses, *targets), handle, stream)
        return [known.maker.hand_over(array, stream) for array in arrays] if known.maker.adopts else arrays

    def _aligned(self, slot: Slot, name: str, view: DeviceView, stream: Any) -> int:
        """The address of an input, or of its copy in the slot's memory."""
        if view.pointer % ALIGNMENT == 0:
            return view.pointer
        address = slot.buffers.address(name, view.nbytes, stream)
        self._device.copy(address, view.pointer, view.nbytes, stream)
        return address

    def _launch(self, slot: Slot, shapes: Shapes, addresses: tuple[int, ...], handle: int, stream: Any) -> None:
        """Runs the network with its inputs and outputs at these addresses, which are aligned."""
        if slot.graphs is not None:
            self._replay(slot, slot.graphs, shapes, addresses, handle, stream)
            return
        context = slot.plain_context(shapes, handle)
        for (name, _), address in zip(self._plan.tensors, addresses, strict=True):
            context.bind(name, address)
        context.enqueue(handle)
        slot.end(handle, stream)

    def _replay(
        self, slot: Slot, graphs: GraphCache, shapes: Shapes, addresses: tuple[int, ...], handle: int, stream: Any
    ) -> None:
        """The same by a graph: on these very addresses where it has been captured for them."""
        call = graphs.direct(shapes, addresses, handle, stream)
        if call is not None:
            call.launch(handle, stream)
        else:
            call = graphs.copying(shapes, handle, stream)
            assert call is not None and shapes.outputs is not None  # the sizes are known
            own, count = tuple(call.addresses.values()), len(shapes.inputs)
            self._copy(self._plan.inputs, shapes.inputs, addresses[:count], own[:count], stream)
            call.launch(handle, stream)
            self._copy(self._plan.outputs, shapes.outputs, own[count:], addresses[count:], stream)
        slot.end(handle, stream)
        if not call.tried:
            graphs.capture(call)

    def _copy(
        self,
        types: Mapping[str, np.dtype],
        shapes: Sequence[Shape],
        sources: Sequence[int],
        targets: Sequence[int],
        stream: Any,
    ) -> None:
        for dtype, shape, source, target in zip(types.values(), shapes, sources, targets, strict=True):
            nbytes = nbytes_of(shape, dtype)
            if nbytes:
                self._device.copy(target, source, nbytes, stream)

    def _allocating(
        self, slot: Slot, shapes: Shapes, views: Sequence[DeviceView], handle: int, stream: Any
    ) -> list[Any]:
        """The outputs of a network that says only after it has seen the values how large some are."""
        kept = order_after(self._device, views, handle, stream)
        context, maker = slot.plain_context(shapes, handle), views[0].maker
        for name, view in zip(self._plan.inputs, views, strict=True):
            context.bind(name, self._aligned(slot, name, view, stream))
        assert shapes.outputs is not None  # as far as they can be
        found: list[Callable[[], Any]] = []
        for (name, dtype), shape in zip(self._plan.outputs.items(), shapes.outputs, strict=True):
            if is_known(shape):
                array, address = maker.empty(self._device, shape, dtype, handle, stream)
                context.bind(name, address)
                found.append(functools.partial(maker.hand_over, array, stream))
            else:
                allocator = context.bind_allocator(name, lambda nbytes: self._device.allocate(nbytes, stream))
                found.append(functools.partial(self._taken, allocator, dtype, maker, stream))
        context.enqueue(handle)
        slot.end(handle, stream)
        if kept:
            slot.held.hold(stream, kept)
        return [take() for take in found]

    def _taken(self, allocator: Any, dtype: np.dtype, maker: Maker, stream: Any) -> Any:
        """The output that an allocator was asked for."""
        buffer, shape = allocator.take()
        return maker.hand_over(DeviceArray(self._device, buffer, shape, dtype, stream), stream)
