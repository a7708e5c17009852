"""Runs every kernel once on operands of odd sizes, for compute-sanitizer::

    PYTHONPATH=.:tests:examples compute-sanitizer --tool memcheck python tests/custom_kernels/sanitize.py

With ``--planted`` it runs one kernel that writes behind its output instead: that the sanitizer sees it is the proof
that it looks.
"""

from __future__ import annotations

import sys

import numpy as np

from custom_kernels.cases import cases
from custom_kernels.ops import Scale
from trtnn.custom.definition import custom_of
from trtnn.custom.kernels import CudaKernel, int32
from trtnn.custom.kernels.checking import run_kernel

PLANTED = CudaKernel(
    source='extern "C" __global__ void planted(const float* x, int count, float* y) { y[count + 4096] = x[0]; }',
    entry="planted",
    dtypes=("float32",),
    grid=1,
    block=1,
    arguments=lambda op, x: (int32(2 * 1024 * 1024 * 1024 - 8192),),
)


def main() -> None:
    if "--planted" in sys.argv:
        run_kernel(PLANTED, custom_of(Scale()), np.ones(3, np.float32))
        return
    count = 0
    for count, (_, kernel, op, operands) in enumerate(cases(), 1):  # noqa: B007
        run_kernel(kernel, custom_of(op), *operands)
    sys.stdout.write(f"ran {count} kernels\n")


if __name__ == "__main__":
    main()
