"""The slice layer, which also pads and stretches: starts outside the tensor are filled by its mode, a step of 0
repeats.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trtnn.backends.tensorrt.emit.emitter import Emitter, Tensor
from trtnn.graph import Shape, Size


def slice_layer(
    net: Emitter,
    x: Tensor,
    starts: Shape,
    sizes: Shape,
    steps: Sequence[int],
    mode: str = "STRICT_BOUNDS",
    fill: Tensor | None = None,
) -> Tensor:
    """``sizes[i]`` elements from ``starts[i]`` in steps of ``steps[i]``; symbolic starts and sizes become inputs of the
    layer.
    """
    inputs = {
        index: net.sizes.vector(amounts)
        for index, amounts in ((1, starts), (2, sizes))
        if not all(isinstance(amount, int) for amount in amounts)
    }
    zeros, ones = (0,) * len(starts), (1,) * len(starts)
    if fill is not None:
        inputs[4] = fill
    return net.add(
        "slice",
        x,
        zeros if 1 in inputs else starts,
        ones if 2 in inputs else sizes,
        tuple(steps),
        inputs=inputs,
        mode=getattr(net.trt.SampleMode, mode),
    )


def pad(
    net: Emitter, x: Tensor, shape: Shape, pairs: Sequence[tuple[Size, Size]], mode: str, fill: Tensor | None = None
) -> Tensor:
    """Elements added (before, after) each axis of x, whose shape is given; ``mode`` is a ``SampleMode``, ``fill`` a
    scalar.
    """
    starts = tuple(-before for before, _ in pairs)
    sizes: Any = tuple(size + before + after for size, (before, after) in zip(shape, pairs, strict=True))
    return slice_layer(net, x, starts, sizes, (1,) * len(shape), mode, fill)


def stretch(net: Emitter, x: Tensor, old: Shape, new: Shape) -> Tensor:
    """Sizes of 1 repeated up to the new shape, which has the old one's rank."""
    steps = [0 if before == 1 and after != 1 else 1 for before, after in zip(old, new, strict=True)]
    return slice_layer(net, x, (0,) * len(new), new, steps)
