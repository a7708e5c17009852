"""What a call of a TensorRT engine costs beside the network itself, on a GPU.

    python -m benchmarks.gpu_overhead

TensorRT's library is not needed: the network is one small kernel behind a stand-in for its execution context, so that
nothing but the call is measured. Goals: 15 microseconds over the bare launch for arrays on the GPU, 5 over the launch
of a bare CUDA graph, and for NumPy arrays of 100 MB 1.1 times what the copies from and to page-locked memory take.

The time of a call on the GPU's arrays is the host's, over 200 calls and the wait for the last; rounds take turns.
"""

from __future__ import annotations

import functools
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from benchmarks.common import RESULTS, THREADS, machine, markdown_table, text_table
from trtnn import gpu, parallel
from trtnn.backends.tensorrt.engine import TensorRTEngine
from trtnn.backends.tensorrt.runtime import Runtime
from trtnn.engine import Choice, Signature
from trtnn.gpu import library
from trtnn.gpu.device import Device
from trtnn.graph import DType, TensorType
from trtnn.graph.dims import symbol

CALLS, ROUNDS = 200, 21
MEGABYTES = 100
PROFILES = ({"batch": (1, 64, 64), "width": (1, 64, 1 << 26)},)
SOURCE = """
extern "C" __global__ void scale(const float* x, float* y, long long count) {
    long long step = gridDim.x * (long long)blockDim.x;
    for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < count; i += step) y[i] = 2 * x[i];
}
"""


class Allocator:
    """For ``IOutputAllocator``, which this network has no use for."""


class Recorder:
    """For ``IErrorRecorder``."""


class Trt:
    """For the module ``tensorrt``."""

    IErrorRecorder, IOutputAllocator = Recorder, Allocator
    TensorIOMode = SimpleNamespace(INPUT=0, OUTPUT=1)
    TensorLocation = SimpleNamespace(DEVICE=0)
    ExecutionContextAllocationStrategy = SimpleNamespace(STATIC=0, USER_MANAGED=1)


