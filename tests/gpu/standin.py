"""A stand-in for TensorRT's runtime: as much of it as trtnn calls, strict where TensorRT's behaviour is undefined.

`StandInEngine` and what it makes take the place of ``ICudaEngine`` and ``IExecutionContext``; ``TRT`` that of the
module. The network's work is done by a launcher: on a real GPU by kernels, on the CPU by a device that lives in NumPy.
Every use is recorded, so that a test can hold it against the listings of the real bindings.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Protocol

import attrs
import numpy as np

from gpu.tensorrt_api import Use

USES: set[Use] = set()
"""What the runtime has used of the bindings in this process."""


def _recorded(owner: str) -> Callable[[type], type]:
    """Records every call of the class's public methods and every access of its properties as uses of ``owner``."""

    def decorate(cls: type) -> type:
        for name, member in list(vars(cls).items()):
            if name.startswith("_"):
                continue
            if isinstance(member, property):
                setattr(cls, name, _recorded_property(owner, name, member))
            elif callable(member):
                setattr(cls, name, _recorded_call(owner, name, member))
        return cls

    return decorate


def _recorded_call(owner: str, name: str, member: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(member)
    def call(self: Any, *arguments: Any, **keywords: Any) -> Any:
        USES.add(Use("call", owner, name, len(arguments), frozenset(keywords)))
        return member(self, *arguments, **keywords)

    return call


def _recorded_property(owner: str, name: str, member: property) -> property:
    def get(self: Any) -> Any:
        USES.add(Use("get", owner, name))
        assert member.fget is not None
        return member.fget(self)

    def put(self: Any, value: Any) -> None:
        USES.add(Use("set", owner, name))
        assert member.fset is not None
        member.fset(self, value)

    return property(get, put)


class ErrorRecorder:
    def __init__(self) -> None:
        USES.add(Use("call", "IErrorRecorder", "__init__"))


class OutputAllocator:
    def __init__(self) -> None:
        USES.add(Use("call", "IOutputAllocator", "__init__"))


class TRT:
    """The module."""

    IErrorRecorder = ErrorRecorder
    IOutputAllocator = OutputAllocator
    TensorIOMode = SimpleNamespace(INPUT="input", OUTPUT="output")
    TensorLocation = SimpleNamespace(DEVICE="device", HOST="host")
    ExecutionContextAllocationStrategy = SimpleNamespace(STATIC="static", USER_MANAGED="user managed")


Shape = tuple[int, ...]


@attrs.frozen(eq=False)
class Network:
    """What the stand-in computes: y = 3 x + 1, total = the sum of each row of x, and where ``compacts`` the elements
    of x above 0, in order. All through scratch memory of the context, so that two runs at once on one context spoil
    each other. ``profiles``: (min, max) of x's shape."""

    profiles: Sequence[tuple[Shape, Shape]] = (((1, 1), (64, 1 << 26)),)
    compacts: bool = False
    capturable: bool = True

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("y", "total", "positive") if self.compacts else ("y", "total")

    def output_shape(self, name: str, x: Shape) -> Shape:
        return {"y": x, "total": x[:1], "positive": (-1,)}[name]

    @property
    def scratch(self) -> int:
        """Bytes of scratch memory: of the largest x."""
        return 4 * min(max(int(np.prod(high)) for _, high in self.profiles), 1 << 26)


class Launcher(Protocol):
    """Does the network's work on a device."""

    def allocate(self, nbytes: int) -> Any: ...

    def switch(self, stream: int, switched: Callable[[], None]) -> None:
        """Does what a change of profile does on the stream."""

    def run(
        self, stream: int, x: int, scratch: int, y: int, total: int, shape: Shape, ready: Callable[[], bool]
    ) -> None: ...

    def compact(self, stream: int, x: int, target: Callable[[int], int], shape: Shape) -> int: ...


@attrs.define
class Failures:
    """What goes wrong next: each count is taken down by one failure."""

    returns_false: int = 0
    raises: int = 0
    refuses_shape: int = 0
    launch: Callable[[int], None] | None = None
    """Called with the stream in place of the next launch."""


@_recorded("ICudaEngine")
class StandInEngine:
    def __init__(self, network: Network, launcher: Launcher) -> None:
        self._network, self._launcher = network, launcher
        self._failures = Failures()
        self._contexts = 0
        self._profile_changes = 0
        self._names = ["x", *network.outputs]

    @property
    def num_io_tensors(self) -> int:
        return len(self._names)

    @property
    def device_memory_size_v2(self) -> int:
        return self._network.scratch

    def get_tensor_name(self, index: int) -> str:
        return self._names[index]

    def get_tensor_mode(self, name: str) -> Any:
        return TRT.TensorIOMode.INPUT if name == "x" else TRT.TensorIOMode.OUTPUT

    def get_tensor_location(self, name: str) -> Any:
        return TRT.TensorLocation.DEVICE

    def create_execution_context(self, strategy: Any = TRT.ExecutionContextAllocationStrategy.STATIC) -> Any:
        self._contexts += 1
        return StandInContext(self, strategy)


@_recorded("IExecutionContext")
class StandInContext:
    def __init__(self, engine: StandInEngine, strategy: Any) -> None:
        self._engine, self._network, self._launcher = engine, engine._network, engine._launcher
        self._own = None
        self._scratch = 0
        if strategy == TRT.ExecutionContextAllocationStrategy.STATIC:
            self._own = self._launcher.allocate(self._network.scratch)
            self._scratch = int(self._own.handle)
        self._profile = self._switched_to = 0
        self._shape: Shape | None = None
        self._addresses: dict[str, int] = {}
        self._allocators: dict[str, Any] = {}
        self._busy = threading.Lock()
        self._recorder: Any = None

    @property
    def error_recorder(self) -> Any:
        return self._recorder

    @error_recorder.setter
    def error_recorder(self, recorder: Any) -> None:
        self._recorder = recorder

    def set_device_memory(self, memory: int, size: int) -> None:
        assert self._own is None and size >= self._network.scratch
        self._scratch = memory

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        if not 0 <= profile_index < len(self._network.profiles):
            return self._error(f"profile {profile_index} is out of range")
        assert stream_handle > 0
        self._profile, self._shape = profile_index, None
        self._launcher.switch(stream_handle, lambda: setattr(self, "_switched_to", profile_index))
        self._engine._profile_changes += 1
        return True

    def set_input_shape(self, name: str, shape: Shape) -> bool:
        low, high = self._network.profiles[self._profile]
        if self._engine._failures.refuses_shape:
            self._engine._failures.refuses_shape -= 1
            return self._error("an injected refusal")
        if name != "x" or not all(a <= size <= b for a, size, b in zip(low, shape, high, strict=True)):
            return self._error(f"shape {shape} is outside profile {self._profile}")
        self._shape = tuple(shape)
        return True

    def get_tensor_shape(self, name: str) -> Any:
        assert self._shape is not None
        return self._network.output_shape(name, self._shape)

    def set_tensor_address(self, name: str, memory: int) -> bool:
        if memory == 0 or memory % 256:
            return self._error(f"address {memory:#x} of {name} is not aligned")
        self._addresses[name] = memory
        return True

    def set_output_allocator(self, name: str, output_allocator: Any) -> bool:
        self._allocators[name] = output_allocator
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        assert self._busy.acquire(blocking=False), "two threads use one context at the same time"
        try:
            return self._execute(stream_handle)
        finally:
            self._busy.release()

    def _execute(self, stream: int) -> bool:
        failures = self._engine._failures
        if self._shape is None or not self._scratch or stream <= 0:
            return self._error("the context is not set up")
        if failures.returns_false:
            failures.returns_false -= 1
            return self._error("an injected failure In enqueue at runtime.cpp:1")
        if failures.raises:
            failures.raises -= 1
            raise RuntimeError("an injected exception")
        if failures.launch is not None:
            launch, failures.launch = failures.launch, None
            launch(stream)
            return True
        address = self._addresses
        if self._network.compacts:
            allocator = self._allocators["positive"]
            found = self._launcher.compact(stream, address["x"], self._target(stream), self._shape)
            if found < 0:
                return self._error("no memory for positive")
            allocator.notify_shape("positive", (found,))
        profile = self._profile
        ready = lambda: self._switched_to == profile  # noqa: E731
        self._launcher.run(stream, address["x"], self._scratch, address["y"], address["total"], self._shape, ready)
        return True

    def _target(self, stream: int) -> Callable[[int], int]:
        allocator = self._allocators["positive"]
        return lambda nbytes: int(allocator.reallocate_output_async("positive", 0, nbytes, 256, stream))

    def _error(self, text: str) -> bool:
        if self._recorder is not None:
            self._recorder.report_error("INTERNAL_ERROR", text)
        return False


def expected(x: np.ndarray, compacts: bool = False) -> Mapping[str, np.ndarray]:
    """What the network gives for x, float32."""
    found = {"y": 3 * x + 1, "total": x.sum(axis=1, dtype=np.float64).astype(np.float32)}
    return {**found, "positive": x[x > 0]} if compacts else found
