"""Embeddings: rows of a table picked by integers."""

from __future__ import annotations

from trtnn import functional as F
from trtnn.functional.operands import number, positive_int
from trtnn.module import Module
from trtnn.parameter import Parameter
from trtnn.tensor import Tensor

__all__ = ["Embedding", "ReversibleEmbedding"]


class Embedding(Module):
    """``embeddings[x]``: integers x (...), embeddings (vocabulary, features), result (..., features).

    Floats are rounded towards 0 first, as in Keras. `mask` gives what Keras calls the mask of ``mask_zero``.
    """

    def __init__(self, vocabulary: int, features: int, name: str | None = None) -> None:
        shape = (positive_int("vocabulary", vocabulary), positive_int("features", features))
        self.embeddings = Parameter(shape, layout="vocabulary, features", aliases=("embedding", "weights"))
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        """x (...) of integers."""
        return F.take(self.embeddings, x if x.dtype.value in ("int32", "int64") else x.cast("int32"), axis=0)

    def mask(self, x: Tensor) -> Tensor:
        """True where x is not 0, which stands for padding."""
        return F.not_equal(x, 0)

    def describe(self) -> str:
        """Vocabulary and features."""
        return f"{self.embeddings.shape[0]}, {self.embeddings.shape[1]}"


class ReversibleEmbedding(Embedding):
    """An embedding that also goes back from features to scores of the vocabulary: ``layer(x, reverse=True)``.

    The way back multiplies by the transposed embeddings, or by ``reverse_embeddings`` (features, vocabulary) with
    ``tie_weights=False``; ``logit_soft_cap`` c turns the scores s into ``c * tanh(s / c)``.
    """

    def __init__(
        self,
        vocabulary: int,
        features: int,
        tie_weights: bool = True,
        logit_soft_cap: float | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(vocabulary, features, name)
        self.reverse_embeddings = (
            None if tie_weights else Parameter((features, vocabulary), layout="features, vocabulary")
        )
        self.logit_soft_cap = None if logit_soft_cap is None else number("logit_soft_cap", logit_soft_cap, least=1e-6)

    def forward(self, x: Tensor, reverse: bool = False) -> Tensor:
        """x (...) of integers gives (..., features); in reverse x (..., features) gives (..., vocabulary)."""
        if not reverse:
            return super().forward(x)
        tied = self.reverse_embeddings is None
        scores = F.matmul(x, self.embeddings if tied else self.reverse_embeddings, transpose_y=tied)
        if self.logit_soft_cap is None:
            return scores
        return F.tanh(scores / self.logit_soft_cap) * self.logit_soft_cap
