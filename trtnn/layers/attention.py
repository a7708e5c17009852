"""Attention layers, as Keras 3 computes them: names and layouts of the weights, masks, and what a masked row gives.

Masks are bool, true where something counts: ``attention_mask`` (B, T, S) for every query and key, ``query_mask`` (B,
T), ``value_mask`` and ``key_mask`` (B, S); all that are given hold together, with the causal one.
"""

from __future__ import annotations

from typing import Any

from trtnn import functional as F
from trtnn.errors import ArgumentError
from trtnn.functional.attention import head_mask
from trtnn.functional.operands import positive_int
from trtnn.layers.options import listed
from trtnn.layers.products import EinsumDense
from trtnn.module import Module
from trtnn.parameter import Parameter
from trtnn.tensor import Tensor

__all__ = ["AdditiveAttention", "Attention", "GroupQueryAttention", "MultiHeadAttention"]

LETTERS = "abcdefghijklmnopqrstuvwxyz"


class _HeadAttention(Module):
    """Attention of several heads with projections ``query``, ``key``, ``value`` and ``attention_output`` around it.

    ``query`` kernel (features, heads, k) and bias (heads, k), likewise the others; ``attention_output`` kernel (heads,
    v, out) and bias (out,). ``use_gate`` multiplies the heads by the sigmoid of a projection ``gate``.

    ``dropout`` does nothing at inference but what it does in Keras: with it, or with ``return_scores``, a query that
    may attend to nothing gives zeros instead of the mean of the values.
    """

    def _project(
        self,
        query_features: int,
        key_features: int,
        value_features: int,
        output_shape: tuple[int, ...],
        heads: tuple[int, int],
        sizes: tuple[int, int],
        bias: bool,
        use_gate: bool,
    ) -> None:
        def dense(features: int, count: int, size: int) -> EinsumDense:
            shape = (positive_int("features", features), positive_int("heads", count), positive_int("size", size))
            return EinsumDense("...a,abc->...bc", shape, (count, size) if bias else None)

        (query_heads, shared_heads), (key_size, value_size) = heads, sizes
        self.query = dense(query_features, query_heads, key_size)
        self.key = dense(key_features, shared_heads, key_size)
        self.value = dense(value_features, shared_heads, value_size)
        self.gate = dense(query_features, query_heads, value_size) if use_gate else None
        outputs = LETTERS[2 : 2 + len(output_shape)]
        kernel = (query_heads, value_size, *output_shape)
        self.attention_output = EinsumDense(f"...ab,ab{outputs}->...{outputs}", kernel, output_shape if bias else None)

    dropout: float
    sliding_window: int | None

    def forward(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        query_mask: Tensor | None = None,
        value_mask: Tensor | None = None,
        key_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        use_causal_mask: bool = False,
        return_scores: bool = False,
    ) -> Any:
        """query (B, T, features), value and key (B, S, features) give (B, T, out), and the scores if asked for.

        The key is the value unless given. Scores are (B, heads, T, S).
        """
        key = value if key is None else key
        length, source = query.shape[1], value.shape[1]
        mask = F.merge_masks(
            attention_mask,
            None if query_mask is None else F.expand_dims(query_mask, -1),
            None if value_mask is None else F.expand_dims(value_mask, -2),
            None if key_mask is None else F.expand_dims(key_mask, -2),
            F.causal_mask(query, length, source).expand_dims(0) if use_causal_mask else None,
            F.attention_band(query, length, source, self.sliding_window).expand_dims(0)
            if self.sliding_window
            else None,
        )
        gate = None if self.gate is None else F.sigmoid(self.gate(query))
        mixed, scores = self._attend(self.query(query), self.key(key), self.value(value), mask, return_scores)
        result = self.attention_output(mixed if gate is None else mixed * gate)
        return (result, scores) if return_scores else result

    def _attend(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, return_scores: bool
    ) -> tuple[Tensor, Tensor | None]:
        """The heads' results (B, T, heads, v) and, where Keras computes them, the scores after the softmax."""
        axes = self._axes(query.ndim)
        if query.ndim == 4 and not self.dropout and not return_scores:
            allowed = None if mask is None else head_mask(mask, 4, 1)
            return F.dot_product_attention(query, key, value, mask=allowed), None
        target, source, product = _labels(query.ndim, axes)
        shared = key.shape[-2]
        if shared != query.shape[-2]:
            times = query.shape[-2] // shared
            key, value = F.repeat(key, times, -2), F.repeat(value, times, -2)
        size = int(query.shape[-1])
        scores = F.einsum(f"{target},{source}->{product}", query * size**-0.5, key)
        allowed = None if mask is None else head_mask(mask, scores.ndim, len(axes))
        scores = F.masked_softmax(scores, allowed, tuple(range(scores.ndim - len(axes), scores.ndim)))
        return F.einsum(f"{product},{source}->{target}", scores, value), scores

    def _axes(self, rank: int) -> tuple[int, ...]:
        """The axes of the projected query that are attended over."""
        return tuple(range(1, rank - 2))


