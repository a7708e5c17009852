"""Hypothesis strategies for networks: shapes, windows, padding, axes, data.

Sizes are small and start at 1, so that a failing example shrinks to something a person can work out by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import attrs
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

Shape: TypeAlias = tuple[int, ...]
Array: TypeAlias = np.ndarray
Draw: TypeAlias = Callable[..., Any]

FLOATS = ("float32",)
NUMBERS = ("float32", "int32", "int64")
ALL_DTYPES = (*NUMBERS, "bool")

seeds = st.integers(0, 999)
sizes = st.integers(1, 9)
channels = st.integers(1, 5)
data_formats = st.sampled_from(["channels_last", "channels_first"])


def shapes(min_rank: int = 1, max_rank: int = 4, max_size: int = 5) -> st.SearchStrategy[Shape]:
    """Shapes without an empty axis."""
    return hnp.array_shapes(min_dims=min_rank, max_dims=max_rank, max_side=max_size)


def random_array(
    shape: Sequence[int], dtype: str = "float32", seed: int = 0, low: float = -3, high: float = 3
) -> Array:
    """Values between ``low`` and ``high``, none of them zero but for a bool; the same for the same arguments."""
    rng = np.random.default_rng([seed, *shape])
    if dtype == "bool":
        return np.asarray(rng.random(shape) < 0.5)
    if dtype.startswith("float"):
        values = np.asarray(rng.uniform(low, high, shape))
        return np.where(values == 0, high, values).astype(dtype)
    values = np.asarray(rng.integers(int(low), int(high) + 1, shape))
    return np.where(values == 0, int(high), values).astype(dtype)


@st.composite
def arrays(
    draw: Draw,
    shape: st.SearchStrategy[Shape] | None = None,
    dtype: Sequence[str] = FLOATS,
    low: float = -3,
    high: float = 3,
) -> Array:
    """Arrays of `random_array`."""
    drawn = draw(shape if shape is not None else shapes())
    return random_array(drawn, draw(st.sampled_from(dtype)), draw(seeds), low, high)


@st.composite
def broadcastable(
    draw: Draw, count: int, dtype: Sequence[str] = FLOATS, low: float = -3, high: float = 3
) -> list[Array]:
    """``count`` arrays of one data type and of ranks 0 to 4 that broadcast together."""
    found = draw(hnp.mutually_broadcastable_shapes(num_shapes=count, min_side=1, max_side=4, max_dims=4))
    kind, seed = draw(st.sampled_from(dtype)), draw(seeds)
    return [random_array(shape, kind, seed + i, low, high) for i, shape in enumerate(found.input_shapes)]


@st.composite
def axes(draw: Draw, rank: int, min_size: int = 0) -> tuple[int, ...]:
    """Distinct axes, counted from either end."""
    chosen = draw(st.lists(st.integers(0, rank - 1), min_size=min_size, max_size=rank, unique=True))
    return tuple(axis - rank if draw(st.booleans()) else axis for axis in chosen)


@st.composite
def indices(draw: Draw, shape: Shape) -> Any:
    """What may stand between the brackets of ``x[...]`` and leaves at least one element."""
    index = st.one_of(hnp.basic_indices(shape, allow_newaxis=True, max_dims=6))
    return draw(index.filter(lambda one: np.empty(shape)[one].size > 0))


@attrs.frozen
class Windows:
    """How a window slides over the spatial axes; ``sizes`` are several choices of what it slides over."""

    window: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: Any
    sizes: tuple[tuple[int, ...], ...]

    @property
    def spatial(self) -> int:
        """The number of spatial axes."""
        return len(self.window)

    @property
    def pairs(self) -> tuple[tuple[int, int], ...] | None:
        """Explicit padding as (before, after) pairs; None for "same"."""
        if self.padding == "same":
            return None
        if self.padding == "valid":
            return ((0, 0),) * self.spatial
        padding = (self.padding,) * self.spatial if isinstance(self.padding, int) else self.padding
        return tuple((one, one) if isinstance(one, int) else one for one in padding)

    @property
    def extent(self) -> tuple[int, ...]:
        """Elements that the dilated window spans, per axis."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.window, self.dilation, strict=True))


def _paddings(window: Shape, below_window: bool) -> st.SearchStrategy[Any]:
    """Every way to write padding; less than the window where that is asked, as pooling does."""
    most = [k - 1 if below_window else 3 for k in window]
    per_axis = [st.integers(0, one) for one in most]
    pairs = [st.tuples(one, one) for one in per_axis]
    return st.one_of(
        st.sampled_from(["same", "valid"]), st.integers(0, min(most)), st.tuples(*per_axis), st.tuples(*pairs)
    )


@st.composite
def windows(draw: Draw, spatial: int, dilated: bool, below_window: bool = False) -> Windows:
    """Windows of 1 to 5, strides of 1 to 3, dilations of 1 to 3, every kind of padding, odd and even sizes that fit."""

    def per_axis(most: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(1, most)) for _ in range(spatial))

    window, stride = per_axis(5 if spatial < 3 else 3), per_axis(3)
    dilation = per_axis(3) if dilated else (1,) * spatial
    found = Windows(window, stride, dilation, draw(_paddings(window, below_window)), ())
    least = [1] * spatial
    if found.pairs is not None:
        least = [max(1, span - sum(pair)) for span, pair in zip(found.extent, found.pairs, strict=True)]
    several = [tuple(n + draw(st.integers(0, 6)) for n in least) for _ in range(3)]
    return attrs.evolve(found, sizes=tuple(several))


@attrs.frozen
class ConvCase:
    """A convolution's options; ``inputs`` and ``outputs`` count channels."""

    windows: Windows
    inputs: int
    outputs: int
    groups: int
    bias: bool
    data_format: str
    batch: int

    @property
    def kernel_shape(self) -> Shape:
        """TensorFlow's layout: (*window, in / groups, out)."""
        return (*self.windows.window, self.inputs // self.groups, self.outputs)


@st.composite
def convolutions(draw: Draw, spatial: int) -> ConvCase:
    """Plain, grouped and depthwise convolutions, with and without a bias, in both data formats."""
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    per_group, out_per_group = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    return ConvCase(
        windows=draw(windows(spatial, dilated=True)),
        inputs=groups * per_group,
        outputs=groups * out_per_group,
        groups=groups,
        bias=draw(st.booleans()),
        data_format=draw(data_formats),
        batch=draw(st.integers(1, 3)),
    )
