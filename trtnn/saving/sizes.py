"""Sizes as JSON, without loss.

A size is an int, an atom or a sum. An atom is a named dim ("batch"), ``{"floor_div": [size, size]}`` or ``{"max":
[size, size]}``; a sum is ``{"sum": [[coefficient, [atom, ...]], ...]}``, its terms, each a product. The text of an
expression, ``(width + 1) // 2``, would be nicer to read, and need a parser.
"""

from __future__ import annotations

from typing import Any

from trtnn.errors import TraceError
from trtnn.graph import Shape, Size
from trtnn.graph.dims import Atom, DimExpr, FloorDiv, Symbol, floor_div, maximum, symbol
from trtnn.saving.fields import Field

MAX_DEPTH = 32
MAX_RANK = 64


def shape_to_json(shape: Shape) -> list[Any]:
    """A shape as a list."""
    return [size_to_json(size) for size in shape]


def size_to_json(size: Size) -> Any:
    """A size as JSON."""
    if isinstance(size, int):
        return size
    match size.terms:
        case (((), number),):  # the numerator of a division is an expression even where it is a number
            return number
        case (((atom,), 1),):
            return _atom_to_json(atom)
    return {"sum": [[count, [_atom_to_json(atom) for atom in monomial]] for monomial, count in size.terms]}


def _atom_to_json(atom: Atom) -> Any:
    if isinstance(atom, Symbol):
        return atom.name
    if isinstance(atom, FloorDiv):
        return {"floor_div": [size_to_json(atom.numerator), size_to_json(atom.denominator)]}
    return {"max": [size_to_json(atom.left), size_to_json(atom.right)]}


def shape_from_json(field: Field) -> Shape:
    """A shape from a list. Raises SavedEngineError."""
    sizes = field.items()
    if len(sizes) > MAX_RANK:
        field.fail(f"at most {MAX_RANK} axes", str(len(sizes)))
    return tuple(size_from_json(size) for size in sizes)


def size_from_json(field: Field, depth: int = 0) -> Size:
    """A size from JSON. Raises SavedEngineError, also for an expression that is not in the canonical form in which it
    would have been written."""
    if depth > MAX_DEPTH:
        field.fail(f"an expression of at most {MAX_DEPTH} levels", "a deeper one")
    if isinstance(field.value, int):
        return field.integer(-(2**63))
    if not isinstance(field.value, dict) or "sum" not in field.value:
        return _atom_from_json(field, depth + 1)
    (terms,) = field.members("sum")
    total: Size = 0
    for term in terms.items():
        count, atoms = term.items(2)
        product: Size = count.integer(-(2**63))
        for atom in atoms.items():
            product = product * _atom_from_json(atom, depth + 1)
        total = total + product
    if size_to_json(total) != field.value:
        field.fail("an expression in its canonical form", f"one that is {total}")
    return total


def _atom_from_json(field: Field, depth: int) -> DimExpr:
    """The atom as an expression of one term: products of such have one term too, so nothing can grow."""
    if isinstance(field.value, str):
        return symbol(field.value) if field.value.isidentifier() else field.fail("a dim's name", repr(field.value))
    kind = "max" if isinstance(field.value, dict) and "max" in field.value else "floor_div"
    (operands,) = field.members(kind)
    left, right = (size_from_json(one, depth) for one in operands.items(2))
    try:
        found = floor_div(left, right) if kind == "floor_div" else maximum(left, right)
    except TraceError as error:
        operands.fail("sizes that can be divided", str(error))
    if not isinstance(found, DimExpr) or size_to_json(found) != field.value:
        field.fail("an expression in its canonical form", f"one that is {found}")
    return found
