"""Sliding windows: the arithmetic of convolution and pooling, with TensorFlow's SAME padding.

Source of the SAME formula: the TensorFlow guide for ``tf.nn.convolution``: ``out = ceil(n / stride)``, and the total
padding is split with the odd element behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from trtnn.errors import ShapeError
from trtnn.graph.dims import Size, ceil_div, floor_div
from trtnn.graph.types import Shape

Pairs: TypeAlias = tuple[tuple[int, int], ...]
Padding: TypeAlias = Literal["same"] | Pairs


def extent(window: int, dilation: int) -> int:
    """Elements that a dilated window spans."""
    return (window - 1) * dilation + 1


def output_sizes(
    sizes: Shape, window: Sequence[int], strides: Sequence[int], dilations: Sequence[int], padding: Padding
) -> Shape:
    """Spatial sizes after sliding the window. Raises ShapeError when the window does not fit."""
    if padding == "same":
        return tuple(ceil_div(n, s) for n, s in zip(sizes, strides, strict=True))
    return tuple(
        _explicit(n, extent(k, d), s, pair)
        for n, k, s, d, pair in zip(sizes, window, strides, dilations, padding, strict=True)
    )


def _explicit(size: Size, span: int, stride: int, pair: tuple[int, int]) -> Size:
    padded = size + sum(pair)
    if isinstance(padded, int) and padded < span:
        raise ShapeError(
            expected=f"at least {span} elements for the window to fit",
            got=f"{size}" + (f" padded to {padded}" if sum(pair) else ""),
            remedy='use padding="same", or a smaller kernel or dilation',
        )
    return floor_div(padded - span, stride) + 1


def resolve(
    padding: Padding, sizes: Shape, window: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> Pairs | None:
    """Padding as (before, after) pairs; None when SAME padding depends on a size that is not known yet."""
    if padding != "same":
        return padding
    pairs = [same_padding(n, k, s, d) for n, k, s, d in zip(sizes, window, strides, dilations, strict=True)]
    known = tuple(pair for pair in pairs if pair is not None)
    return known if len(known) == len(pairs) else None


def same_padding(size: Size, window: int, stride: int, dilation: int = 1) -> tuple[int, int] | None:
    """SAME padding (before, after) of one axis; None when it depends on a symbolic size."""
    span = extent(window, dilation)
    if isinstance(size, int):
        total = max((-(-size // stride) - 1) * stride + span - size, 0)
    elif stride == 1 or span == 1:
        total = span - 1
    else:
        return None
    return total // 2, total - total // 2