def _labels(rank: int, axes: tuple[int, ...]) -> tuple[str, str, str]:
    """Labels of query, key and scores: (..., heads, *queries, *keys) of (..., *queries, heads, k)."""
    target = LETTERS[:rank]
    source = "".join(LETTERS[rank + i] if i in axes else label for i, label in enumerate(target))
    batch = "".join(label for i, label in enumerate(target[:-1]) if i not in axes)
    return target, source, batch + "".join(target[i] for i in axes) + "".join(source[i] for i in axes)


class MultiHeadAttention(_HeadAttention):
    """Multi-head attention: ``heads`` heads of ``key_size`` (k) and ``value_size`` (v, k unless given).

    Inputs have ``features`` on the last axis, and ``key_features`` and ``value_features`` where these differ; the
    result has ``output_shape`` there, ``features`` unless given. ``attention_axes`` are the axes of a query (B, ...,
    features) that are attended over, all but the first and last unless given. ``sliding_window`` w lets a query see
    keys less than w away. See `_HeadAttention.forward` for calls and masks.
    """

    def __init__(
        self,
        features: int,
        heads: int,
        key_size: int,
        value_size: int | None = None,
        *,
        key_features: int | None = None,
        value_features: int | None = None,
        output_shape: int | tuple[int, ...] | None = None,
        attention_axes: int | tuple[int, ...] | None = None,
        bias: bool = True,
        use_gate: bool = False,
        sliding_window: int | None = None,
        dropout: float = 0.0,
        name: str | None = None,
    ) -> None:
        outputs = features if output_shape is None else output_shape
        value_features = features if value_features is None else value_features
        self._project(
            features,
            value_features if key_features is None else key_features,
            value_features,
            outputs if isinstance(outputs, tuple) else (outputs,),
            (heads, heads),
            (key_size, key_size if value_size is None else value_size),
            bias,
            use_gate,
        )
        self.attention_axes = (attention_axes,) if isinstance(attention_axes, int) else attention_axes
        self.heads, self.dropout, self.sliding_window, self.name = heads, dropout, sliding_window, name

    def _axes(self, rank: int) -> tuple[int, ...]:
        if self.attention_axes is None:
            return super()._axes(rank)
        return tuple(axis if axis >= 0 else rank - 1 + axis for axis in self.attention_axes)

    def describe(self) -> str:
        """Heads and the options that are not the default."""
        return listed(
            f"heads={self.heads}",
            attention_axes=(self.attention_axes, None),
            sliding_window=(self.sliding_window, None),
            dropout=(self.dropout, 0.0),
        )


