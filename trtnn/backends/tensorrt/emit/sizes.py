"""Symbolic sizes as tensors, computed at run time from the shapes of the network's inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trtnn.graph import DimExpr, Shape, Size
from trtnn.graph.dims import Atom, FloorDiv, Symbol

if TYPE_CHECKING:
    from trtnn.backends.tensorrt.emit.emitter import Emitter

Tensor = Any


class Sizes:
    """Emits expressions over named dims as int64 tensors of shape (1,), each distinct expression and part of one once.

    ``declare`` says which axis of which input a named dim is read from.
    """

    def __init__(self, net: Emitter) -> None:
        self._net = net
        self._sources: dict[str, tuple[Tensor, int]] = {}
        self._shapes: dict[int, Tensor] = {}
        self._known: dict[Size | Atom, Tensor] = {}

    def declare(self, name: str, tensor: Tensor, axis: int) -> None:
        """The named dim is the size of this axis of this input; the first declaration of a name counts."""
        self._sources.setdefault(name, (tensor, axis))

    def vector(self, sizes: Shape) -> Tensor:
        """The sizes as an int64 tensor of shape (len(sizes),)."""
        if all(isinstance(size, int) for size in sizes):
            return self._net.constant(np.array(sizes, np.int64))
        parts = [self.scalar(size) for size in sizes]
        return parts[0] if len(parts) == 1 else self._net.add("concatenation", parts, axis=0)

    def scalar(self, size: Size) -> Tensor:
        """The size as an int64 tensor of shape (1,)."""
        if size not in self._known:
            self._known[size] = self._sum(size) if isinstance(size, DimExpr) else self._number(size)
        return self._known[size]

    def _number(self, number: int) -> Tensor:
        return self._net.constant(np.array([number], np.int64))

    def _sum(self, size: DimExpr) -> Tensor:
        """The sum of ``coefficient * atom * atom ...`` terms."""
        total = None
        for monomial, coefficient in size.terms:
            factors = [self._atom(atom) for atom in monomial]
            if coefficient != 1 or not factors:
                factors.append(self.scalar(coefficient))
            term = self._fold("PROD", factors)
            total = term if total is None else self._net.elementwise("SUM", total, term)
        return total

    def _fold(self, operation: str, tensors: list[Tensor]) -> Tensor:
        result = tensors[0]
        for tensor in tensors[1:]:
            result = self._net.elementwise(operation, result, tensor)
        return result

    def _atom(self, atom: Atom) -> Tensor:
        if atom not in self._known:
            self._known[atom] = self._emit_atom(atom)
        return self._known[atom]

    def _emit_atom(self, atom: Atom) -> Tensor:
        if isinstance(atom, Symbol):
            tensor, axis = self._sources[atom.name]
            return self._net.add("slice", self._shape(tensor), (axis,), (1,), (1,))
        if isinstance(atom, FloorDiv):
            return self._net.elementwise("FLOOR_DIV", self.scalar(atom.numerator), self.scalar(atom.denominator))
        return self._net.elementwise("MAX", self.scalar(atom.left), self.scalar(atom.right))

    def _shape(self, tensor: Tensor) -> Tensor:
        if id(tensor) not in self._shapes:
            self._shapes[id(tensor)] = self._net.add("shape", tensor)
        return self._shapes[id(tensor)]
