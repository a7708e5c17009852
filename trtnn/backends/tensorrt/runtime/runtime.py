"""Runs a deserialized plan on the GPU: from NumPy arrays and back, or on arrays that are on the GPU already."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np

from trtnn.backends.tensorrt.engine import MAX_CONTEXTS
from trtnn.backends.tensorrt.runtime.bound import BoundCall, bind_arrays
from trtnn.backends.tensorrt.runtime.contexts import Plan
from trtnn.backends.tensorrt.runtime.known import KnownCalls
from trtnn.backends.tensorrt.runtime.on_device import DeviceCalls
from trtnn.backends.tensorrt.runtime.on_host import HostCalls
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
from trtnn.outputs import given_outputs

Feeds: TypeAlias = Mapping[str, np.ndarray] | Mapping[str, DeviceView]
GRAPHS_PER_SLOT = 16
T = TypeVar("T")


class Runtime:
    """Calls an ``ICudaEngine`` from any number of threads, at most ``max_contexts`` at a time; others wait.

    With ``cuda_graphs`` each combination of input shapes is captured at its first call and replayed from then on, and
    so are arrays on the GPU that come again, without copies; a slot keeps 16 of either. ``device`` is the GPU to run
    on. Whatever fails on the GPU raises DeviceError and costs the slot that saw it, which is replaced; the runtime
    stays usable unless the GPU itself is lost.
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
        graphs = GRAPHS_PER_SLOT if cuda_graphs else 0
        self._pool = SlotPool(lambda: Slot(plan, device, results, graphs), max_contexts, signature.name)
        self._results = results
        self._known = KnownCalls()
        self._on_device = DeviceCalls(plan, device, signature)
        self._on_host = HostCalls(plan, device, signature)
        weakref.finalize(self, _let_go, device, self._pool)

    def run(self, feeds: Feeds, stream: Any = None, out: Any = None) -> list[Any]:
        """The outputs, in order, for checked inputs by name and in the signature's order: all NumPy arrays, or all
        `DeviceView`s.

        NumPy: gives NumPy arrays, after one synchronization of the stream, a stream of the runtime's own unless
        ``stream`` is given. Views: gives arrays of the first view's kind, ready in the order of the stream that the
        network runs on, and waits for nothing; that stream is ``stream``, else the current one of the views' library.
        ``out``: arrays to write into, as ``forward`` returns them.

        Raises DimError, InputError for an ``out`` that does not fit, and DeviceError.
        """
        arrays: list[Any] = list(feeds.values())
        handle = None if stream is None else stream_handle(stream)
        on_device = bool(arrays) and type(arrays[0]) is DeviceView
        shapes = self._table.find(tuple([array.shape for array in arrays]))
        if not on_device:
            return self._in_slot(handle, shapes, self._on_host.run, shapes, arrays, handle, out)
        current = arrays[0].maker.current_stream()
        handle = handle or current
        results, written = self._in_slot(handle, shapes, self._on_device.run, shapes, arrays, handle, out)
        self._known.note(arrays, written, shapes, current)
        return results

    def again(self, arrays: Sequence[Any], stream: Any, out: Any) -> Sequence[Any] | None:
        """What `run` gives for arrays on the GPU like those of an earlier call, which need not be checked again; None
        where there was none. Raises what `run` does."""
        given = () if out is None else given_outputs(self._signature, out)
        found = self._known.find(arrays, given)
        if found is None:
            return None
        known, addresses = found
        handle = known.maker.current_stream()
        if not known.holds_on(handle) or (stream is not None and stream_handle(stream) != handle):
            return None
        return self._in_slot(handle, known.shapes, self._on_device.again, known, addresses, given, handle)

    def bind(self, feeds: Mapping[str, DeviceView], out: Any = None, stream: Any = None) -> BoundCall:
        """The call with these very arrays on the GPU, made again and again with whatever they hold.

        It has a context of its own beside the pool's. Raises what `run` does, and UnsupportedError for a network whose
        outputs' sizes depend on the values.
        """
        views = list(feeds.values())
        handle = None if stream is None else stream_handle(stream)
        handle = handle or views[0].maker.current_stream()
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
                context = slot.plain_context(shapes, slot.handle)
                return layer_times(
                    self._plan.trt, context, lambda: self._on_host.run(slot, shapes, arrays, None, None), calls
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

    def _in_slot(self, handle: int | None, shapes: Shapes, call: Callable[..., T], *arguments: Any) -> T:
        """What ``call(slot, *arguments)`` gives, with a slot for a call on that stream with these shapes."""
        try:
            self._device.make_current()
            slot = self._pool.acquire(handle, shapes)
        except TrtnnError:
            raise
        except Exception as error:  # of the driver, while it makes a slot
            raise self._device_error(error) from error
        try:
            result = call(slot, *arguments)
            self._pool.release(slot)
            return result
        except BaseException as error:
            if isinstance(error, TrtnnError) and not isinstance(error, DeviceError):
                slot.give_up()  # found before the network was enqueued
                self._pool.release(slot)
                raise
            self._pool.discard(slot)
            if isinstance(error, TrtnnError) or not isinstance(error, Exception):
                raise
            raise self._device_error(error) from error

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
