"""What a message says about a shape that does not fit; every fix it names really fits."""

from __future__ import annotations

import re

import numpy as np
import pytest

from trtnn.weights.layouts import remedy

Shape = tuple[int, ...]


@pytest.mark.parametrize(
    ("expected", "got", "layout", "text"),
    [
        ((3, 3, 64, 128), (128, 64, 3, 3), "HWIO", "this looks like PyTorch's OIHW: transpose it with (2, 3, 1, 0)"),
        ((3, 5, 64, 128), (128, 64, 3, 5), "", "this looks like PyTorch's OIHW: transpose it with (2, 3, 1, 0)"),
        ((3, 3, 64, 128), (128, 64, 3, 3), "HWOI", "this looks like PyTorch's IOHW: transpose it with (2, 3, 1, 0)"),
        ((5, 64, 128), (128, 64, 5), "WIO", "this looks like PyTorch's OIW: transpose it with (2, 1, 0)"),
        ((3, 3, 64, 128), (128, 3, 3, 64), "HWIO", "this looks like TFLite's OHWI: transpose it with (1, 2, 3, 0)"),
        (
            (3, 3, 64, 128),
            (3, 3, 128, 64),
            "HWOI",
            "this looks like HWIO, with the channels swapped: transpose it with (0, 1, 3, 2)",
        ),
        ((3, 3, 64, 128), (64, 3, 3, 128), "HWIO", "the axes are in another order: transpose it with (1, 2, 0, 3) or"),
        ((64, 10), (10, 64), "in, out", "this looks like PyTorch's (out, in): transpose it"),
        ((64,), (1, 1, 1, 64), "", "only axes of size 1 differ: reshape it to (64,)"),
        ((64, 10), (1, 1, 64, 10), "in, out", "only axes of size 1 differ: reshape it to (64, 10)"),
        ((3, 3, 1, 8), (3, 3, 4, 2), "HWIO", "this looks like TensorFlow's depthwise kernel (height, width, in, multi"),
        ((3, 3, 4, 2), (8, 1, 3, 3), "HWCM", "this looks like PyTorch's depthwise kernel: transpose it with (2, 3, 1"),
        ((3, 3, 4, 2), (72,), "HWIO", "this looks flattened: reshape it to (3, 3, 4, 2), if it was flattened in that"),
        (
            (7, 7, 4, 2),
            (196, 2),
            "HWIO",
            "it has as many values: reshape it to (7, 7, 4, 2), if their order is the same",
        ),
        ((64, 12), (64, 10), "in, out", "the file's layer has 10 outputs, the model's 12"),
        ((12,), (10,), "", "the file's layer has 10 outputs, the model's 12"),
        ((3, 3, 1, 8), (3, 3, 3, 8), "HWIO", "the file's layer has 3 inputs, the model's 1"),
        ((3, 3, 8, 1), (3, 3, 8, 3), "HWOI", "the file's layer has 3 inputs, the model's 1"),
        ((3, 3, 8, 1), (5, 3, 8, 1), "HWIO", ""),
        ((3, 3, 8, 1), (5, 5, 8, 1), "HWIO", ""),
        ((3, 4), (5,), "", ""),
        ((), (5,), "", ""),
    ],
)
def test_remedies(expected: Shape, got: Shape, layout: str, text: str) -> None:
    said = remedy(expected, got, layout)
    assert said.startswith(text) if text else said == ""
    order = re.search(r"transpose it with \(([\d, ]+)\)", said)
    array = np.empty(got)
    if order:
        array = array.transpose([int(axis) for axis in order[1].split(",")])
    if "reshape" in said:
        array = array.reshape(expected)
    if order or "reshape" in said:
        assert array.shape == expected


def test_the_axes_of_a_depthwise_kernel_stay_in_order() -> None:
    """Output channel c * M + m in both, so reshaping is right: (H, W, C, M) to (H, W, 1, C * M), and PyTorch's back."""
    kernel = np.arange(3 * 3 * 4 * 2).reshape(3, 3, 4, 2)
    grouped = kernel.reshape(3, 3, 1, 8)
    pytorch = np.stack([kernel[:, :, c, m][None] for c in range(4) for m in range(2)])
    np.testing.assert_array_equal(grouped[:, :, 0, 5], kernel[:, :, 2, 1])
    np.testing.assert_array_equal(pytorch.transpose(2, 3, 1, 0).reshape(kernel.shape), kernel)
