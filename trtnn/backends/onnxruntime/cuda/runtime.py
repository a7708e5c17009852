"""Runs a session on the GPU: from NumPy arrays and back, or on arrays that are on the GPU already."""

from __future__ import annotations

import contextlib
import functools
import math
import threading
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import onnxruntime as ort

from trtnn.backends.onnxruntime.binding import Port, Ports
from trtnn.backends.onnxruntime.cuda.graphs import RunGraphs
from trtnn.backends.onnxruntime.cuda.lane import Lane
from trtnn.engine import Signature
from trtnn.errors import DeviceError, TrtnnError
from trtnn.gpu.arrays import DeviceView, order_after
from trtnn.gpu.buffers import Buffers
from trtnn.gpu.device import Device
from trtnn.gpu.device_array import note_written
from trtnn.gpu.pinned import PinnedPool
from trtnn.gpu.staging import Staging
from trtnn.gpu.streams import stream_handle
from trtnn.outputs import OutputShapes, Shape, device_outputs, given_outputs, host_outputs


class CudaRuntime:
    """Calls a session from any number of threads. The calls follow each other on the GPU, on whatever streams they are.

    ``lane`` has the stream that the session was made for. ``waits`` is for a session that has streams of its own and
    returns when they are done: then the runtime first waits for the caller's stream. With ``cuda_graphs`` each
    combination of input shapes is captured after its first call, and the last 16 are kept. ``place`` is what ONNX
    Runtime calls the memory of the ``device``.

    What fails raises DeviceError, and the runtime stays usable unless the GPU itself is lost.
    """

    def __init__(
        self,
        session: Any,
        signature: Signature,
        device: Device,
        lane: Lane,
        *,
        cuda_graphs: bool = False,
        waits: bool = False,
        place: tuple[str, int] | None = None,
    ) -> None:
        self._ports = Ports.of(session, signature, place or ("cuda", device.ordinal))
        self._bind = functools.partial(self._ports.bind, session)
        self._run = functools.partial(session.run_with_iobinding, run_options=None if waits else _asynchronous())
        self._graphs = (
            RunGraphs(device, lane, self._ports, self._bind, self._run, signature.name) if cuda_graphs else None
        )
        self._signature, self._device, self._waits = signature, device, waits
        self._lock = threading.Lock()
        self._shapes = OutputShapes(signature, 'load it with device="cpu"')
        self._results = PinnedPool(device)
        self._staging = Staging(device, self._results)
        self._buffers = Buffers(device, lane.stream)
        self._lane = lane  # the last: its stream must outlive the session
        weakref.finalize(self, _finish, device, lane)

    def run(self, feeds: Mapping[str, Any], stream: Any = None, out: Any = None) -> list[Any]:
        """The outputs, in order, for checked inputs by name: all NumPy arrays, or all `DeviceView`s.

        NumPy: gives NumPy arrays, after one synchronization of ``stream``, or of the runtime's own. Views: gives arrays
        of the first view's kind, ready in the order of ``stream``, else of the current stream of the views' library;
        unless the session ``waits``, the host does not. ``out``: arrays to write into, as
        ``forward`` returns them.

        Raises InputError or ArgumentError for an ``out`` that does not fit, ArgumentError for a stream that is none,
        and DeviceError.
        """
        arrays: list[Any] = [feeds[name] for name in self._ports.inputs]
        handle = None if stream is None else stream_handle(stream)
        on_device = bool(arrays) and type(arrays[0]) is DeviceView
        if handle is None:
            handle = arrays[0].maker.current_stream() if on_device else None
        inputs = tuple([tuple(array.shape) for array in arrays])
        self._device.make_current()
        with self._lock:
            on = self._lane.stream if handle is None else self._lane.stream_of(handle)
            try:
                return (self._on_device if on_device else self._on_host)(arrays, inputs, on, out)
            except BaseException as error:  # of ONNX Runtime and of the driver, which share no base
                if not isinstance(error, TrtnnError) or isinstance(error, DeviceError):  # others come before any work
                    _finish(self._device, self._lane, on)  # before the arrays go that the GPU may be working on
                if isinstance(error, TrtnnError) or not isinstance(error, Exception):
                    raise
                raise DeviceError(self._signature.name, problem=f"failed on the GPU: {error}") from error

    def _on_device(self, views: list[DeviceView], inputs: tuple[Shape, ...], stream: Any, out: Any) -> list[Any]:
        maker, device, shapes = views[0].maker, self._device, self._shapes.find(inputs)
        if out is None:
            given: list[DeviceView] = []
            dtypes = self._ports.outputs.values()
            made = [
                maker.empty(device, shape, dtype, int(stream.handle), stream)
                for shape, dtype in zip(shapes, dtypes, strict=True)
            ]
            addresses = [address for _, address in made]
        else:
            named = dict(zip(self._ports.inputs, views, strict=True))
            given = device_outputs(self._signature, out, shapes, named, device.ordinal)
            addresses = [view.pointer for view in given]
        kept = order_after(device, [*views, *given], int(stream.handle), stream)
        sources = [(view.shape, view.pointer) for view in views]
        self._enqueue(stream, inputs, sources, list(zip(shapes, addresses, strict=True)))
        if kept:
            self._lane.held.hold(stream, kept)
        self._capture(inputs, shapes)
        if out is not None:
            arrays = given_outputs(self._signature, out)
            note_written(arrays, stream)
            return arrays
        return [maker.hand_over(array, stream) for array, _ in made]

    def _on_host(self, arrays: list[Any], inputs: tuple[Shape, ...], stream: Any, out: Any) -> list[Any]:
        shapes = self._shapes.find(inputs)
        given = None
        if out is not None:
            given = host_outputs(self._signature, out, shapes, dict(zip(self._ports.inputs, arrays, strict=True)))
        self._lane.begin(stream)
        graph = self._graphs.find(inputs) if self._graphs is not None else None
        sources, targets = (
            (graph.inputs, graph.outputs) if graph is not None else self._own_memory(inputs, shapes, stream)
        )
        for (name, _), array, (_, address) in zip(self._ports.inputs.items(), arrays, sources, strict=True):
            self._staging.upload(name, array, address, stream)
        if graph is not None:
            graph.graph.launch(stream)
        else:
            self._run_on(stream, sources, targets)
        finishing = [
            self._staging.download(name, address, shape, dtype, stream, None if given is None else given[place])
            for place, ((name, dtype), (shape, address)) in enumerate(
                zip(self._ports.outputs.items(), targets, strict=True)
            )
        ]
        self._lane.end(stream)
        stream.sync()
        results = [finish() for finish in finishing]
        self._capture(inputs, shapes)
        return results

    def _enqueue(
        self, stream: Any, inputs: tuple[Shape, ...], sources: Sequence[Port], targets: Sequence[Port]
    ) -> None:
        """Puts the network on the stream, from the sources to the targets."""
        graph = self._graphs.find(inputs) if self._graphs is not None else None
        if graph is None:
            self._run_on(stream, sources, targets)
            return
        self._lane.begin(stream)
        self._copy(sources, graph.inputs, self._ports.inputs, stream)
        graph.graph.launch(stream)
        self._copy(graph.outputs, targets, self._ports.outputs, stream)
        self._lane.end(stream)

    def _run_on(self, stream: Any, sources: Sequence[Port], targets: Sequence[Port]) -> None:
        """Runs the session between what the stream has now and what it gets next."""
        binding, own = self._bind(sources, targets), self._lane.stream
        if self._waits:
            stream.sync()
            self._run(binding)
            return
        if stream is not own:
            own.wait(stream)
        self._lane.begin(own)
        self._run(binding)
        self._lane.end(own)
        if stream is not own:
            stream.wait(own)

    def _copy(self, sources: Sequence[Port], targets: Sequence[Port], types: Mapping[str, Any], stream: Any) -> None:
        for (shape, source), (_, target), dtype in zip(sources, targets, types.values(), strict=True):
            nbytes = dtype.itemsize * math.prod(shape)
            if nbytes:
                self._device.copy(target, source, nbytes, stream)

    def _own_memory(
        self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...], stream: Any
    ) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
        def ports(use: str, types: Mapping[str, Any], shapes: tuple[Shape, ...]) -> tuple[Port, ...]:
            return tuple(
                (shape, self._buffers.address(f"{use} {name}", dtype.itemsize * math.prod(shape), stream))
                for (name, dtype), shape in zip(types.items(), shapes, strict=True)
            )

        return ports("in", self._ports.inputs, inputs), ports("out", self._ports.outputs, outputs)

    def _capture(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> None:
        if self._graphs is not None:
            self._graphs.capture(inputs, outputs)


def _finish(device: Device, lane: Lane, stream: Any = None) -> None:
    """Waits for the last call, and what a failed one has put on ``stream``: memory is about to be freed. As far as the
    GPU still answers."""
    with contextlib.suppress(Exception):
        device.make_current()
        lane.finish(stream)


def _asynchronous() -> ort.RunOptions:
    """A run that puts its work on the stream and returns, and that ONNX Runtime does not capture by itself."""
    options = ort.RunOptions()
    options.add_run_config_entry("disable_synchronize_execution_providers", "1")
    options.add_run_config_entry("gpu_graph_id", "-1")
    return options
