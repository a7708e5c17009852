"""Weights of image resampling as matrices (out, in), for the methods that no target has a layer for.

Sources: TensorFlow's kernels ``scale_and_translate_op`` (antialiasing, Lanczos), ``resize_bicubic_op`` and
``resize_area_op``, whose arithmetic is repeated here in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import attrs
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

CUBIC_TABLE_SIZE = 1024  # TensorFlow's bicubic kernel is a table with so many steps per element


@attrs.frozen
class Kernel:
    """A resampling kernel: the weight of an element at a distance, 0 beyond ``radius`` elements."""

    radius: float
    weight: Callable[[Array], Array]


def _triangle(distance: Array) -> Array:
    return np.maximum(1 - distance, 0)


def _keys_cubic(distance: Array) -> Array:
    """Keys's cubic convolution with a = -1/2 (IEEE Trans. ASSP 29, 1981)."""
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return np.where(distance < 1, near, np.where(distance < 2, far, 0))


def _lanczos(radius: int) -> Kernel:
    def weight(distance: Array) -> Array:
        return np.where(distance <= radius, np.sinc(distance) * np.sinc(distance / radius), 0)

    return Kernel(radius, weight)


KERNELS: Mapping[str, Kernel] = {
    "bilinear": Kernel(1, _triangle),
    "bicubic": Kernel(2, _keys_cubic),
    "lanczos3": _lanczos(3),
    "lanczos5": _lanczos(5),
}


def resampling_matrix(method: str, size: int, resized: int, antialias: bool) -> Array:
    """The weights (resized, size) of a method with half-pixel centres, each row adding up to 1."""
    if method == "area":
        return _area(size, resized)
    if method == "bicubic" and not antialias:
        return _tabulated_cubic(size, resized)
    kernel, step = KERNELS[method], size / resized
    stretch = max(step, 1.0) if antialias else 1.0
    centres = (np.arange(resized)[:, None] + 0.5) * step
    distance = np.abs(np.arange(size) + 0.5 - centres) / stretch
    return _normalized(kernel.weight(distance))


def _tabulated_cubic(size: int, resized: int) -> Array:
    """Neighbours outside the image are left out; distances are rounded to the steps of the table."""
    place = (np.arange(resized, dtype=np.float32)[:, None] + np.float32(0.5)) * np.float32(size / resized) - np.float32(
        0.5
    )
    left = np.floor(place)
    fraction = np.rint((place - left) * CUBIC_TABLE_SIZE) / CUBIC_TABLE_SIZE
    distance = np.abs(np.arange(size) - left - fraction)
    beyond = (np.arange(size) < left - 1) | (np.arange(size) > left + 2)
    return _normalized(np.where(beyond, 0, _keys_cubic(distance)))


def _area(size: int, resized: int) -> Array:
    """How much of each element lies under each result."""
    edges = np.arange(resized + 1) * (size / resized)
    left, right = edges[:-1, None], edges[1:, None]
    inside = np.minimum(np.arange(1, size + 1), right) - np.maximum(np.arange(size), left)
    return _normalized(np.maximum(inside, 0))


def _normalized(weights: Array) -> Array:
    return np.asarray(weights / weights.sum(1, keepdims=True))


def nearest_places(size: int, resized: int, coordinates: str) -> npt.NDArray[np.int64]:
    """The element that TensorFlow's nearest resampling picks for each result, with its rounding in float32."""
    index = np.arange(resized, dtype=np.float32)
    if coordinates == "align_corners":
        step = np.float32(size - 1) / np.float32(max(resized - 1, 1))
        place = np.floor(index * step + np.float32(0.5))
    else:
        offset = np.float32(0.5 if coordinates == "half_pixel" else 0)
        place = np.floor((index + offset) * (np.float32(size) / np.float32(resized)))
    places: npt.NDArray[np.int64] = np.clip(place, 0, size - 1).astype(np.int64)
    return places


def is_on_the_edge(size: int, resized: int, coordinates: str) -> bool:
    """Whether a place lies exactly between two elements and float32 cannot hold the step: there rounding decides."""
    over, under = (size - 1, resized - 1) if coordinates == "align_corners" else (size, resized)
    if under < 1 or is_power_of_two(under // math.gcd(over, under)):
        return False
    index = np.arange(1, resized)  # the first place is exact in every way
    shift = {"half_pixel": over, "asymmetric": 0, "align_corners": under}[coordinates]
    doubled = 2 * index * over + shift
    return bool((doubled % (2 * under) == 0).any())


def is_power_of_two(number: int) -> bool:
    """True for 1, 2, 4 and so on."""
    return number & (number - 1) == 0


def pooling_windows(size: int, pooled: int) -> list[tuple[int, int]]:
    """The windows of an adaptive pooling: from floor(i * size / pooled) to ceil((i + 1) * size / pooled)."""
    return [(i * size // pooled, -(-(i + 1) * size // pooled)) for i in range(pooled)]


def pooling_matrix(size: int, pooled: int) -> Array:
    """The weights (pooled, size) of an adaptive average pooling."""
    places = np.arange(size)
    return _normalized(
        np.array([(start <= places) & (places < end) for start, end in pooling_windows(size, pooled)], np.float64)
    )
