"""An execution context of TensorRT, with what it was last told: only what changed is said again."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import attrs
import numpy as np

from trtnn.backends.tensorrt.errors import readable, recorder_of
from trtnn.backends.tensorrt.runtime.output_allocator import allocator_class
from trtnn.backends.tensorrt.runtime.shapes import Shapes
from trtnn.engine import Signature
from trtnn.errors import DeviceError, UnsupportedError
from trtnn.graph import TensorType

ALIGNMENT = 256
"""TensorRT wants every tensor's address to be a multiple of this many bytes, and not to be 0."""


@attrs.frozen(eq=False, slots=False)
class Plan:
    """A deserialized plan: the ``ICudaEngine``, the library's module, and the names that its tensors have there with
    their data types.

    ``inputs`` and ``outputs`` are in the signature's order.
    """

    engine: Any
    trt: Any
    name: str
    inputs: Mapping[str, np.dtype]
    outputs: Mapping[str, np.dtype]

    @classmethod
    def of(cls, engine: Any, trt: Any, signature: Signature) -> Plan:
        """Finds the signature's tensors in the engine. Raises DeviceError when it has others, and UnsupportedError for
        tensors that the engine wants in host memory."""
        modes: dict[Any, list[str]] = {}
        for number in range(engine.num_io_tensors):
            name = engine.get_tensor_name(number)
            modes.setdefault(engine.get_tensor_mode(name), []).append(name)
            if engine.get_tensor_location(name) != trt.TensorLocation.DEVICE:
                raise UnsupportedError(name, problem="the plan wants this tensor in host memory, which engines lack")
        inputs = modes.get(trt.TensorIOMode.INPUT, [])
        outputs = modes.get(trt.TensorIOMode.OUTPUT, [])
        if set(inputs) != set(signature.inputs) or len(outputs) != len(signature.outputs):
            raise DeviceError(
                signature.name,
                problem="the plan is of another network",
                expected=f"{', '.join(signature.inputs)} -> {', '.join(signature.outputs)}",
                got=f"{', '.join(inputs)} -> {', '.join(outputs)}",
            )
        return cls(
            engine,
            trt,
            signature.name,
            {name: type.dtype.numpy for name, type in signature.inputs.items()},
            dict(zip(_output_names(signature, outputs), map(_dtype, signature.outputs.values()), strict=True)),
        )

    @functools.cached_property
    def tensors(self) -> list[tuple[str, np.dtype]]:
        """The inputs, then the outputs, by name with their data types."""
        return [*self.inputs.items(), *self.outputs.items()]

    def create_context(self, memory: bool = True) -> ExecutionContext:
        """A new context; without ``memory``, one that is given its memory by `ExecutionContext.use_memory`. Raises
        DeviceError when there is no room for it."""
        trt = self.trt
        own, given = trt.ExecutionContextAllocationStrategy.STATIC, trt.ExecutionContextAllocationStrategy.USER_MANAGED
        raw = self.engine.create_execution_context(own if memory else given)
        if raw is None:
            raise DeviceError(self.name, problem="TensorRT cannot make another execution context: out of GPU memory?")
        return ExecutionContext(self, raw)


def _dtype(type: TensorType) -> np.dtype:
    return type.dtype.numpy


def _output_names(signature: Signature, outputs: Sequence[str]) -> tuple[str, ...]:
    """The engine's names of the signature's outputs: an output that has an input's name got another one there."""
    own = {name for name in signature.outputs if name not in signature.inputs}
    renamed = iter([name for name in outputs if name not in own])
    return tuple(name if name in own else next(renamed) for name in signature.outputs)


class ExecutionContext:
    """An ``IExecutionContext``. For one thread at a time.

    All methods raise DeviceError with what TensorRT said; the context is not to be used any more after that.
    """

    def __init__(self, plan: Plan, raw: Any) -> None:
        self._plan, self._raw = plan, raw
        self._recorder = recorder_of(plan.trt)
        raw.error_recorder = self._recorder
        self._addresses: dict[str, int] = {}
        self._allocators: dict[str, Any] = {}
        self._profile = 0
        self.shapes: Shapes | None = None

    def configure(self, shapes: Shapes, stream: int) -> None:
        """Makes the next `enqueue` calls run with these shapes; a change of profile is put on the stream."""
        if shapes is self.shapes:
            return
        self.shapes = None
        if shapes.profile != self._profile:
            if not self._raw.set_optimization_profile_async(shapes.profile, stream):
                self._fail(f"TensorRT refuses optimization profile {shapes.profile}")
            self._profile = shapes.profile
        for name, shape in zip(self._plan.inputs, shapes.inputs, strict=True):
            if not self._raw.set_input_shape(name, shape):
                self._fail(f"TensorRT refuses the shape {shape} of {name}")
        if not shapes.known:
            shapes.found(tuple(tuple(self._raw.get_tensor_shape(name)) for name in self._plan.outputs))
        self.shapes = shapes

    def bind(self, name: str, pointer: int) -> None:
        """Gives a tensor its memory; 0 is what some libraries call the memory of no elements."""
        pointer = pointer or ALIGNMENT
        if self._addresses.get(name) != pointer:
            if not self._raw.set_tensor_address(name, pointer):
                self._fail(f"TensorRT refuses the address {pointer:#x} of {name}")
            self._addresses[name] = pointer

    def bind_allocator(self, name: str, allocate: Callable[[int], Any]) -> Any:
        """Lets an output whose size is not known be allocated during `enqueue`; the allocator has it afterwards."""
        allocator = self._allocators.get(name)
        if allocator is None:
            allocator = allocator_class(self._plan.trt)()
            if not self._raw.set_output_allocator(name, allocator):
                self._fail(f"TensorRT refuses an allocator for {name}")
            self._allocators[name] = allocator
        allocator.begin(allocate)
        return allocator

    def use_memory(self, pointer: int, nbytes: int) -> None:
        """Gives the context the memory that it works in."""
        self._raw.set_device_memory(pointer, nbytes)

    def report_to(self, profiler: Any) -> None:
        """Lets TensorRT report the time of each layer to an ``IProfiler`` after every `enqueue`; None ends it."""
        self._raw.profiler = profiler

    def enqueue(self, stream: int) -> None:
        """Puts the network on the stream."""
        try:
            enqueued = self._raw.execute_async_v3(stream)
        except Exception as error:  # whatever the bindings raise
            raise self._error(f"TensorRT failed: {error}") from error
        if not enqueued:
            self._fail("TensorRT failed")

    def _fail(self, problem: str) -> NoReturn:
        failed = [allocator.error for allocator in self._allocators.values() if allocator.error is not None]
        raise self._error(problem) from (failed[0] if failed else None)

    def _error(self, problem: str) -> DeviceError:
        said = "; ".join(dict.fromkeys(map(readable, self._recorder.take())))
        return DeviceError(self._plan.name, problem=f"{problem}: {said}" if said else problem)
