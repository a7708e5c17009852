"""Einstein sums and other products of tensors, put together from transposes, reshapes and matrix products."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from trtnn.errors import ArgumentError, ShapeError
from trtnn.functional import reductions
from trtnn.functional.operands import Operand, lift
from trtnn.functional.shape import broadcast_to, reshape, transpose
from trtnn.graph import Size, shape_text
from trtnn.graph.dims import product
from trtnn.graph.ops.base import normalize_axis
from trtnn.tensor import Tensor

__all__ = ["batch_dot", "einsum", "outer", "tensordot"]

ELLIPSIS_LABELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@attrs.frozen
class _Term:
    """A tensor and the label of each of its axes."""

    tensor: Tensor
    labels: str

    def ordered(self, labels: str) -> Tensor:
        """The tensor with its axes in the order of the labels."""
        return transpose(self.tensor, [self.labels.index(label) for label in labels])

    def sizes(self, labels: str) -> list[Size]:
        """The sizes of the labelled axes."""
        return [self.tensor.shape[self.labels.index(label)] for label in labels]


def einsum(equation: str, *operands: Operand) -> Tensor:
    """An Einstein sum such as ``einsum("bij,bjk->bik", x, y)``, with "..." for axes that are not named.

    Without ``->`` the result has the labels that occur once, in alphabetical order. Operands are contracted from the
    left. Raises ArgumentError for a wrong equation and ShapeError for sizes that differ; a label twice in one operand
    (a diagonal) is not taken.
    """
    _, tensors = lift(*operands)
    inputs, output = parse(equation, [tensor.ndim for tensor in tensors])
    terms = [_Term(tensor, labels) for tensor, labels in zip(tensors, inputs, strict=True)]
    _require_sizes(equation, terms)
    result, rest = terms[0], terms[1:]
    for i, term in enumerate(rest):
        needed = set(output).union(*(later.labels for later in rest[i + 1 :]))
        result = _contract(result, term, needed)
    result = _sum_out(result, set(output))
    return result.ordered(output)


def parse(equation: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """(labels of every operand, labels of the result), "..." replaced by capital letters. Raises ArgumentError."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ArgumentError("einsum", expected=f"an equation of {len(ranks)} operands", got=repr(equation))
    unnamed = [rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True)]
    broadcast = max((count for term, count in zip(terms, unnamed, strict=True) if "..." in term), default=0)
    free = [label for label in ELLIPSIS_LABELS if label not in equation][:broadcast]
    named = []
    for term, count in zip(terms, unnamed, strict=True):
        labels = term.replace("...", "".join(free[broadcast - count :]) if count > 0 else "")
        if count < 0 or (count and "..." not in term) or len(set(labels)) != len(labels) or not _are_labels(labels):
            raise ArgumentError(
                "einsum", expected="one distinct letter for every axis of every operand", got=f"{equation!r}: {term!r}"
            )
        named.append(labels)
    once = sorted(label for label in set(left) if left.count(label) == 1 and label.isalpha())
    result = right.replace("...", "".join(free)) if arrow else "".join([*free, *once])
    if len(set(result)) != len(result) or not set(result) <= set("".join(named)):
        raise ArgumentError("einsum", expected="a result of distinct labels of the operands", got=repr(equation))
    return named, result


def _are_labels(labels: str) -> bool:
    return not labels or (labels.isalpha() and labels.isascii())


def _require_sizes(equation: str, terms: Sequence[_Term]) -> None:
    found: dict[str, Size] = {}
    for term in terms:
        for label, size in zip(term.labels, term.tensor.shape, strict=True):
            known = found.setdefault(label, size)
            if known == 1:
                found[label] = size
            elif size not in (1, known):
                raise ShapeError(
                    "einsum", expected=f"one size for {label!r} in {equation!r}", got=f"{known} and {size}"
                )


def _sum_out(term: _Term, needed: set[str]) -> _Term:
    gone = [axis for axis, label in enumerate(term.labels) if label not in needed]
    kept = "".join(label for label in term.labels if label in needed)
    return _Term(reductions.reduce_sum(term.tensor, gone), kept) if gone else term


