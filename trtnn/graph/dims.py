"""Symbolic dimensions: integer expressions over named dims, kept in a canonical form.

``batch``, ``2*width + 1`` and ``(width + 1) // 2`` are `DimExpr` objects. Two expressions are equal when their
canonical forms are, so shapes compare with ``==``. A canonical form is a polynomial over atoms, where an atom is a
named dim, a floor division or a maximum that could not be simplified away. Every named dim stands for an integer of
at least 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from numbers import Integral
from typing import Any, NoReturn, TypeAlias, TypeGuard

import attrs

from trtnn.errors import TraceError


@attrs.frozen
class Symbol:
    """A named dim as an atom."""

    name: str

    def __str__(self) -> str:
        return self.name


@attrs.frozen
class FloorDiv:
    """``numerator // denominator``, rounded down, as an atom."""

    numerator: DimExpr
    denominator: Size

    def __str__(self) -> str:
        return f"{_bracket(self.numerator)} // {_bracket(self.denominator)}"


@attrs.frozen
class Maximum:
    """The larger of two sizes, as an atom."""

    left: Size
    right: Size

    def __str__(self) -> str:
        return f"max({self.left}, {self.right})"


Atom: TypeAlias = Symbol | FloorDiv | Maximum
Monomial: TypeAlias = tuple[Atom, ...]


@attrs.frozen(repr=False)
class DimExpr:
    """An integer expression over named dims: a sum of ``coefficient * atom * atom ...`` terms.

    Supports ``+ - * // %`` with ints and other expressions; the result is a plain int when it is constant. Ordering
    it raises TraceError, since its value is not known while tracing.
    """

    terms: tuple[tuple[Monomial, int], ...]

    def __add__(self, other: Size) -> Size:
        total = dict(self.terms)
        for monomial, coefficient in _terms(other):
            total[monomial] = total.get(monomial, 0) + coefficient
        return _canonical(total)

    def __mul__(self, other: Size) -> Size:
        total: dict[Monomial, int] = {}
        for left, a in self.terms:
            for right, b in _terms(other):
                monomial = tuple(sorted(left + right, key=str))
                total[monomial] = total.get(monomial, 0) + a * b
        return _canonical(total)

    def __neg__(self) -> Size:
        return self * -1

    def __sub__(self, other: Size) -> Size:
        return self + -other

    def __rsub__(self, other: Size) -> Size:
        return -self + other

    def __floordiv__(self, other: Size) -> Size:
        return floor_div(self, other)

    def __rfloordiv__(self, other: Size) -> Size:
        return floor_div(other, self)

    def __mod__(self, other: Size) -> Size:
        return self - floor_div(self, other) * other

    def __truediv__(self, other: object) -> NoReturn:
        raise TraceError(str(self), problem="cannot be divided with /, since sizes are integers", remedy="use //")

    __radd__ = __add__
    __rmul__ = __mul__

    def __bool__(self) -> bool:
        return True  # a dimension is at least 1

    def _unordered(self, other: object) -> NoReturn:
        raise TraceError(
            str(self),
            problem=f"cannot be compared with {other}: the size is not known while tracing",
            remedy="declare the dim as an int in Input(...), or write the network without the comparison",
        )

    __lt__ = __le__ = __gt__ = __ge__ = _unordered

    def __index__(self) -> int:
        raise TraceError(
            str(self),
            problem="is a symbolic dimension and has no value while tracing",
            remedy="use it in shape arithmetic (x.shape[1] // 2) or in reshape, or declare the dim as an int",
        )

    def __str__(self) -> str:
        text = " + ".join(_term_text(*term) for term in sorted(self.terms, key=lambda term: (not term[0], str(term))))
        return text.replace("+ -", "- ")

    __repr__ = __str__


Size: TypeAlias = int | DimExpr


