"""What a wrong shape looks like, and what would make it fit: the second half of a mismatch message."""

from __future__ import annotations

import math
from itertools import permutations

Shape = tuple[int, ...]

_SPATIAL = {1: "W", 2: "HW", 3: "DHW"}
_MEANINGS = {"O": "outputs", "out": "outputs", "I": "inputs", "in": "inputs", "C": "channels"}


def remedy(expected: Shape, got: Shape, layout: str = "") -> str:
    """Why a parameter of shape ``expected`` comes as ``got``, in words, with the fix; empty when nothing fits.

    ``layout`` names the expected axes ("HWIO", "in, out") where they are known.
    """
    if math.prod(expected) == math.prod(got):
        return _permuted(expected, got, layout) or _reshaped(expected, got)
    return _resized(expected, got, layout)


def _permuted(expected: Shape, got: Shape, layout: str) -> str:
    rank = len(expected)
    if sorted(expected) != sorted(got):
        return ""
    if rank == 2:
        return "this looks like PyTorch's (out, in): transpose it"
    for name, order in _known_layouts(rank, layout):
        if tuple(got[axis] for axis in order) == expected:
            return f"this looks like {name}: transpose it with {order}"
    if rank > 6:
        return ""
    orders = [order for order in permutations(range(rank)) if tuple(got[axis] for axis in order) == expected]
    names = " or ".join(str(order) for order in orders[:2])
    return f"the axes are in another order: transpose it with {names}" + (" or ..." if len(orders) > 2 else "")


def _known_layouts(rank: int, layout: str) -> list[tuple[str, tuple[int, ...]]]:
    """Name and axis order of the layouts of kernels that others use."""
    spatial = _SPATIAL.get(rank - 2)
    if spatial is None:
        return []
    places = tuple(range(rank))
    channels = "IO" if "OI" in layout else "OI"
    return [
        (f"PyTorch's {channels}{spatial}", places[2:] + (1, 0)),
        (f"TFLite's O{spatial}I", places[1:] + (0,)),
        (f"{spatial}{channels}, with the channels swapped", places[:-2] + (rank - 1, rank - 2)),
    ]


def _reshaped(expected: Shape, got: Shape) -> str:
    fix = f"reshape it to {expected}"
    if [n for n in expected if n != 1] == [n for n in got if n != 1]:
        return f"only axes of size 1 differ: {fix}"
    if len(expected) == len(got) == 4:
        height, width, channels, multiplier = expected
        if got == (channels * multiplier, 1, height, width):
            return f"this looks like PyTorch's depthwise kernel: transpose it with (2, 3, 1, 0) and {fix}"
        if channels == 1 and got[:2] == (height, width):
            return f"this looks like TensorFlow's depthwise kernel (height, width, in, multiplier): {fix}"
    if len(got) == 1:
        return f"this looks flattened: {fix}, if it was flattened in that order"
    return f"it has as many values: {fix}, if their order is the same"


def _resized(expected: Shape, got: Shape, layout: str) -> str:
    different = [axis for axis, (a, b) in enumerate(zip(expected, got, strict=False)) if a != b]
    if len(expected) != len(got) or len(different) != 1:
        return ""
    axis = different[0]
    meaning = _axis_meaning(axis, len(expected), layout)
    return f"the file's layer has {got[axis]} {meaning}, the model's {expected[axis]}" if meaning else ""


def _axis_meaning(axis: int, rank: int, layout: str) -> str:
    names = [name.strip() for name in layout.split(",")] if "," in layout else list(layout)
    if len(names) != rank:
        names = ["O"] if rank == 1 else [""] * (rank - 2) + ["I", "O"]
    return _MEANINGS.get(names[axis], "")
