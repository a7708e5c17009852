"""Where the outputs of known sizes go that a call on the GPU has: into new arrays, or into the caller's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trtnn.backends.tensorrt.runtime.contexts import ALIGNMENT, Plan
from trtnn.backends.tensorrt.runtime.shapes import Shapes
from trtnn.engine import Signature
from trtnn.gpu.arrays import DeviceView
from trtnn.gpu.device import Device
from trtnn.gpu.makers import Maker
from trtnn.outputs import device_outputs


def new_outputs(
    plan: Plan, device: Device, shapes: Shapes, maker: Maker, handle: int, stream: Any
) -> tuple[list[Any], list[int]]:
    """Arrays to be filled in the order of the stream with that handle, not handed over yet, and their addresses."""
    assert shapes.outputs is not None  # they are known
    arrays, addresses = [], []
    for dtype, shape in zip(plan.outputs.values(), shapes.outputs, strict=True):
        array, address = maker.empty(device, shape, dtype, handle, stream)
        arrays.append(array)
        addresses.append(address)
    return arrays, addresses


def views_of_given(
    plan: Plan, device: Device, signature: Signature, out: Any, shapes: Shapes, inputs: Sequence[DeviceView]
) -> list[DeviceView]:
    """The caller's arrays, as `device_outputs` takes them."""
    assert shapes.outputs is not None  # they are known
    named = dict(zip(plan.inputs, inputs, strict=True))
    return device_outputs(signature, out, shapes.outputs, named, device.ordinal, ALIGNMENT)
