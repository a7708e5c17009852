"""Symbolic sizes in a plugin's terms: TensorRT's expressions over the sizes of the plugin's operands."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import attrs

from trtnn.graph.dims import Atom, DimExpr, FloorDiv, Size, Symbol

Term: TypeAlias = Any  # what stands for a size: a ShapeExpr or an IDimensionExpr


@attrs.frozen
class Algebra:
    """How to calculate with a plugin's sizes: ``constant`` makes one of an int, ``combine`` takes the name of a
    ``DimensionOperation`` and two of them."""

    constant: Callable[[int], Term]
    combine: Callable[[str, Term, Term], Term]


def builder_algebra(trt: Any, builder: Any) -> Algebra:
    """With the ``IExprBuilder`` that an ``IPluginV3`` is given."""

    def combine(operation: str, left: Term, right: Term) -> Term:
        return builder.operation(getattr(trt.DimensionOperation, operation), left, right)

    return Algebra(builder.constant, combine)


def shape_algebra(plugin: Any) -> Algebra:
    """With the ``ShapeExpr`` of quickly deployable plugins; ``plugin`` is the module ``tensorrt.plugin``."""
    operations: dict[str, Callable[[Term, Term], Term]] = {
        "SUM": lambda left, right: left + right,
        "SUB": lambda left, right: left - right,
        "PROD": lambda left, right: left * right,
        "FLOOR_DIV": lambda left, right: left // right,
        "MAX": plugin.max,
    }
    return Algebra(plugin.ShapeExpr, lambda operation, left, right: operations[operation](left, right))


def translate(size: Size, dims: Mapping[str, Term], algebra: Algebra) -> Term:
    """A size in a plugin's terms, where ``dims`` has the term of each named dim."""
    if not isinstance(size, DimExpr):
        return algebra.constant(size)
    added = [_product(monomial, factor, dims, algebra) for monomial, factor in size.terms if factor > 0]
    taken = [_product(monomial, -factor, dims, algebra) for monomial, factor in size.terms if factor < 0]
    total = _fold("SUM", added, algebra) if added else algebra.constant(0)
    return functools.reduce(lambda left, right: algebra.combine("SUB", left, right), taken, total)


def _product(monomial: Iterable[Atom], factor: int, dims: Mapping[str, Term], algebra: Algebra) -> Term:
    factors = [_atom(atom, dims, algebra) for atom in monomial]
    if factor != 1 or not factors:
        factors.append(algebra.constant(factor))
    return _fold("PROD", factors, algebra)


def _atom(atom: Atom, dims: Mapping[str, Term], algebra: Algebra) -> Term:
    if isinstance(atom, Symbol):
        return dims[atom.name]
    parts = attrs.astuple(atom, recurse=False)
    terms = [translate(part, dims, algebra) for part in parts]
    return _fold("FLOOR_DIV" if isinstance(atom, FloorDiv) else "MAX", terms, algebra)


def _fold(operation: str, terms: list[Term], algebra: Algebra) -> Term:
    return functools.reduce(lambda left, right: algebra.combine(operation, left, right), terms)
