"""What Keras calls the numbered variables of an object: from its class and options, or from their shapes alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

Shape = tuple[int, ...]

KERNEL = ("kernel", "bias")
NORM = ("gamma", "beta")
BATCH_NORM = (*NORM, "moving_mean", "moving_variance")
CELL = ("kernel", "recurrent_kernel", "bias")
SEPARABLE = ("depthwise_kernel", "pointwise_kernel", "bias")

NAMES: dict[str, tuple[str, ...]] = {
    "batch_normalization": BATCH_NORM,
    "sync_batch_normalization": BATCH_NORM,
    "cell": CELL,
    "embedding": ("embeddings",),
    "reversible_embedding": ("embeddings", "reverse_embeddings"),
    "group_normalization": NORM,
    "layer_normalization": NORM,
    "layer_scale": ("gamma",),
    "normalization": ("mean", "variance", "count"),
    "p_re_lu": ("alpha",),
    "rms_normalization": ("scale",),
    "separable_conv1d": SEPARABLE,
    "separable_conv2d": SEPARABLE,
    "attention": ("scale", "concat_score_weight"),
    "additive_attention": ("scale",),
    "seed_generator": ("seed_generator_state",),
}
"""By class in snake case, in the order in which Keras makes them."""

OPTIONS = {"gamma": "scale", "beta": "center", "bias": "use_bias"}
"""The options that leave a variable out."""


def variable_names(kind: str, shapes: Sequence[Shape], options: Mapping[str, Any] | None = None) -> list[str]:
    """The names of variables of these shapes; their numbers where that is not certain.

    ``kind`` is the class in snake case, with or without a number, or empty; ``options`` are the layer's, where known.
    """
    numbers = [str(i) for i in range(len(shapes))]
    known = NAMES.get(re.sub(r"_\d+$", "", kind))
    if known is not None and options is not None:
        known = tuple(name for name in known if options.get(OPTIONS.get(name, ""), True))
    if known is None:
        known = _by_shapes(shapes)
    if len(known) == len(shapes):
        return list(known)
    is_shorter = known[-1:] == ("bias",) and len(known) == len(shapes) + 1
    return list(known[:-1]) if is_shorter else numbers


def _by_shapes(shapes: Sequence[Shape]) -> tuple[str, ...]:
    ranks = [len(shape) for shape in shapes]
    vectors = all(rank == 1 for rank in ranks) and len(set(shapes)) == 1
    if vectors and len(shapes) in (2, 4):
        return NORM if len(shapes) == 2 else BATCH_NORM
    if len(shapes) == 3 and ranks[:2] == [2, 2] and shapes[0][1] == shapes[1][1]:
        return CELL
    if len(shapes) in (1, 2) and ranks[0] >= 2 and (len(shapes) == 1 or ranks[1] < ranks[0]):
        return KERNEL[: len(shapes)]
    return ()