class GroupQueryAttention(_HeadAttention):
    """Attention of ``query_heads`` heads that share ``key_value_heads`` heads of key and value, of ``head_size`` each.

    Inputs have ``features`` on the last axis, and so has the result; ``value_features`` where key and value differ.
    Raises ArgumentError unless the heads divide. See `MultiHeadAttention` for the other options, calls and masks.
    """

    def __init__(
        self,
        features: int,
        head_size: int,
        query_heads: int,
        key_value_heads: int,
        *,
        value_features: int | None = None,
        key_features: int | None = None,
        bias: bool = True,
        use_gate: bool = False,
        sliding_window: int | None = None,
        dropout: float = 0.0,
        name: str | None = None,
    ) -> None:
        if positive_int("query_heads", query_heads) % positive_int("key_value_heads", key_value_heads):
            raise ArgumentError(
                "GroupQueryAttention",
                expected="query_heads divisible by key_value_heads",
                got=f"{query_heads} and {key_value_heads}",
            )
        value_features = features if value_features is None else value_features
        self._project(
            features,
            value_features if key_features is None else key_features,
            value_features,
            (features,),
            (query_heads, key_value_heads),
            (head_size, head_size),
            bias,
            use_gate,
        )
        self.heads, self.dropout, self.sliding_window, self.name = query_heads, dropout, sliding_window, name

    def describe(self) -> str:
        """Heads and the options that are not the default."""
        return listed(
            f"query_heads={self.heads}, key_value_heads={self.key.kernel.shape[1]}",
            sliding_window=(self.sliding_window, None),
            dropout=(self.dropout, 0.0),
        )


class Attention(Module):
    """Attention without projections: scores of query and key, softmax, mean of the values.

    ``score_mode`` "dot" has the scores ``query . key``, times the weight ``scale`` () with ``use_scale``; "concat" has
    ``concat_score_weight * sum(tanh(scale * (query + key)))``.
    """

    def __init__(self, use_scale: bool = False, score_mode: str = "dot", name: str | None = None) -> None:
        if score_mode not in ("dot", "concat"):
            raise ArgumentError("Attention", expected='a score_mode of "dot" or "concat"', got=repr(score_mode))
        self.scale = Parameter(()) if use_scale else None
        self.concat_score_weight = Parameter(()) if score_mode == "concat" else None
        self.score_mode, self.name = score_mode, name

    def forward(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        query_mask: Tensor | None = None,
        value_mask: Tensor | None = None,
        use_causal_mask: bool = False,
        return_scores: bool = False,
    ) -> Any:
        """query (B, T, k), value (B, S, v), key (B, S, k) give (B, T, v); scores are (B, T, S) after the softmax.

        The key is the value unless given. Masked queries give zeros.
        """
        scores = self._scores(query, value if key is None else key)
        causal = F.causal_mask(query, query.shape[1], value.shape[1]).expand_dims(0) if use_causal_mask else None
        allowed = F.merge_masks(None if value_mask is None else F.expand_dims(value_mask, -2), causal)
        if allowed is not None:  # lowered and not replaced, as Keras does
            lowered = scores - (65504.0 if scores.dtype.value == "float16" else 1e9)
            scores = F.where(allowed, scores, lowered)
        scores = F.softmax(scores)
        mixed = F.matmul(scores, value)
        if query_mask is not None:
            mixed = F.where(F.expand_dims(query_mask, -1), mixed, 0.0)
        return (mixed, scores) if return_scores else mixed

    def _scores(self, query: Tensor, key: Tensor) -> Tensor:
        if self.score_mode == "dot":
            scores = F.matmul(query, key, transpose_y=True)
            return scores if self.scale is None else scores * self.scale
        sums = F.expand_dims(query, -2) + F.expand_dims(key, -3)
        sums = sums if self.scale is None else sums * self.scale
        return F.sum(F.tanh(sums), -1) * self.concat_score_weight

    def describe(self) -> str:
        """The options that are not the default."""
        return listed(use_scale=(self.scale is not None, False), score_mode=(self.score_mode, "dot"))


class AdditiveAttention(Attention):
    """Attention with the scores ``sum(scale * tanh(query + key))`` (Bahdanau et al., 2015), ``scale`` (k,)."""

    def __init__(self, features: int, use_scale: bool = True, name: str | None = None) -> None:
        super().__init__(name=name)
        self.scale = Parameter((positive_int("features", features),)) if use_scale else None

    def _scores(self, query: Tensor, key: Tensor) -> Tensor:
        sums = F.tanh(F.expand_dims(query, -2) + F.expand_dims(key, -3))
        return F.sum(sums if self.scale is None else sums * self.scale, -1)

    def describe(self) -> str:
        """Whether there is a scale."""
        return listed(use_scale=(self.scale is not None, True))
