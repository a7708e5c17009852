"""The resize layer: nearest, linear and cubic interpolation, one axis at a time."""

from __future__ import annotations

import functools

import attrs
import numpy as np

from trtnn.backends.tensorrt.simulate.element_types import Array
from trtnn.backends.tensorrt.simulate.reading import Evaluator, LayerView, reads
from trtnn.errors import UnsupportedError


@attrs.frozen
class Coordinates:
    """Where output elements lie in the input, as exact fractions ``numerators / denominator``."""

    numerators: Array
    denominator: int

    def floor(self) -> Array:
        """The index at or before each."""
        return self.numerators // self.denominator

    def rounded(self, mode: str) -> Array:
        """Rounded to an index: FLOOR, CEIL, HALF_UP or HALF_DOWN."""
        n, d = self.numerators, self.denominator
        if mode == "FLOOR":
            return n // d
        if mode == "CEIL":
            return -(-n // d)
        if mode == "HALF_UP":
            return (2 * n + d) // (2 * d)
        return -((d - 2 * n) // (2 * d))

    def fraction(self) -> Array:
        """How far past its floor each lies, from 0 to 1."""
        return (self.numerators % self.denominator) / self.denominator


def coordinates(transformation: str, size: int, resized: int, single_is_first: bool) -> Coordinates:
    """The input coordinates of ``resized`` elements over ``size``, by ``ResizeCoordinateTransformation``'s formulas."""
    index = np.arange(resized, dtype=np.int64)
    if resized == 1 and (single_is_first or transformation == "ALIGN_CORNERS"):
        return Coordinates(index, 1)
    if transformation == "HALF_PIXEL":
        return Coordinates((2 * index + 1) * size - resized, 2 * resized)
    if transformation == "ASYMMETRIC":
        return Coordinates(index * size, resized)
    return Coordinates(index * (size - 1), resized - 1)


@attrs.frozen
class _Interpolation:
    mode: str
    transformation: str
    rounding: str
    single_is_first: bool
    cubic: float
    exclude_outside: bool

    def along(self, x: Array, axis: int, resized: int) -> Array:
        size = x.shape[axis]
        where = coordinates(self.transformation, size, resized, self.single_is_first)
        if self.mode == "NEAREST":
            return x.take(np.clip(where.rounded(self.rounding), 0, size - 1), axis)
        result: Array | None = None
        for offset, weights in self._taps(where):
            index = where.floor() + offset
            if self.exclude_outside:
                weights = np.where((index < 0) | (index >= size), 0.0, weights)
            shaped = weights.astype(np.float32).reshape(-1, *(1,) * (x.ndim - 1 - axis))
            term = x.take(np.clip(index, 0, size - 1), axis) * shaped
            result = term if result is None else result + term
        if self.exclude_outside:
            result = result / self._total_weights(where, size).reshape(-1, *(1,) * (x.ndim - 1 - axis))
        return np.asarray(result)

    def _taps(self, where: Coordinates) -> list[tuple[int, Array]]:
        t = where.fraction()
        if self.mode == "LINEAR":
            return [(0, 1 - t), (1, t)]
        return [(offset, self._kernel(np.abs(t - offset))) for offset in (-1, 0, 1, 2)]

    def _kernel(self, distance: Array) -> Array:
        """Keys' cubic convolution kernel, with the coefficient a (IEEE Trans. ASSP 29, 1981)."""
        a = self.cubic
        near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
        far = a * (((distance - 5) * distance + 8) * distance - 4)
        return np.where(distance <= 1, near, far)

    def _total_weights(self, where: Coordinates, size: int) -> Array:
        total = np.zeros(len(where.numerators))
        for offset, weights in self._taps(where):
            index = where.floor() + offset
            total += np.where((index < 0) | (index >= size), 0.0, weights)
        return total.astype(np.float32)


@reads("RESIZE", "IResizeLayer")
def resize(layer: LayerView) -> Evaluator:
    """To a shape (the layer's or a second input's), or by scales: each extent is then floor(extent * scale).

    Coordinates follow from the extents in both cases, as the documented formulas say.
    """
    raw = layer.raw
    if raw.resize_mode.name not in ("NEAREST", "LINEAR", "CUBIC"):
        raise UnsupportedError(layer.name, problem=f"the simulator does not have {raw.resize_mode.name} interpolation")
    interpolation = _Interpolation(
        mode=raw.resize_mode.name,
        transformation=raw.coordinate_transformation.name,
        rounding=raw.nearest_rounding.name,
        single_is_first=raw.selector_for_single_pixel.name == "UPPER",
        cubic=float(raw.cubic_coeff),
        exclude_outside=bool(raw.exclude_outside),
    )
    # TensorRT reports an error when the shape of a layer is asked for that takes it from a tensor.
    own_shape = None if len(layer.inputs) > 1 or raw.shape is None else tuple(raw.shape)
    scales = tuple(raw.scales or ())

    def evaluate(x: Array, shape: Array | None = None) -> Array:
        if shape is not None:
            wanted = tuple(int(extent) for extent in shape)
        elif scales:
            wanted = tuple(int(np.floor(extent * scale)) for extent, scale in zip(x.shape, scales, strict=True))
        else:
            wanted = own_shape or x.shape
        changed = (axis for axis in range(x.ndim) if wanted[axis] != x.shape[axis])
        return functools.reduce(lambda y, axis: interpolation.along(y, axis, wanted[axis]), changed, x)

    return evaluate