class Context:
    """For ``IExecutionContext``: y = 2 x."""

    def __init__(self, device: Device, kernel: Any) -> None:
        self._device, self._kernel, self._core = device, kernel, library.load().core
        self._addresses: dict[str, int] = {}
        self._arguments: tuple[Any, ...] = ()
        self.error_recorder: Any = None

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self._shape = shape
        count = int(np.prod(shape))
        self._count = np.int64(count)
        self._config = self._core.LaunchConfig(grid=min(-(-count // 256), 1024), block=256)
        return True

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self._shape

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        addresses, stream = self._addresses, self._device.stream_of(stream_handle)
        self._core.launch(stream, self._config, self._kernel, addresses["x"], addresses["y"], self._count)
        return True


class Engine:
    """For ``ICudaEngine``."""

    num_io_tensors, device_memory_size_v2 = 2, 0

    def __init__(self, device: Device) -> None:
        core = library.load().core
        options = core.ProgramOptions(std="c++17", arch=f"sm_{library.device().arch}")
        self._device = device
        self._kernel = core.Program(SOURCE, code_type="c++", options=options).compile("cubin").get_kernel("scale")

    def get_tensor_name(self, index: int) -> str:
        return "xy"[index]

    def get_tensor_mode(self, name: str) -> int:
        return "xy".index(name)

    def get_tensor_location(self, name: str) -> int:
        return 0

    def create_execution_context(self, strategy: int) -> Context:
        return Context(self._device, self._kernel)


class DLPackAlone:
    """An array of a library that trtnn does not know."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        kind, number = self._array.__dlpack_device__()
        return kind, number


def make(**options: Any) -> TensorRTEngine:
    """An engine around the stand-in."""
    device, type = Device(), TensorType(DType.float32, (symbol("batch"), symbol("width")))
    signature = Signature("scale", {"x": type}, {"y": type}, "tensor")
    engine = TensorRTEngine(signature, Choice("tensorrt", "asked for"), PROFILES, memoryview(b""), **options)
    engine._runtime = Runtime(Engine(device), Trt, signature, PROFILES, device, **engine.runtime_options)
    return engine


def take_turns(contestants: Mapping[str, Callable[[], object]], calls: int) -> dict[str, float]:
    """Median microseconds of a call, over the rounds."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    names = list(contestants)
    for turn in range(ROUNDS + 3):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            call = contestants[name]
            torch.cuda.synchronize()
            start = time.perf_counter()
            for _ in range(calls):
                call()
            torch.cuda.synchronize()
            if turn >= 3:  # the first rounds are for warming up
                times[name].append((time.perf_counter() - start) / calls * 1e6)
    return {name: statistics.median(taken) for name, taken in times.items()}


def bare_context(device: Device, x: Any, y: Any) -> Context:
    """The stand-in's context, set up by hand for two tensors."""
    context = Engine(device).create_execution_context(0)
    context.set_input_shape("x", tuple(x.shape))
    context.set_tensor_address("x", x.data_ptr())
    context.set_tensor_address("y", y.data_ptr())
    return context


def calls_on_device() -> list[tuple[str, dict[str, float]]]:
    """Calls with arrays on the GPU, with and without CUDA graphs, on torch's current stream."""
    import cupy

    device, stream = Device(), torch.cuda.Stream()
    handle = stream.cuda_stream
    torch.cuda.set_stream(stream)
    x, y = torch.randn(8, 64, device="cuda"), torch.empty(8, 64, device="cuda")
    context, plain, graphs = bare_context(device, x, y), make(), make(cuda_graphs=True)
    cupy_x = cupy.asarray(np.ones((8, 64), np.float32))
    bare = DLPackAlone(cupy_x)
    own = plain(bare)
    private = device.new_stream()
    graph = device.capture(private, functools.partial(context.execute_async_v3, int(private.handle)))
    on_stream = device.stream_of(handle)
    enqueued = {
        "bare launch (execute_async_v3)": functools.partial(context.execute_async_v3, handle),
        "bound()": plain.bind(x, out=y),
        "engine(x, out=y), torch": lambda: plain(x, out=y),
        "engine(x), torch": lambda: plain(x),
        "engine(x), CuPy": lambda: plain(cupy_x),
        "engine(x), the result of another engine": lambda: plain(own),
        "engine(x), DLPack alone (of CuPy)": lambda: plain(bare),
        "the same, __dlpack__() alone": lambda: bare.__dlpack__(stream=handle, max_version=(1, 0)),
    }
    replayed = {
        "bare graph launch": lambda: graph.launch(on_stream),
        "bound(), CUDA graph": graphs.bind(x, out=y),
        "engine(x, out=y), torch, CUDA graph": lambda: graphs(x, out=y),
        "engine(x), torch, CUDA graph": lambda: graphs(x),
    }
    found = [
        ("Arrays on the GPU", take_turns(enqueued, CALLS)),
        ("The same with CUDA graphs", take_turns(replayed, CALLS)),
    ]
    torch.cuda.synchronize()
    assert torch.equal(plain(x), 2 * x) and torch.equal(graphs(x), 2 * x)
    torch.cuda.set_stream(torch.cuda.default_stream())
    return found


def calls_on_host(nbytes: int, calls: int) -> dict[str, float]:
    """NumPy arrays of that size in and out, against the copies from and to page-locked memory alone."""
    device = Device()
    x = np.random.default_rng(0).normal(size=(4, nbytes // 16)).astype(np.float32)
    out = np.empty_like(x)
    stream, sent, got = device.new_stream(), device.allocate_pinned(nbytes), device.allocate_pinned(nbytes)
    on_device = device.allocate(nbytes, stream)
    pinned = gpu.empty_pinned(x.shape)
    pinned[:] = x
    sent.array[: x.nbytes] = x.view(np.uint8).ravel()
    got.array[:] = 0

    def copies() -> None:
        device.copy(int(on_device.handle), sent.handle, x.nbytes, stream)
        device.copy(got.handle, int(on_device.handle), x.nbytes, stream)
        stream.sync()

    plain, checked, graphs = make(check_nan=False), make(), make(check_nan=False, cuda_graphs=True)
    contestants: dict[str, Callable[[], object]] = {
        "copies from and to page-locked memory": copies,
        "engine(x)": lambda: plain(x),
        "engine(x), CUDA graph": lambda: graphs(x),
        "engine(x, out=y)": lambda: plain(x, out=out),
        "engine(x), x from empty_pinned": lambda: plain(pinned),
        "engine(x), looking for NaN": lambda: checked(x),
        "torch: from_numpy(x).cuda(), 2 * x, .cpu()": lambda: (torch.from_numpy(x).cuda() * 2).cpu(),
    }
    found = take_turns(contestants, calls)
    np.testing.assert_array_equal(plain(x), 2 * x)
    return found


def cells(found: Mapping[str, float]) -> list[list[str]]:
    """The table's rows: microseconds, how many more than the first, and how many times as many."""
    first = next(iter(found.values()))
    rows = [[name, f"{us:,.1f}", f"{us - first:+,.1f}", f"{us / first:.2f}"] for name, us in found.items()]
    return [["", "us per call", "more than the first", "ratio"], *rows]


def write(tables: Sequence[tuple[str, dict[str, float]]]) -> None:
    """Prints the tables and writes them down."""
    device = library.device()
    host = machine().replace(f"{THREADS} threads", f"{parallel.THREADS} threads that copy")
    where = f"{device.name}, {host}; medians of {ROUNDS} rounds"
    document = {"machine": where, "tables": [{"title": title, "us": found} for title, found in tables]}
    text = [f"## {title}\n\n{markdown_table(cells(found))}\n" for title, found in tables]
    for title, found in tables:
        print(f"\n{title}\n{text_table(cells(found))}")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "gpu_overhead.json").write_text(json.dumps(document, indent=2) + "\n")
    (RESULTS / "gpu_overhead.md").write_text("\n".join(["# What a call costs on a GPU\n", *text, f"{where}\n"]))


def main() -> None:
    """Runs everything."""
    tables = calls_on_device()
    tables.append(("NumPy, 2 kB in and out", calls_on_host(2048, CALLS)))
    tables.append((f"NumPy, {MEGABYTES} MB in and out", calls_on_host(MEGABYTES * 1_000_000, 3)))
    write(tables)


if __name__ == "__main__":
    main()
