"""Runs a deserialized plan on the GPU: from NumPy arrays and back, or on arrays that are on the GPU already."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from trtnn.backends.tensorrt.engine import MAX_CONTEXTS
from trtnn.backends.tensorrt.runtime.bound import BoundCall, bind_arrays
from trtnn.backends.tensorrt.runtime.contexts import ALIGNMENT, ExecutionContext, Plan
from trtnn.backends.tensorrt.runtime.cuda_graphs import GraphCall
from trtnn.backends.tensorrt.runtime.outputs import (
    Output,
    begin_outputs,
    bind_outputs,
    copy_outputs,
    given_on_device,
    given_on_host,
)
from trtnn.backends.tensorrt.runtime.pool import SlotPool
from trtnn.backends.tensorrt.runtime.profiling import layer_times
from trtnn.backends.tensorrt.runtime.shapes import Shapes, ShapeTable
from trtnn.backends.tensorrt.runtime.slots import Slot
from trtnn.calling import Ranges
from trtnn.engine import Signature
from trtnn.errors import DeviceError, TrtnnError
from trtnn.gpu.arrays import DeviceView
from trtnn.gpu.device import Device
from trtnn.gpu.pinned import PinnedPool
from trtnn.gpu.streams import stream_handle

Feeds: TypeAlias = Mapping[str, np.ndarray] | Mapping[str, DeviceView]
GRAPHS_PER_CONTEXT = 16


class Runtime:
    """Calls an ``ICudaEngine`` from any number of threads, at most ``max_contexts`` at a time; others wait.

    With ``cuda_graphs`` each combination of input shapes is captured at its first call and replayed from then on; a
    context keeps the last 16. ``device`` is the GPU to run on. Whatever fails on the GPU raises DeviceError and costs
    the context that saw it, which is replaced; the runtime stays usable unless the GPU itself is lost.
    """

    def __init__(
        self,
        engine: Any,
        trt: Any,
        signature: Signature,
        profiles: Sequence[Ranges],
        device: Device,
        *,
        max_contexts: int = MAX_CONTEXTS,
        cuda_graphs: bool = False,
    ) -> None:
        plan, results = Plan.of(engine, trt, signature), PinnedPool(device)
        self._plan, self._device, self._signature, self._cuda_graphs = plan, device, signature, cuda_graphs
        self._table = ShapeTable(signature.inputs, profiles)
        graphs = GRAPHS_PER_CONTEXT if cuda_graphs else 0
        self._pool = SlotPool(lambda: Slot(plan, device, results, graphs), max_contexts, signature.name)
        self._results = results
        weakref.finalize(self, _let_go, device, self._pool)

    def run(self, feeds: Feeds, stream: Any = None, out: Any = None) -> list[Any]:
        """The outputs, in order, for checked inputs by name and in the signature's order: all NumPy arrays, or all
        `DeviceView`s.

        NumPy: gives NumPy arrays, after one synchronization of the stream, a stream of the runtime's own unless
        ``stream`` is given. Views: gives arrays of the first view's kind, ready in the order of the stream that the
        network runs on, and waits for nothing; that stream is ``stream``, else the current one of the views' library,
        else one of the runtime's own. ``out``: arrays to write into, as ``forward`` returns them.

        Raises DimError, InputError for an ``out`` that does not fit, and DeviceError.
        """
        arrays: list[Any] = list(feeds.values())
        handle = None if stream is None else stream_handle(stream)
        on_device = bool(arrays) and type(arrays[0]) is DeviceView
        if handle is None and on_device and arrays[0].maker.has_streams:
            handle = arrays[0].stream  # the current one: the view was made in this call
        shapes = self._table.find(tuple([array.shape for array in arrays]))
        slot = self._acquire(handle, shapes)
        try:
            if on_device and out is None and shapes.known and not self._cuda_graphs:
                results = self._enqueue(slot, shapes, arrays, handle)
            else:
                results = (self._on_device if on_device else self._on_host)(slot, shapes, arrays, handle, out)
        except BaseException as error:
            if isinstance(error, TrtnnError) and not isinstance(error, DeviceError):
                slot.give_up()  # found before the network was enqueued
                self._pool.release(slot)
                raise
            self._pool.discard(slot)
            if isinstance(error, TrtnnError) or not isinstance(error, Exception):
                raise
            raise self._device_error(error) from error
        self._pool.release(slot)
        return results

    def bind(self, feeds: Mapping[str, DeviceView], out: Any = None, stream: Any = None) -> BoundCall:
        """The call with these very arrays on the GPU, made again and again with whatever they hold.

        It has a context of its own beside the pool's. Raises what `run` does, and UnsupportedError for a network whose
        outputs' sizes depend on the values.
        """
        views = list(feeds.values())
        handle = None if stream is None else stream_handle(stream)
        if handle is None and views[0].maker.has_streams:
            handle = views[0].stream
        shapes = self._table.find(tuple([view.shape for view in views]))
        self._device.make_current()
        try:
            return bind_arrays(self._plan, self._device, self._signature, shapes, views, handle, out, self._cuda_graphs)
        except TrtnnError:
            raise
        except Exception as error:  # of the driver
            raise self._device_error(error) from error

    def profile(self, feeds: Mapping[str, np.ndarray], calls: int) -> list[dict[str, float]]:
        """Seconds by TensorRT's name of the layer, for each of some calls, on a context of their own. Raises what `run`
        does."""
        arrays = [feeds[name] for name in self._plan.inputs]
        shapes = self._table.find(tuple([array.shape for array in arrays]))
        try:
            self._device.make_current()
            slot = Slot(self._plan, self._device, self._results, 0)
            try:
                assert slot.context is not None  # a slot without graphs has one
                return layer_times(
                    self._plan.trt, slot.context, lambda: self._on_host(slot, shapes, arrays, None, None), calls
                )
            finally:
                slot.close()
        except TrtnnError:
            raise
        except Exception as error:  # of the driver
            raise self._device_error(error) from error

    def close(self) -> None:
        """Waits for the calls under way and frees all GPU memory but that of arrays handed out."""
        self._device.make_current()
        self._pool.close()
        self._results.close()

    def _acquire(self, handle: int | None, shapes: Shapes) -> Slot:
        try:
            self._device.make_current()
            return self._pool.acquire(handle, shapes)
        except TrtnnError:
            raise
        except Exception as error:  # of the driver, while it makes a slot
            raise self._device_error(error) from error

    def _on_device(
        self, slot: Slot, shapes: Shapes, views: list[DeviceView], handle: int | None, out: Any
    ) -> list[Any]:
        handle, stream = slot.begin(handle)
        context, call = self._prepare(slot, shapes, handle, stream)
        given: list[Output] | None = None
        written: list[DeviceView] = []
        if out is not None:
            named = dict(zip(self._plan.inputs, views, strict=True))
            given, written = given_on_device(self._signature, out, shapes, named, self._device.ordinal)
        plan, device, maker = self._plan, self._device, views[0].maker
        others = self._order_after([*views, *written], handle, stream)
        self._bind_inputs(slot, context, views, None if call is None else call.addresses, stream)
        outputs = given or begin_outputs(plan, shapes, device, maker, handle, stream)
        bind_outputs(plan, context, device, outputs, call is not None, stream)
        if call is None:
            context.enqueue(handle)
        else:
            call.launch(handle, stream)
            copy_outputs(plan, device, outputs, call.addresses, stream)
        slot.end(handle, stream)
        if others:
            slot.held.hold(stream, others)
        if call is not None and not call.tried and slot.graphs is not None:
            slot.graphs.capture(call)
        return [output.finish(device, maker, stream) for output in outputs]

    def _enqueue(self, slot: Slot, shapes: Shapes, views: list[DeviceView], handle: int | None) -> list[Any]:
        """The same for the common case, and quick: new arrays of sizes that an earlier call has found."""
        handle, stream = slot.begin(handle)
        context = slot.context
        assert context is not None and shapes.outputs is not None  # without graphs, and of known sizes
        if context.shapes is not shapes:
            context.configure(shapes, handle)
        device, maker, arrays = self._device, views[0].maker, []
        others = self._order_after(views, handle, stream)
        self._bind_inputs(slot, context, views, None, stream)
        for (name, dtype), shape in zip(self._plan.outputs.items(), shapes.outputs, strict=True):
            array, pointer = maker.empty(device, shape, dtype, handle, stream)
            context.bind(name, pointer)
            arrays.append(array)
        context.enqueue(handle)
        slot.end(handle, stream)
        if others:
            slot.held.hold(stream, others)
        return [maker.hand_over(array, stream) for array in arrays] if maker.adopts else arrays

    def _on_host(
        self, slot: Slot, shapes: Shapes, arrays: list[np.ndarray], handle: int | None, out: Any
    ) -> list[np.ndarray]:
        handle, stream = slot.begin(handle)
        context, call = self._prepare(slot, shapes, handle, stream)
        assert shapes.outputs is not None  # _prepare has filled it in
        given = None
        if out is not None:
            given = given_on_host(self._signature, out, shapes, dict(zip(self._plan.inputs, arrays, strict=True)))
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
        if call is not None and not call.tried and slot.graphs is not None:
            slot.graphs.capture(call)
        return results

    def _prepare(
        self, slot: Slot, shapes: Shapes, handle: int, stream: Any
    ) -> tuple[ExecutionContext, GraphCall | None]:
        """The context, set to the shapes, and with graphs the call that it belongs to."""
        if slot.graphs is not None:
            call = slot.graphs.call(shapes, handle, stream)
            return call.context, call
        context = slot.context
        assert context is not None  # a slot has one or the other
        if context.shapes is not shapes:
            context.configure(shapes, handle)
        return context, None

    def _order_after(self, views: list[DeviceView], handle: int, stream: Any) -> list[DeviceView]:
        """Makes the stream wait for the other streams in whose order views are ready; returns those views."""
        others = [view for view in views if view.stream != handle]
        if others:
            for other in {view.stream for view in others}:
                stream.wait(self._device.stream_of(other))
        return others

    def _bind_inputs(
        self,
        slot: Slot,
        context: ExecutionContext,
        views: list[DeviceView],
        addresses: Mapping[str, int] | None,
        stream: Any,
    ) -> None:
        for name, view in zip(self._plan.inputs, views, strict=True):
            if addresses is not None:
                self._device.copy(addresses[name], view.pointer, view.nbytes, stream)
            elif view.pointer % ALIGNMENT:
                aligned = slot.buffers.address(name, view.nbytes, stream)
                self._device.copy(aligned, view.pointer, view.nbytes, stream)
                context.bind(name, aligned)
            else:
                context.bind(name, view.pointer)

    def _device_error(self, error: Exception) -> DeviceError:
        return DeviceError(
            self._plan.name,
            problem=f"the GPU failed: {error}",
            remedy="if every call fails from now on, restart the process: CUDA gives up a GPU for a process after an "
            "illegal access",
        )


def _let_go(device: Device, pool: SlotPool) -> None:
    """Frees the slots of a runtime that is gone, unless the GPU is too, or belongs to the process that forked."""
    with contextlib.suppress(Exception):
        device.make_current()
        pool.close(wait=False)
