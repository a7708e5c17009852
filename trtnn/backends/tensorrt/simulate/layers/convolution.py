"""Convolution and deconvolution in any number of spatial dimensions.

Inputs and outputs are (N, C, *spatial). A convolution's kernel is (K, C / groups, *kernel), a deconvolution's
(C, K / groups, *kernel), in both cases as weights or as a second input.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from trtnn.backends.tensorrt.simulate.element_types import Array
from trtnn.backends.tensorrt.simulate.layers.windows import Windows, padded, read_windows
from trtnn.backends.tensorrt.simulate.reading import Evaluator, LayerView, reads


@reads("CONVOLUTION", "IConvolutionLayer")
def convolution(layer: LayerView) -> Evaluator:
    """Correlation with a kernel, as in all networks; with groups, strides, dilation and any padding."""
    return _with_weights(layer, _convolve)


@reads("DECONVOLUTION", "IDeconvolutionLayer")
def deconvolution(layer: LayerView) -> Evaluator:
    """Transposed convolution: what convolution's gradient does to its input."""
    return _with_weights(layer, _deconvolve)


def _with_weights(layer: LayerView, apply: Callable[[Array, Array, Windows, int], Array]) -> Evaluator:
    raw = layer.raw
    size, groups = tuple(raw.kernel_size_nd), int(raw.num_groups)
    windows = read_windows(layer, size, raw.dilation_nd)
    flat_kernel, own_bias = layer.float_weights("kernel"), layer.float_weights("bias")
    maps = int(raw.num_output_maps)
    leading = maps if apply is _convolve else -1
    own_kernel = None
    if flat_kernel is not None:
        # The other leading dimension follows from the number of weights.
        second = flat_kernel.size // (maps * math.prod(size)) if leading == maps else maps // groups
        own_kernel = flat_kernel.reshape(leading, second, *size)

    def evaluate(x: Array, kernel: Array | None = None, bias: Array | None = None) -> Array:
        kernel = own_kernel if kernel is None else kernel
        bias = own_bias if bias is None else bias
        if kernel is None:
            raise ValueError("there is no kernel")
        result = apply(x, kernel, windows, groups)
        if bias is not None:
            result += bias.reshape(-1, *(1,) * len(size))
        return result

    return evaluate


def _convolve(x: Array, kernel: Array, windows: Windows, groups: int) -> Array:
    placed = windows.over(x.shape[2:])
    counts = tuple(axis.count for axis in placed)
    for axis, here in enumerate(placed):
        reach = (here.count - 1) * windows.stride[axis] + windows.extent(axis)
        x = padded(x, axis + 2, here.before, max(reach, 0), 0.0)
    maps, per_group = kernel.shape[:2]
    if groups * per_group != x.shape[1]:
        raise ValueError(f"{x.shape[1]} channels do not match {groups} groups of {per_group}")
    if per_group == 1 and groups > 1:
        return _depthwise(x, kernel, windows, counts)
    result = np.empty((x.shape[0], groups, maps // groups, math.prod(counts)), x.dtype)
    matrix = kernel.reshape(groups, maps // groups, -1)
    for sample, target in zip(x, result, strict=True):
        np.matmul(matrix, _columns(sample, windows, counts).reshape(groups, matrix.shape[2], -1), out=target)
    return result.reshape(x.shape[0], maps, *counts)


def _columns(sample: Array, windows: Windows, counts: tuple[int, ...]) -> Array:
    """The windows of one sample (C, *spatial) as (C, *kernel, *counts), which is a matrix product's right side."""
    if all(size == 1 for size in windows.kernel):
        return sample[_at_offset(windows, (0,) * len(counts), counts, leading=1)]
    strides = sample.strides[1:]
    view = np.lib.stride_tricks.as_strided(
        sample,
        (sample.shape[0], *windows.kernel, *counts),
        (
            sample.strides[0],
            *(step * dilation for step, dilation in zip(strides, windows.dilation, strict=True)),
            *(step * stride for step, stride in zip(strides, windows.stride, strict=True)),
        ),
        writeable=False,
    )
    return np.ascontiguousarray(view)


def _at_offset(windows: Windows, offset: tuple[int, ...], counts: tuple[int, ...], leading: int) -> tuple[slice, ...]:
    """Selects the element at one offset of every window."""
    return (slice(None),) * leading + tuple(
        slice(at * dilation, at * dilation + (count - 1) * stride + 1, stride)
        for at, dilation, stride, count in zip(offset, windows.dilation, windows.stride, counts, strict=True)
    )


def _depthwise(x: Array, kernel: Array, windows: Windows, counts: tuple[int, ...]) -> Array:
    """One channel per group: a sum over the kernel's offsets beats many tiny matrix products."""
    samples, groups = x.shape[:2]
    multiplier = kernel.shape[0] // groups
    result = np.zeros((samples, groups, multiplier, *counts), x.dtype)
    per_group = kernel.reshape(groups, multiplier, *windows.kernel)
    for offset in np.ndindex(*windows.kernel):
        weight = per_group[(slice(None), slice(None), *offset)].reshape(groups, multiplier, *(1,) * len(counts))
        result += x[_at_offset(windows, offset, counts, leading=2)][:, :, None] * weight
    return result.reshape(samples, groups * multiplier, *counts)


def _deconvolve(x: Array, kernel: Array, windows: Windows, groups: int) -> Array:
    """Spreads every input element over its window, then cuts the padding off: O = (I - 1) S + DK - (B + A)."""
    samples, channels, *sizes = x.shape
    counts = tuple(sizes)
    per_group = kernel.shape[1]
    full = tuple((size - 1) * windows.stride[axis] + windows.extent(axis) for axis, size in enumerate(sizes))
    result = np.zeros((samples, groups, per_group, *full), x.dtype)
    flat = x.reshape(samples, groups, channels // groups, -1)
    grouped = kernel.reshape(groups, channels // groups, per_group, *windows.kernel)
    for offset in np.ndindex(*windows.kernel):
        weight = grouped[(slice(None), slice(None), slice(None), *offset)].transpose(0, 2, 1)
        spread = np.matmul(weight, flat).reshape(samples, groups, per_group, *counts)
        result[_at_offset(windows, offset, counts, leading=3)] += spread
    result = result.reshape(samples, groups * per_group, *full)
    for axis, extent in enumerate(full):
        start, end = windows.cropping(axis)
        result = result[(slice(None),) * (axis + 2) + (slice(start, extent - end),)]
    return result
