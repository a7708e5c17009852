"""TensorFlow's side of the window operations: convolution and pooling with every kind of padding, on the CPU.

TensorFlow pools with explicit padding nowhere, and convolves channels last only: what is missing is put together from
``tf.pad`` and ``tf.transpose`` around the real operation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from oracle import tensorflow
from strategies import ConvCase, Windows

tf = tensorflow()


def channels_last(operation: Callable[[Any], Any], data_format: str) -> Callable[[Any], Any]:
    """The operation on channels-last data as one on data of the format."""
    if data_format == "channels_last":
        return operation

    def moved(x: Any) -> Any:
        rank = len(x.shape)
        result = operation(tf.transpose(x, (0, *range(2, rank), 1)))
        return tf.transpose(result, (0, rank - 1, *range(1, rank - 1)))

    return moved


def padded(x: Any, windows: Windows, value: float = 0.0) -> tuple[Any, str]:
    """x with the explicit padding added, and TensorFlow's name for the padding that is left to do."""
    if windows.pairs is None:
        return x, "SAME"
    return tf.pad(x, [(0, 0), *windows.pairs, (0, 0)], constant_values=value), "VALID"


def convolution(case: ConvCase, kernel: Any, bias: Any | None) -> Callable[[Any], Any]:
    """``tf.nn.conv1d``, ``conv2d`` or ``conv3d``, computed by `exactly`."""

    def last(x: Any) -> Any:
        x, padding = padded(x, case.windows)
        y = exactly(_CONVOLUTIONS[case.windows.spatial], x, kernel, padding, case)
        return y if bias is None else tf.nn.bias_add(y, bias)

    return channels_last(last, case.data_format)


def exactly(operation: Callable[..., Any], x: Any, kernel: Any, *options: Any) -> Any:
    """The operation on float64 data, as float32.

    TensorFlow 2.21's float32 convolutions are oneDNN's, and wrong for some small sizes: for x of shape (2, 4, 1, 1) and
    a kernel of (1, 2), ``tf.nn.conv2d(x, kernel, (1, 2), "SAME")`` mixes up the rows, and ``tf.nn.conv3d`` reads memory
    that is not its own.
    """
    return tf.cast(operation(tf.cast(x, tf.float64), tf.cast(kernel, tf.float64), *options), tf.float32)


def _conv1d(x: Any, kernel: Any, padding: str, case: ConvCase) -> Any:
    return tf.nn.conv1d(x, kernel, case.windows.stride[0], padding, dilations=case.windows.dilation[0])


def _conv2d(x: Any, kernel: Any, padding: str, case: ConvCase) -> Any:
    return tf.nn.conv2d(x, kernel, case.windows.stride, padding, dilations=case.windows.dilation)


def _conv3d(x: Any, kernel: Any, padding: str, case: ConvCase) -> Any:
    """Without groups and dilation, which ``tf.nn.conv3d`` does not have on the CPU.

    Groups are convolutions side by side, and a dilated kernel is one with zeros between its elements. Where the stride
    exceeds the window, SAME takes padding of less than nothing, unlike the documented formula and all other
    convolutions: what no window reads is cut off before.
    """
    windows = case.windows
    if padding == "SAME":
        ends = [-(-n // s) * s - s + k for n, s, k in zip(x.shape[1:4], windows.stride, windows.extent, strict=True)]
        x = x[:, : ends[0], : ends[1], : ends[2]]
    dilated = np.zeros((*windows.extent, *kernel.shape[3:]))
    depth, height, width = windows.dilation
    dilated[::depth, ::height, ::width] = kernel
    parts = zip(tf.split(x, case.groups, -1), tf.split(dilated, case.groups, -1), strict=True)
    stride = (1, *windows.stride, 1)
    return tf.concat([tf.nn.conv3d(one, weights, stride, padding) for one, weights in parts], -1)


_CONVOLUTIONS = {1: _conv1d, 2: _conv2d, 3: _conv3d}


def pooling(kind: str, windows: Windows, data_format: str) -> Callable[[Any], Any]:
    """TensorFlow's pooling; explicit padding is -inf for a maximum and is left out of the count of an average."""
    maximum = (tf.nn.max_pool1d, tf.nn.max_pool2d, tf.nn.max_pool3d)[windows.spatial - 1]
    average = (tf.nn.avg_pool1d, tf.nn.avg_pool2d, tf.nn.avg_pool3d)[windows.spatial - 1]

    def last(x: Any) -> Any:
        if kind == "max":
            return pooled(maximum, *padded(x, windows, -np.inf))
        if windows.pairs is None:
            return pooled(average, x, "SAME")
        inside = pooled(average, *padded(tf.ones_like(x), windows))
        return pooled(average, *padded(x, windows)) / inside

    def pooled(operation: Any, x: Any, padding: str) -> Any:
        return operation(x, windows.window, windows.stride, padding)

    return channels_last(last, data_format)
