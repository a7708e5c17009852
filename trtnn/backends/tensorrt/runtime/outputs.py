"""Where the outputs of a call on the GPU go: into new arrays of the caller's kind, or into arrays that it gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from trtnn.backends.tensorrt.runtime.contexts import ALIGNMENT, ExecutionContext, Plan
from trtnn.backends.tensorrt.runtime.shapes import Shape, Shapes, is_known, nbytes_of
from trtnn.engine import Signature
from trtnn.gpu.arrays import DeviceView
from trtnn.gpu.device import Device
from trtnn.gpu.device_array import DeviceArray
from trtnn.gpu.makers import Maker
from trtnn.outputs import device_outputs, given_outputs, host_outputs, unknown_sizes


@attrs.define(eq=False)
class Output:
    """One output of a call. ``array``, at ``pointer``, is the caller's: a new one, or a ``given`` one. An output whose
    size depends on the values has an ``allocator`` instead."""

    dtype: np.dtype
    shape: Shape
    array: Any = None
    pointer: int = 0
    given: bool = False
    allocator: Any = None

    def finish(self, device: Device, maker: Maker, stream: Any) -> Any:
        """What the caller gets, once the stream has all the work that fills it."""
        if self.allocator is not None:
            buffer, shape = self.allocator.take()
            return maker.hand_over(DeviceArray(device, buffer, shape, self.dtype, stream), stream)
        return self.array if self.given else maker.hand_over(self.array, stream)


def begin_outputs(plan: Plan, shapes: Shapes, device: Device, maker: Maker, handle: int, stream: Any) -> list[Output]:
    """The outputs of a call: new arrays to be filled in the order of the stream with that handle."""
    assert shapes.outputs is not None  # the context was configured
    outputs = []
    for dtype, shape in zip(plan.outputs.values(), shapes.outputs, strict=True):
        array, pointer = maker.empty(device, shape, dtype, handle, stream) if is_known(shape) else (None, 0)
        outputs.append(Output(dtype, shape, array, pointer))
    return outputs


def bind_outputs(
    plan: Plan, context: ExecutionContext, device: Device, outputs: Sequence[Output], fixed: bool, stream: Any
) -> None:
    """Gives the context the outputs' memory, and allocators for those of unknown size. With ``fixed`` it has memory
    already, which `copy_outputs` copies from."""
    for name, output in zip(plan.outputs, outputs, strict=True):
        if not is_known(output.shape):
            output.allocator = context.bind_allocator(name, lambda nbytes: device.allocate(nbytes, stream))
        elif not fixed:
            context.bind(name, output.pointer)


def copy_outputs(
    plan: Plan, device: Device, outputs: Sequence[Output], addresses: Mapping[str, int], stream: Any
) -> None:
    """Copies the outputs of known size from the memory that the context is bound to."""
    for name, output in zip(plan.outputs, outputs, strict=True):
        nbytes = nbytes_of(output.shape, output.dtype)
        if output.allocator is None and nbytes:
            device.copy(output.pointer, addresses[name], nbytes, stream)


def given_on_device(
    signature: Signature, out: Any, shapes: Shapes, inputs: Mapping[str, DeviceView], ordinal: int
) -> tuple[list[Output], list[DeviceView]]:
    """The caller's arrays on the GPU, as `device_outputs` takes them, and the views of them. Raises UnsupportedError
    where sizes depend on the values."""
    views = device_outputs(signature, out, _known(shapes), inputs, ordinal, ALIGNMENT)
    arrays = given_outputs(signature, out)
    return [
        Output(one.dtype, one.shape, array, one.pointer, given=True) for one, array in zip(views, arrays, strict=True)
    ], views


def given_on_host(signature: Signature, out: Any, shapes: Shapes, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The caller's NumPy arrays, as `host_outputs` takes them. Raises UnsupportedError likewise."""
    return host_outputs(signature, out, _known(shapes), inputs)


def _known(shapes: Shapes) -> tuple[Shape, ...]:
    if not shapes.known or shapes.outputs is None:
        raise unknown_sizes("out", "call without out=")
    return shapes.outputs