def _contract(x: _Term, y: _Term, needed: set[str]) -> _Term:
    """The product of two terms, summed over the labels that nobody needs any more."""
    x, y = _sum_out(x, needed | set(y.labels)), _sum_out(y, needed | set(x.labels))
    x, y = _stretched(x, y), _stretched(y, x)
    shared = [label for label in x.labels if label in y.labels]
    batch = "".join(label for label in shared if label in needed)
    inner = "".join(label for label in shared if label not in needed)
    rows = "".join(label for label in x.labels if label not in y.labels)
    columns = "".join(label for label in y.labels if label not in x.labels)
    if not inner:
        return _multiply(x, y, batch, rows, columns)
    if not batch and x.labels == rows + inner and len(inner) == 1:  # a dense layer: no reshape of the activations
        matrix = reshape(y.ordered(inner + columns), (*y.sizes(inner), product(y.sizes(columns))))
        flat = reductions.matmul(x.tensor, matrix)
        return _Term(reshape(flat, [*x.sizes(rows), *y.sizes(columns)]), rows + columns)
    front = x.sizes(batch)
    left = reshape(x.ordered(batch + rows + inner), [*front, product(x.sizes(rows)), product(x.sizes(inner))])
    right = reshape(y.ordered(batch + inner + columns), [*front, product(y.sizes(inner)), product(y.sizes(columns))])
    whole = reductions.matmul(left, right)
    return _Term(reshape(whole, [*front, *x.sizes(rows), *y.sizes(columns)]), batch + rows + columns)


def _multiply(x: _Term, y: _Term, batch: str, rows: str, columns: str) -> _Term:
    labels = batch + rows + columns
    left = reshape(x.ordered(batch + rows), [*x.sizes(batch + rows), *(1 for _ in columns)])
    right = reshape(y.ordered(batch + columns), [*y.sizes(batch), *(1 for _ in rows), *y.sizes(columns)])
    return _Term(left * right, labels)


def _stretched(term: _Term, other: _Term) -> _Term:
    """The term with shared axes of size 1 broadcast to the other's size."""
    sizes = [
        other.tensor.shape[other.labels.index(label)] if size == 1 and label in other.labels else size
        for label, size in zip(term.labels, term.tensor.shape, strict=True)
    ]
    return _Term(broadcast_to(term.tensor, sizes), term.labels)


def tensordot(x: Operand, y: Operand, axes: int | Sequence[Sequence[int] | int] = 2) -> Tensor:
    """The sum of products over axes of x and y: the last ``axes`` of x with the first of y, or two lists of axes."""
    _, (a, b) = lift(x, y)
    if isinstance(axes, int):
        left, right = tuple(range(a.ndim - axes, a.ndim)), tuple(range(axes))
    else:
        left, right = ((one,) if isinstance(one, int) else tuple(one) for one in axes)
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    first = [next(letters) for _ in range(a.ndim)]
    second = [next(letters) for _ in range(b.ndim)]
    for one, other in zip(left, right, strict=True):
        second[normalize_axis(other, b.ndim)] = first[normalize_axis(one, a.ndim)]
    kept = [label for label in first if label not in second] + [label for label in second if label not in first]
    return einsum(f"{''.join(first)},{''.join(second)}->{''.join(kept)}", a, b)


def outer(x: Operand, y: Operand) -> Tensor:
    """All products of an element of x and one of y: (x.size, y.size)."""
    _, (a, b) = lift(x, y)
    return reshape(a, (-1, 1)) * reshape(b, (1, -1))


def batch_dot(x: Operand, y: Operand, axes: int | tuple[int, int]) -> Tensor:
    """For every sample, the sum of products over one axis of x and one of y, as Keras's Dot.

    The result has the batch, then x's other axes, then y's; two matrices (N, k) give (N, 1).
    """
    _, (a, b) = lift(x, y)
    left, right = (axes, axes) if isinstance(axes, int) else axes
    left, right = normalize_axis(left, a.ndim), normalize_axis(right, b.ndim)
    if left == 0 or right == 0:
        raise ShapeError("batch_dot", expected="axes behind the batch axis", got=f"{axes} for {shape_text(a.shape)}")
    first = ["a", *"bcdefgh"[: a.ndim - 1]]
    second = ["a", *"stuvwxyz"[: b.ndim - 1]]
    second[right] = first[left]
    kept = [label for label in first[1:] if label != first[left]] + [
        label for label in second[1:] if label != first[left]
    ]
    result = einsum(f"{''.join(first)},{''.join(second)}->a{''.join(kept)}", a, b)
    return result if kept else result.expand_dims(1)
