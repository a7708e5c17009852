"""A call with fixed arrays: everything is decided once, so that a call is a launch and next to nothing else."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from trtnn.backends.tensorrt.runtime.contexts import ALIGNMENT, ExecutionContext, Plan
from trtnn.backends.tensorrt.runtime.outputs import new_outputs, views_of_given
from trtnn.backends.tensorrt.runtime.shapes import Shapes
from trtnn.engine import Result, Signature
from trtnn.errors import DeviceError, InputError, UnsupportedError
from trtnn.gpu.arrays import DeviceView, order_after
from trtnn.gpu.device import Device
from trtnn.gpu.device_array import DeviceArray, note_written
from trtnn.outputs import given_outputs


class BoundCall:
    """An engine's call with these very arrays on the GPU: ``bound()`` runs the network on what the inputs hold then.

    ``outputs`` are the arrays that it writes, as ``forward`` returns them; every call writes the same ones, and is
    ordered on the stream that it was bound to. For one thread at a time; ``close`` frees its execution context.

    ``written`` are the same arrays, in order. ``held`` is what the GPU uses in a call: it goes when the call is gone
    and the stream is done.
    """

    def __init__(
        self,
        device: Device,
        launch: Callable[[Any], None],
        stream: Any,
        outputs: Result,
        written: Sequence[Any],
        held: Sequence[Any],
        graph: Any = None,
    ) -> None:
        self._device, self._launch, self._stream, self.outputs = device, launch, stream, outputs
        self._ours = [array for array in written if isinstance(array, DeviceArray)]
        self._let_go = weakref.finalize(self, _let_go, device, stream, [*held], graph)

    def __call__(self) -> Result:
        """Puts one run on the stream and returns ``outputs``. Raises DeviceError."""
        try:
            self._device.make_current()
            self._launch(self._stream)
            note_written(self._ours, self._stream)
        except DeviceError:
            raise
        except Exception as error:  # of the driver
            raise DeviceError("bound call", problem=f"the GPU failed: {error}") from error
        return self.outputs

    def close(self) -> None:
        """Waits for the stream and frees the execution context and the graph."""
        self._launch = _closed
        self._let_go()


def bind_arrays(
    plan: Plan,
    device: Device,
    signature: Signature,
    shapes: Shapes,
    views: Sequence[DeviceView],
    handle: int,
    out: Any,
    cuda_graphs: bool,
) -> BoundCall:
    """Binds a new context to the views and to ``out``, or to new arrays of the first view's kind, and captures the
    call's graph if wanted: on the arrays' own addresses, so that nothing is copied.

    Raises InputError for an input that is not aligned and an ``out`` that does not fit, UnsupportedError for outputs
    whose sizes depend on the values, and DeviceError.
    """
    for name, view in zip(plan.inputs, views, strict=True):
        if view.pointer % ALIGNMENT:
            raise InputError(
                name,
                expected=f"an address that is a multiple of {ALIGNMENT}",
                got=f"{view.pointer:#x}",
                remedy="copy it",
            )
    stream = device.stream_of(handle)
    context, maker = plan.create_context(), views[0].maker
    with contextlib.ExitStack() as failing:
        failing.callback(_finish, stream)  # before the context and the views go that the GPU may be working with
        context.configure(shapes, handle)
        if not shapes.known:
            raise UnsupportedError(
                plan.name, problem="the sizes of its outputs depend on the values: it cannot be bound"
            )
        written = [] if out is None else views_of_given(plan, device, signature, out, shapes, views)
        order_after(device, [*views, *written], handle, stream)
        if out is None:
            arrays, targets = new_outputs(plan, device, shapes, maker, handle, stream)
        else:
            arrays, targets = given_outputs(signature, out), [view.pointer for view in written]
        sources = [view.pointer for view in views]
        for (name, _), address in zip(plan.tensors, (*sources, *targets), strict=True):
            context.bind(name, address)
        context.enqueue(handle)  # fills the outputs for the first time, and settles the context before a capture
        graph = _capture(device, context, plan) if cuda_graphs else None
        launch = graph.launch if graph is not None else _Enqueue(context, handle)
        if out is None:
            arrays = [maker.hand_over(array, stream) for array in arrays]
        else:
            note_written(arrays, stream)
        bound = BoundCall(device, launch, stream, signature.pack(arrays), arrays, (context, *views, *written), graph)
        failing.pop_all()
    return bound


def _finish(stream: Any) -> None:
    with contextlib.suppress(Exception):  # the first error is the one to tell
        stream.sync()


class _Enqueue:
    """Launches by enqueuing the context."""

    def __init__(self, context: ExecutionContext, handle: int) -> None:
        self._context, self._handle = context, handle

    def __call__(self, stream: Any) -> None:
        self._context.enqueue(self._handle)


def _capture(device: Device, context: ExecutionContext, plan: Plan) -> Any:
    private = device.new_stream()
    handle = int(private.handle)
    try:
        return device.capture(private, lambda: context.enqueue(handle))
    except Exception as error:  # of the driver, or TensorRT's refusal
        raise DeviceError(
            plan.name,
            problem=f"the network cannot be captured as a CUDA graph: {error}",
            remedy="compile with cuda_graphs=False",
        ) from error
    finally:
        private.close()


def _let_go(device: Device, stream: Any, held: list[Any], graph: Any) -> None:
    """Waits for the last run and frees what it used, as far as the GPU still answers."""
    with contextlib.suppress(Exception):
        device.make_current()
        stream.sync()
        if graph is not None:
            graph.close()
    held.clear()


def _closed(stream: Any) -> None:
    raise DeviceError("bound call", problem="it has been closed")
