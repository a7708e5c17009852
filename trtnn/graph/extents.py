"""Named dims at which an operation would make less than nothing, such as an image smaller than a kernel."""

from __future__ import annotations

from collections.abc import Mapping

from trtnn.errors import DimError
from trtnn.graph.dims import DimExpr, evaluate, names
from trtnn.graph.graph import Graph, Node


def too_small(graph: Graph, sizes: Mapping[str, int], least: int = 0) -> DimError | None:
    """The error for the first operation whose result would have a size below ``least`` at these sizes of the named
    dims, None where there is none. Sizes that depend on other dims are not looked at."""
    for size, node in _computed_sizes(graph).items():
        used = sorted(names(size))
        if sizes.keys() >= set(used) and (found := evaluate(size, sizes)) < least:
            place = f"{node.origin.path}: {node.op.name}" if node.origin.path else node.op.name
            return DimError(
                ", ".join(used),
                problem=f"at {', '.join(f'{name}={sizes[name]}' for name in used)}, {place} would make a size of "
                f"{size} = {found}",
                line=node.origin.line,
            )
    return None


def _computed_sizes(graph: Graph) -> dict[DimExpr, Node]:
    """Each symbolic size with the node whose result is the first to have it."""
    found: dict[DimExpr, Node] = {}
    for node in graph.nodes:
        for size in (size for value in node.outputs for size in value.type.shape):
            if isinstance(size, DimExpr):
                found.setdefault(size, node)
    return found
