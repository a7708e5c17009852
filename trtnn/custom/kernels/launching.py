"""Running one kernel on a GPU: by itself on a caller's arrays, or on addresses that TensorRT gives."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np

from trtnn.custom.definition import CustomOp, custom_of
from trtnn.custom.kernels.kernel import Compiled, Kernel, Launch, choose
from trtnn.errors import InputError, KernelError
from trtnn.gpu import library
from trtnn.gpu.arrays import DeviceView, order_after, view
from trtnn.gpu.device import Device
from trtnn.gpu.held import Held
from trtnn.gpu.streams import stream_handle
from trtnn.graph.types import TensorType, as_dtype

ALIGNMENT = 16
"""Bytes that every address handed to a kernel is a multiple of, so that it may load vectors."""


@attrs.frozen(eq=False)
class Prepared:
    """A kernel that is compiled and loaded for one op and known shapes; ``outputs`` are the types of what it writes."""

    launch: Launch
    outputs: tuple[TensorType, ...]
    _core: Any
    _function: Any
    _scalars: tuple[np.generic, ...]

    def enqueue(self, inputs: Sequence[int], outputs: Sequence[int], workspace: int, stream: Any) -> None:
        """Puts the kernel on a ``cuda.core.Stream``; operands, results and workspace are addresses in device memory."""
        if self.launch.is_empty:
            return
        scratch = [workspace] if self.launch.workspace else []
        config = self._core.LaunchConfig(
            grid=self.launch.grid, block=self.launch.block, shmem_size=int(self.launch.shared)
        )
        self._core.launch(stream, config, self._function, *inputs, *self._scalars, *outputs, *scratch)


@functools.lru_cache(maxsize=256)
def prepare(kernel: Kernel, op: CustomOp, inputs: tuple[TensorType, ...], ordinal: int = 0) -> Prepared:
    """The kernel, compiled for a GPU and loaded, for operands of these concrete types.

    Raises KernelError for a kernel that does not compile or fit, DimError for an argument that does not fit its type,
    LibraryError and DeviceError.
    """
    outputs = op.infer(*inputs)
    require_static(op, outputs)
    major, minor = library.compute_capability(ordinal)
    compiled = kernel.compile(op.options, inputs, outputs, f"{major}{minor}")
    launch = kernel.launch_at(op.options, inputs, compiled)
    core = library.load().core
    return Prepared(launch, outputs, core, _load(compiled, ordinal), tuple(one.numpy for one in launch.scalars))


def launch(op: Any, *arrays: Any, kernel: Kernel | None = None, stream: Any = None, ordinal: int = 0) -> Any:
    """Runs a custom op's kernel on arrays that lie on a GPU: its result, or a tuple of them, as the arrays' own kind.

    ``op``: a custom op with its attributes, such as ``BiasSwish(beta=1.5)``. ``arrays``: torch, CuPy or JAX arrays, or
    any with ``__dlpack__`` or ``__cuda_array_interface__``, in C order. ``kernel``: one of the op's kernels, by default
    the first that serves the data types. ``stream``: the caller's CUDA stream; by default the one that the arrays'
    library works on. The call does not wait for the kernel. What is written has the shapes and data types that the
    op infers. Raises KernelError, DimError, InputError, LibraryError or DeviceError.
    """
    custom = custom_of(op)
    device = device_of(ordinal)
    device.make_current()
    views = [_view(custom, i, array, ordinal) for i, array in enumerate(arrays)]
    inputs = tuple(TensorType(as_dtype(one.dtype), tuple(one.shape)) for one in views)
    prepared = prepare(kernel or _default_kernel(custom, inputs), custom, inputs, ordinal)
    maker = views[0].maker
    handle = maker.current_stream() if stream is None else stream_handle(stream)
    queue = device.stream_of(handle)
    kept = order_after(device, views, handle, queue)
    made = [maker.empty(device, one.concrete({}), one.dtype.numpy, handle, queue) for one in prepared.outputs]
    workspace = int(prepared.launch.workspace)
    scratch = device.allocate(workspace, queue) if workspace else None
    addresses = [one.pointer for one in views], [pointer for _, pointer in made]
    prepared.enqueue(*addresses, int(scratch.handle) if scratch else 0, queue)
    if scratch:
        scratch.close()  # in the order of the stream
    held = _held(ordinal)
    held.let_go()
    if kept:
        held.hold(queue, kept)
    results = tuple(maker.hand_over(array, queue) for array, _ in made)
    return results[0] if len(results) == 1 else results


@functools.cache
def device_of(ordinal: int) -> Device:
    """The GPU with that number. Raises LibraryError or DeviceError when it cannot be used."""
    return Device(ordinal)


@functools.cache
def _held(ordinal: int) -> Held:
    return Held()


def require_static(op: CustomOp, outputs: Sequence[TensorType]) -> None:
    """Raises KernelError for results whose sizes only running the op tells: a kernel's memory is there before it
    runs."""
    if not all(one.is_static for one in outputs):
        raise KernelError(
            op.name,
            expected="results whose sizes follow from the operands' sizes",
            got=", ".join(map(str, outputs)),
            remedy="give the result its largest size and a count beside it, or use the reference",
        )


@functools.lru_cache(maxsize=256)
def _default_kernel(op: CustomOp, inputs: tuple[TensorType, ...]) -> Kernel:
    return choose(op.kernels, op.name, inputs, op.infer(*inputs))


def _view(op: CustomOp, index: int, array: Any, ordinal: int) -> DeviceView:
    names = op.definition.operands
    name = f"{op.name}: {names[index]}" if index < len(names) else f"{op.name}: operand {index}"
    found = view(name, array, ordinal)
    if not isinstance(found, DeviceView):
        raise InputError(name, expected=f"an array on GPU {ordinal}", got=type(array).__name__)
    if found.pointer % ALIGNMENT:
        raise InputError(
            name,
            expected=f"an array whose address is a multiple of {ALIGNMENT}",
            got=hex(found.pointer),
            remedy="copy the slice into an array of its own",
        )
    return found


@functools.lru_cache(maxsize=256)
def _load(compiled: Compiled, ordinal: int) -> Any:
    library.device(ordinal)
    core = library.load().core
    try:
        if compiled.cubin is not None:
            code = core.ObjectCode.from_cubin(compiled.cubin)
        else:
            code = core.ObjectCode.from_ptx(compiled.ptx.encode())
        return code.get_kernel(compiled.entry)
    except Exception as error:  # cuda-core's errors have no public base
        raise KernelError(compiled.entry, problem=f"the GPU's driver does not load the kernel: {error}") from error
