"""The arrays that a caller wants the outputs written into, checked: ``engine(x, out=y)``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from trtnn.engine import Signature
from trtnn.errors import ArgumentError, InputError, UnsupportedError
from trtnn.graph.dims import names

if TYPE_CHECKING:
    from trtnn.gpu.arrays import DeviceView

Shape: TypeAlias = tuple[int, ...]
MOST_KEPT = 1024
"""How many combinations of shapes are kept in mind."""


class OutputShapes:
    """Finds the outputs' shapes for inputs of known shapes, both in order.

    An ONNX model may have outputs whose sizes do not follow from those of the inputs, unlike a network that was
    compiled here: ``remedy`` is what to do then.
    """

    def __init__(self, signature: Signature, remedy: str) -> None:
        self._signature, self._remedy = signature, remedy
        self._known: dict[tuple[Shape, ...], tuple[Shape, ...]] = {}

    def find(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """The outputs' shapes. Raises UnsupportedError where they depend on the values."""
        found = self._known.get(inputs)
        if found is None:
            if len(self._known) >= MOST_KEPT:
                self._known.clear()
            found = self._known[inputs] = self._compute(inputs)
        return found

    def _compute(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        sizes = {
            str(size): shape[axis]
            for type, shape in zip(self._signature.inputs.values(), inputs, strict=True)
            for axis, size in enumerate(type.shape)
            if not isinstance(size, int)
        }
        for name, type in self._signature.outputs.items():
            if any(one not in sizes for size in type.shape for one in names(size)):
                raise unknown_sizes(name, self._remedy)
        return tuple(type.concrete(sizes) for type in self._signature.outputs.values())


def unknown_sizes(name: str, remedy: str) -> UnsupportedError:
    """The error for an output whose shape has to be known before the call, and is not."""
    return UnsupportedError(name, problem="the sizes of the outputs depend on the values", remedy=remedy)


def host_outputs(
    signature: Signature, out: Any, shapes: Sequence[Shape], inputs: Mapping[str, np.ndarray]
) -> list[np.ndarray]:
    """The caller's NumPy arrays, in order, for outputs of these shapes.

    Raises ArgumentError when they do not come as ``forward`` returns them, and InputError for one that has another
    data type or shape, is strided or read-only, or shares memory with an input or another output.
    """
    arrays = given_outputs(signature, out)
    taken = {name: _memory(array.ctypes.data, array.nbytes) for name, array in inputs.items()}
    for (name, type), shape, array in zip(signature.outputs.items(), shapes, arrays, strict=True):
        if not isinstance(array, np.ndarray):
            raise misfit(name, "a NumPy array, as the inputs are", array_kind(array))
        require_type(name, type.dtype.numpy, shape, array.dtype, array.shape)
        if not array.flags.c_contiguous or not array.flags.writeable:
            raise misfit(name, "an array in C order that can be written", "a strided or read-only one")
        _take(name, _memory(array.ctypes.data, array.nbytes), taken)
    return arrays


def device_outputs(
    signature: Signature,
    out: Any,
    shapes: Sequence[Shape],
    inputs: Mapping[str, DeviceView],
    ordinal: int,
    alignment: int = 1,
) -> list[DeviceView]:
    """Views of the caller's arrays on the GPU, in order; their addresses have to be multiples of ``alignment`` bytes.
    Raises what `host_outputs` does, and InputError for an array in another place."""
    from trtnn.gpu.arrays import DeviceView, view

    arrays, views = given_outputs(signature, out), []
    taken = {name: _memory(one.pointer, one.nbytes) for name, one in inputs.items()}
    for (name, type), shape, array in zip(signature.outputs.items(), shapes, arrays, strict=True):
        found = view(f"out: {name}", array, ordinal)
        if not isinstance(found, DeviceView):
            raise misfit(name, "an array on the GPU, where the inputs are", array_kind(array))
        require_type(name, type.dtype.numpy, shape, found.dtype, found.shape)
        if not found.writeable:
            raise misfit(name, "an array that can be written", "a read-only one")
        if found.pointer % alignment:
            raise misfit(name, f"an array at an address that is a multiple of {alignment}", f"{found.pointer:#x}")
        _take(name, _memory(found.pointer, found.nbytes), taken)
        views.append(found)
    return views


def _memory(address: int, nbytes: int) -> range:
    return range(address, address + nbytes)


def _take(name: str, memory: range, taken: dict[str, range]) -> None:
    """Notes the memory of an output. Raises InputError where some of it is taken."""
    for other, one in taken.items():
        if max(memory.start, one.start) < min(memory.stop, one.stop):
            raise misfit(name, "memory of its own", f"memory that it shares with {other}")
    taken[f"out: {name}"] = memory


def given_outputs(signature: Signature, out: Any) -> list[Any]:
    """What was given as ``out``, in the order of the outputs. Raises ArgumentError for another form than that which
    ``forward`` returns."""
    wanted = list(signature.outputs)
    if signature.returns == "tensor":
        return [out]
    if signature.returns == "dict":
        if not isinstance(out, Mapping) or set(out) != set(wanted):
            raise ArgumentError("out", expected=f"a dict with {', '.join(wanted)}", got=_described(out))
        return [out[name] for name in wanted]
    if not isinstance(out, (tuple, list)) or len(out) != len(wanted):
        raise ArgumentError("out", expected=f"a tuple of {len(wanted)} ({', '.join(wanted)})", got=_described(out))
    return list(out)


def require_type(name: str, dtype: np.dtype, shape: Shape, got_dtype: np.dtype, got_shape: Shape) -> None:
    """Raises InputError unless an array for the output ``name`` has the data type and the shape."""
    if got_dtype != dtype:
        raise misfit(name, f"an array of {dtype}", str(got_dtype))
    if tuple(got_shape) != shape:
        raise misfit(name, f"shape {shape} for these inputs", f"shape {tuple(got_shape)}")


def misfit(name: str, expected: str, got: str) -> InputError:
    """The error for an array of ``out`` that cannot be written into."""
    return InputError(f"out: {name}", expected=expected, got=got)


def array_kind(array: Any) -> str:
    """What errors call something that is no array of the right library."""
    return f"{type(array).__module__}.{type(array).__qualname__}".removeprefix("builtins.")


def _described(out: Any) -> str:
    if isinstance(out, Mapping):
        return f"a dict with {', '.join(map(str, out))}"
    return f"{len(out)} arrays" if isinstance(out, (tuple, list)) else type(out).__name__
