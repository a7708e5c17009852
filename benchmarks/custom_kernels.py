"""The fused bias and swish of examples/custom_ops on a GPU: its kernels against a plain copy and torch's versions.

    PYTHONPATH=examples python -m benchmarks.custom_kernels [--logs FILE ...]

x and y have 256 MB each, so that nothing stays in the caches; a kernel reads x once and writes y once, as a copy does.
All take turns, round by round, and each is timed by CUDA events. Bandwidth is bytes read and written per second, and
"of copy" is the median over the rounds of "the copy's time / this one's time in the same round".

``--logs``: the logs of the tests and of compute-sanitizer, whose last lines go into the results.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from custom_ops.bias_swish import BiasSwish

from benchmarks.common import RESULTS, markdown_table
from trtnn.custom.definition import custom_of
from trtnn.custom.kernels import Kernel
from trtnn.custom.kernels.launching import launch, prepare
from trtnn.gpu.device import Device
from trtnn.graph import TensorType, as_dtype

NBYTES = 256 * 2**20
CHANNELS = (256, 255)
ROUNDS = 60
CALLS = 10
BETA = 1.5
Call = Callable[[], object]


def eager(x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    z = x + bias
    return z * torch.sigmoid(BETA * z)


def ours(kernel: Kernel, x: torch.Tensor, bias: torch.Tensor, y: torch.Tensor) -> Call:
    """The kernel on torch's stream and memory, as a plugin launches it."""
    types = tuple(TensorType(as_dtype(str(one.dtype).removeprefix("torch.")), tuple(one.shape)) for one in (x, bias))
    prepared = prepare(kernel, custom_of(BiasSwish(beta=BETA)), types)
    stream = Device(0).stream_of(torch.cuda.current_stream().cuda_stream)
    return lambda: prepared.enqueue([x.data_ptr(), bias.data_ptr()], [y.data_ptr()], 0, stream)


def contestants(x: torch.Tensor, bias: torch.Tensor) -> dict[str, Call]:
    """What is compared; each writes a result of x's shape. All are checked against eager torch first."""
    y = torch.empty_like(x)
    compiled = torch.compile(eager)
    found: dict[str, Call] = {"copy": lambda: y.copy_(x)}
    found |= {kernel.name: ours(kernel, x, bias, y) for kernel in custom_of(BiasSwish()).kernels}
    found |= {"torch.compile": lambda: compiled(x, bias), "torch eager": lambda: eager(x, bias)}
    expected = eager(x.float(), bias.float())
    for name, call in list(found.items())[1:]:
        got = call()
        torch.cuda.synchronize()
        torch.testing.assert_close(y if got is None else got, expected.to(x.dtype), rtol=1e-2, atol=1e-2, msg=name)
        y.zero_()
    return found


def race(calls: dict[str, Call]) -> dict[str, list[float]]:
    """Milliseconds per call, one number for each round."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    for number in range(ROUNDS + 3):
        for name, call in calls.items():
            begin.record()
            for _ in range(CALLS):
                call()
            end.record()
            end.synchronize()
            if number >= 3:
                times[name].append(begin.elapsed_time(end) / CALLS)
    return times


def table(dtype: torch.dtype, channels: int) -> dict[str, Any]:
    """One race: x of 256 MB, as many rows as that makes."""
    rows = NBYTES // (channels * dtype.itemsize)
    x = torch.randn(rows, channels, device="cuda", dtype=torch.float32).to(dtype)
    bias = torch.randn(channels, device="cuda", dtype=torch.float32).to(dtype)
    times = race(contestants(x, bias))
    moved = 2 * x.numel() * dtype.itemsize
    found = {}
    for name, mine in times.items():
        share = statistics.median(copy / own for copy, own in zip(times["copy"], mine, strict=True))
        median = statistics.median(mine)
        found[name] = {"ms": median, "TB/s": moved / median / 1e9, "of copy": share}
    return {"dtype": str(dtype).removeprefix("torch."), "shape": [rows, channels], "rows": found}


def overhead() -> dict[str, float]:
    """Microseconds of the host's time per call on a tensor of 4 KB: `launch`, and a kernel that was prepared."""
    x, bias = torch.ones(4, 256, device="cuda"), torch.ones(256, device="cuda")
    op, y = BiasSwish(beta=BETA), torch.empty_like(x)
    prepared = ours(custom_of(op).kernels[0], x, bias, y)
    return {"launch": _host_us(lambda: launch(op, x, bias)), "prepared": _host_us(prepared)}


def _host_us(call: Call, calls: int = 2000) -> float:
    for _ in range(100):
        call()
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(calls):
        call()
    found = (time.perf_counter() - began) / calls * 1e6
    torch.cuda.synchronize()
    return found


def tail(path: Path, lines: int = 12) -> str:
    """The last lines of a log."""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def markdown(report: dict[str, Any]) -> str:
    """The report as Markdown."""
    parts = [f"# Custom kernels\n\n`python -m benchmarks.custom_kernels` on {report['machine']}.\n"]
    for one in report["tables"]:
        cells = [["", "ms", "TB/s", "of copy"]] + [
            [name, f"{row['ms']:.4f}", f"{row['TB/s']:.2f}", f"{row['of copy']:.1%}"]
            for name, row in one["rows"].items()
        ]
        shape = "x".join(map(str, one["shape"]))
        parts.append(f"## Bias and swish, {one['dtype']}, {shape} (256 MB in, 256 MB out)\n\n{markdown_table(cells)}\n")
    host = report["host_us"]
    parts.append(
        f"{ROUNDS} rounds of {CALLS} calls each. Host time per call on 4 KB: {host['launch']:.1f} us for `launch`, "
        f"{host['prepared']:.1f} us for a prepared kernel, as a plugin has it.\n"
    )
    parts += [f"## {name}\n\n```\n{text}\n```\n" for name, text in report["logs"].items()]
    return "\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--logs", nargs="*", type=Path, default=[])
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    versions = f"torch {torch.__version__}, CUDA {torch.version.cuda}"
    report = {
        "machine": f"one {torch.cuda.get_device_name(0)}, {versions}",
        "tables": [table(dtype, channels) for dtype in (torch.float32, torch.float16) for channels in CHANNELS],
        "host_us": overhead(),
        "logs": {path.stem: tail(path) for path in options.logs},
    }
    (options.out / "custom_kernels.json").write_text(json.dumps(report, indent=1) + "\n")
    (options.out / "custom_kernels.md").write_text(markdown(report))
    print(markdown(report))


if __name__ == "__main__":
    main()