def is_int(value: Any) -> TypeGuard[int]:
    """True for Python's and NumPy's integers, not for bools."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def symbol(name: str) -> DimExpr:
    """The expression that is just the named dim."""
    return DimExpr((((Symbol(name),), 1),))


def floor_div(numerator: Size, denominator: Size) -> Size:
    """``numerator // denominator`` rounded down, simplified as far as the canonical form can prove."""
    if isinstance(numerator, int) and isinstance(denominator, int):
        return numerator // denominator
    if not isinstance(denominator, DimExpr) and not (is_int(denominator) and denominator > 0):
        raise TraceError("arithmetic on sizes", expected="a positive int or a size to divide by", got=repr(denominator))
    if numerator == denominator:
        return 1
    if isinstance(denominator, DimExpr):
        exact = _divide_terms(numerator, denominator)
        return exact if exact is not None else _atom(FloorDiv(_expression(numerator), denominator))
    if denominator == 1 or isinstance(numerator, int):
        return numerator
    whole = {monomial: c // denominator for monomial, c in numerator.terms if c % denominator == 0 or not monomial}
    rest = {monomial: c % denominator if not monomial else c for monomial, c in numerator.terms}
    remainder = _canonical({m: c for m, c in rest.items() if not m or c % denominator})
    if isinstance(remainder, int):  # 0 <= remainder < denominator
        return _canonical(whole)
    return _canonical(whole) + _divide_nested(remainder, denominator)


def maximum(left: Size, right: Size) -> Size:
    """The larger of two sizes; a plain int or one of the two where that can be proved."""
    if isinstance(left, int) and isinstance(right, int):
        return max(left, right)
    difference = left - right
    if isinstance(difference, int):
        return left if difference >= 0 else right
    return _atom(Maximum(*sorted((left, right), key=str)))


def ceil_div(numerator: Size, denominator: int) -> Size:
    """``numerator / denominator`` rounded up."""
    return floor_div(numerator + (denominator - 1), denominator)


def product(sizes: Iterable[Size]) -> Size:
    """The product of sizes; 1 for none."""
    total: Size = 1
    for size in sizes:
        total = total * size
    return total


def evaluate(size: Size, values: Mapping[str, int]) -> int:
    """The size's value when every named dim has a value in ``values``."""
    if isinstance(size, int):
        return size
    return fold(size, lambda name: values[name], floor=lambda a, b: a // b, largest=max)


def fold(
    size: DimExpr, leaf: Callable[[str], int], *, floor: Callable[[int, int], int], largest: Callable[[int, int], int]
) -> int:
    """Computes an expression bottom-up with the caller's own division and maximum."""

    def value(part: Size) -> int:
        if isinstance(part, int):
            return part
        total = 0
        for monomial, coefficient in part.terms:
            term = coefficient
            for atom in monomial:
                term *= atom_value(atom)
            total += term
        return total

    def atom_value(atom: Atom) -> int:
        if isinstance(atom, Symbol):
            return leaf(atom.name)
        if isinstance(atom, FloorDiv):
            return floor(value(atom.numerator), value(atom.denominator))
        return largest(value(atom.left), value(atom.right))

    return value(size)


def renamed(size: Size, new: Mapping[str, str]) -> Size:
    """The size with named dims under other names; those that ``new`` does not have keep theirs."""
    if isinstance(size, int):
        return size
    rebuilt: Any = fold(
        size,
        lambda name: symbol(new.get(name, name)),  # type: ignore[arg-type, return-value]  # sums sizes as it does ints
        floor=floor_div,  # type: ignore[arg-type]
        largest=maximum,  # type: ignore[arg-type]
    )
    return rebuilt  # type: ignore[no-any-return]


def names(size: Size) -> frozenset[str]:
    """The named dims that the size depends on."""
    if isinstance(size, int):
        return frozenset()
    found: set[str] = set()
    for monomial, _ in size.terms:
        for atom in monomial:
            if isinstance(atom, Symbol):
                found.add(atom.name)
            else:
                for part in attrs.astuple(atom, recurse=False):
                    found |= names(part)
    return frozenset(found)


def _terms(size: Size) -> tuple[tuple[Monomial, int], ...]:
    if isinstance(size, DimExpr):
        return size.terms
    if not is_int(size):
        raise TraceError("arithmetic on sizes", expected="ints and other sizes", got=f"{type(size).__name__} {size!r}")
    return (((), int(size)),)


def _expression(size: Size) -> DimExpr:
    return DimExpr(_terms(size))


def _atom(atom: Atom) -> DimExpr:
    return DimExpr((((atom,), 1),))


def _canonical(terms: Mapping[Monomial, int]) -> Size:
    kept = {monomial: c for monomial, c in terms.items() if c}
    if not kept:
        return 0
    if set(kept) == {()}:
        return kept[()]
    return DimExpr(tuple(sorted(kept.items(), key=str)))


def _divide_terms(numerator: Size, denominator: DimExpr) -> Size | None:
    """The exact quotient when the denominator is one term that divides every term of the numerator, else None."""
    if len(denominator.terms) != 1:
        return None
    (divisor, scale), total = denominator.terms[0], {}
    for monomial, coefficient in _terms(numerator):
        left = list(monomial)
        if coefficient % scale or any(divisor.count(atom) > monomial.count(atom) for atom in divisor):
            return None
        for atom in divisor:
            left.remove(atom)
        total[tuple(left)] = coefficient // scale
    return _canonical(total)


def _divide_nested(numerator: DimExpr, denominator: int) -> DimExpr:
    """``(a // b + c) // d`` is ``(a + b*c) // (b*d)``; anything else stays a floor division."""
    atoms = {monomial: c for monomial, c in numerator.terms if monomial}
    constant = dict(numerator.terms).get((), 0)
    if list(atoms.values()) == [1] and len(monomial := next(iter(atoms))) == 1:
        inner = monomial[0]
        if isinstance(inner, FloorDiv) and isinstance(inner.denominator, int):
            top = inner.numerator + constant * inner.denominator
            return _expression(floor_div(top, inner.denominator * denominator))
    return _atom(FloorDiv(numerator, denominator))


def _term_text(monomial: Monomial, coefficient: int) -> str:
    if not monomial:
        return str(coefficient)
    alone = len(monomial) == 1 and coefficient == 1
    factors = [str(atom) if alone or not isinstance(atom, FloorDiv) else f"({atom})" for atom in monomial]
    if coefficient == -1:
        return "-" + "*".join(factors)
    return "*".join(factors if coefficient == 1 else [str(coefficient), *factors])


def _bracket(size: Size) -> str:
    text = str(size)
    return text if text.isidentifier() or text.isdigit() else f"({text})"
