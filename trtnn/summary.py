"""Networks and engines as tables, one row per module."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import attrs

from trtnn.graph import Graph, Node
from trtnn.graph.ops import Cast, Constant

if TYPE_CHECKING:
    from trtnn.engine import Engine
    from trtnn.module import Module


@attrs.frozen
class Summary:
    """A table: a title, a header, rows of text and closing lines. ``str`` of it is aligned, for people."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    closing: tuple[str, ...]

    def __str__(self) -> str:
        widths = [max(map(len, column)) for column in zip(self.header, *self.rows, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in self._table()
        ]
        rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
        return "\n".join([self.title, lines[0], rule, *lines[1:], rule, *self.closing])

    def _table(self) -> Iterable[tuple[str, ...]]:
        return (self.header, *self.rows)


def summarize_module(module: Module, graph: Graph) -> Summary:
    """Module path, class, output type and number of parameters, in the order in which the modules run.

    A module that runs twice has one row; the functions of the root's own ``forward`` share the row "(root)".
    """
    modules = dict(module.named_modules())
    rows = []
    for path, nodes in _by_path(graph).items():
        own = sum(one.size for _, one in modules[path]._own_parameters()) if path in modules else 0
        name = type(modules[path]).__name__ if path in modules else ""
        rows.append((path or "(root)", name, str(nodes[-1].outputs[0].type), f"{own:,}"))
    parameters = module.parameters()
    size = sum(one.size * one.dtype.numpy.itemsize for one in parameters)
    total = f"{sum(one.size for one in parameters):,} parameters, {size / 1e6:,.2f} MB"
    return Summary(graph.name, ("module", "class", "output", "parameters"), tuple(rows), (total,))


def summarize_engine(engine: Engine) -> Summary:
    """What an engine computes after all passes: operations, their data types, and the casts among them."""
    rows, operations, casts = [], 0, 0
    for path, nodes in _by_path(engine.graph).items():
        computing = [node for node in nodes if not isinstance(node.op, Cast)]
        types = dict.fromkeys(node.outputs[0].type.dtype.short for node in computing)
        own = len(nodes) - len(computing)
        operations, casts = operations + len(nodes), casts + own
        rows.append((path or "(root)", _counted(computing), ", ".join(types), str(own or "")))
    weights = sum(
        node.op.data.nbytes for node in engine.graph.nodes if isinstance(node.op, Constant) and node.op.data is not None
    )
    closing = (f"{operations:,} operations, {casts} casts", f"{weights / 1e6:,.2f} MB of weights")
    return Summary(repr(engine), ("module", "operations", "computes in", "casts"), tuple(rows), closing)


def _by_path(graph: Graph) -> dict[str, list[Node]]:
    """The nodes that compute, by the path of their module, in order of first appearance."""
    found: dict[str, list[Node]] = {}
    for node in graph.nodes:
        if not isinstance(node.op, Constant):
            found.setdefault(node.origin.path, []).append(node)
    return found


def _counted(nodes: Sequence[Node]) -> str:
    counts = Counter(node.op.name for node in nodes)
    return ", ".join(name if count == 1 else f"{count} {name}" for name, count in counts.items())
