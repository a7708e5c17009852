"""Attention and its masks, as Keras 3 computes them.

Masks are bool, true where attention is allowed. Raises ShapeError and DTypeError for operands that do not fit.
"""

from __future__ import annotations

from trtnn.functional import math as fm
from trtnn.functional import reductions
from trtnn.functional.nn import softmax
from trtnn.functional.operands import Axes, Operand, axes_of, lift, lift_one
from trtnn.functional.sequence import arange, repeat
from trtnn.functional.shape import reshape
from trtnn.functional.statistics import logsumexp
from trtnn.graph import DType, Size
from trtnn.tensor import Tensor

__all__ = ["attention_band", "causal_mask", "dot_product_attention", "masked_softmax", "merge_masks"]

# What stands for a score that is masked out, in half precision and otherwise: Keras's constants.
MASKED = {True: -45850.0, False: -2.372671e38}
SOFTMAX_MASKED = {True: -3e4, False: -1e9}


def causal_mask(like: Tensor, queries: Size, keys: Size) -> Tensor:
    """(queries, keys): true where the key is not later than the query. ``like`` is any tensor of the network."""
    row, column = arange(like, queries, "int32"), arange(like, keys, "int32")
    return fm.greater_equal(row.expand_dims(1), column.expand_dims(0))


def attention_band(like: Tensor, queries: Size, keys: Size, window: int) -> Tensor:
    """(queries, keys): true where query and key are less than ``window`` apart."""
    row, column = arange(like, queries, "int32"), arange(like, keys, "int32")
    return fm.less(fm.abs(row.expand_dims(1) - column.expand_dims(0)), window)


def merge_masks(*masks: Operand | None) -> Tensor | None:
    """All masks that are not None, combined by "and" and broadcast; None without any."""
    merged: Tensor | None = None
    for mask in masks:
        if mask is not None:
            merged = fm.cast(mask, "bool") if merged is None else fm.logical_and(merged, fm.cast(mask, "bool"))
    return merged


def masked_softmax(x: Operand, mask: Operand | None = None, axis: Axes = -1) -> Tensor:
    """Softmax over axes of what the mask allows and 0 elsewhere, as Keras's Softmax: a row of nothing is 0."""
    _, tensor = lift_one(x)
    allowed = None if mask is None else lift(tensor, mask)[1][1]
    if allowed is not None:
        tensor = fm.where(allowed, tensor, SOFTMAX_MASKED[tensor.dtype is DType.float16])
    axes = axes_of(axis, tensor.ndim)
    y = softmax(tensor, axes[0]) if len(axes) == 1 else fm.exp(tensor - logsumexp(tensor, axes, keepdims=True))
    return y if allowed is None else fm.where(allowed, y, 0.0)


def dot_product_attention(
    query: Operand,
    key: Operand,
    value: Operand,
    *,
    mask: Operand | None = None,
    bias: Operand | None = None,
    scale: float | None = None,
    is_causal: bool = False,
) -> Tensor:
    """``softmax(query @ key * scale + bias) @ value`` per head, as ``keras.ops.dot_product_attention``.

    query (N, T, heads, k), key (N, S, heads, k), value (N, S, heads, v); mask and bias broadcast to (N, heads, T, S);
    the scale is 1 / sqrt(k) unless given. The result is (N, T, heads, v). Fewer heads of key and value are each shared
    by as many neighbouring heads of the query. A row that is masked out whole gives the mean of the values.
    """
    _, (q, k, v) = lift(query, key, value)
    heads, shared = q.shape[2], k.shape[2]
    if heads != shared:
        k, v = (repeat(one, heads // shared, 2) for one in (k, v))
    factor = float(q.shape[3]) ** -0.5 if scale is None else scale
    scores = reductions.matmul(q.transpose(0, 2, 1, 3) * factor, k.transpose(0, 2, 3, 1))
    scores = scores if bias is None else scores + bias
    causal = causal_mask(q, q.shape[1], k.shape[1]) if is_causal else None
    allowed = merge_masks(mask, causal)
    if allowed is not None:
        scores = fm.where(allowed, scores, MASKED[scores.dtype is DType.float16])
    mixed = reductions.matmul(softmax(scores), v.transpose(0, 2, 1, 3))
    return mixed.transpose(0, 2, 1, 3)


def head_mask(mask: Tensor, rank: int, axes: int) -> Tensor:
    """A mask (..., *queries, *keys) with axes of size 1 put before its last ``2 * axes``, up to the rank."""
    split = mask.ndim - 2 * axes
    return reshape(mask, (*mask.shape[:split], *(1,) * (rank - mask.ndim), *mask.shape[split:]))
