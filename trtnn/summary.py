"""Networks and engines as tables, one row per module."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import attrs

from trtnn.graph import Graph, Node
from trtnn.graph.ops import Cast, Constant
from trtnn.measure.flops import Count, count_flops, shape_of
from trtnn.measure.layer import ROOT
from trtnn.measure.sizes import ranges_of, usual_sizes
from trtnn.text import table_text, with_prefix

if TYPE_CHECKING:
    from trtnn.engine import Engine
    from trtnn.module import Module
    from trtnn.parameter import Parameter


@attrs.frozen
class Summary:
    """A table: a title, a header, rows of text and closing lines. ``str`` of it is aligned, for people."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    closing: tuple[str, ...]

    def __str__(self) -> str:
        heading, rule, *lines = table_text(self.header, self.rows)
        return "\n".join([self.title, heading, rule, *lines, rule, *self.closing])


def summarize_module(module: Module, graph: Graph, given: Mapping[str, int]) -> Summary:
    """Module path, class, output type, number of parameters, bytes of weights, bytes of the largest tensor that it
    makes and floating-point operations (see `trtnn.measure.flops`), in the order in which the modules run.

    The last two are for the ``given`` sizes of named dims, else for the best size of their ranges, and "?" where a
    size or a rule is missing. A module that runs twice has one row; the functions of the root's own ``forward`` share
    the row "(root)". Modules that run inside of loops have rows too, for all steps together.
    """
    sizes = usual_sizes(graph.dims, ranges_of(graph.dims), given)
    counts = count_flops(graph, sizes)
    modules = dict(module.named_modules())
    rows = []
    for path, group in _by_path(counts).items():
        own = [one for _, one in modules[path]._own_parameters()] if path in modules else []
        shown = [count for count in group if count.depth == min(one.depth for one in group)]
        rows.append(
            (
                path or ROOT,
                type(modules[path]).__name__ if path in modules else "",
                str(shown[-1].node.outputs[0].type),
                f"{sum(one.size for one in own):,}",
                with_prefix(_bytes(own), "B") if own else "",
                _text(_largest(group, sizes), "B"),
                _text(_total(group)),
            )
        )
    header = ("module", "class", "output", "parameters", "weights", "largest tensor", "FLOPs")
    parameters = module.parameters()
    total = f"{sum(one.size for one in parameters):,} parameters, {with_prefix(_bytes(parameters), 'B')}"
    return Summary(graph.name, header, tuple(rows), (total, *_operations(graph, counts, sizes)))


def _operations(graph: Graph, counts: Sequence[Count], sizes: Mapping[str, int]) -> Iterator[str]:
    """What all modules compute, at which sizes, and what is not counted and why."""
    at = f" at {', '.join(f'{name}={size}' for name, size in sizes.items())}" if sizes else ""
    total = with_prefix(sum(count.flops or 0 for count in counts), "FLOPs")
    yield f"{total}{at}, a multiplication and an addition counted as 2"
    missing = [name for name in graph.dims if name not in sizes]
    if missing:
        yield f"not counted: what depends on {', '.join(missing)}; ask for summary({missing[0]}=...)"
    elif any(count.flops is None for count in counts):
        unknown = dict.fromkeys(count.node.op.name for count in counts if count.flops is None)
        yield f"not counted: {', '.join(unknown)}"


def _text(value: int | None, unit: str = "") -> str:
    return "?" if value is None else with_prefix(value, unit)


def _bytes(parameters: Iterable[Parameter]) -> int:
    return sum(one.size * one.dtype.numpy.itemsize for one in parameters)


def _total(counts: Sequence[Count]) -> int | None:
    known = [count.flops for count in counts if count.flops is not None]
    return sum(known) if len(known) == len(counts) else None


def _largest(counts: Sequence[Count], sizes: Mapping[str, int]) -> int | None:
    """Bytes of the largest tensor among the results."""
    values = [value for count in counts for value in count.node.outputs]
    shapes = [(value, shape_of(value, sizes)) for value in values]
    if any(shape is None for _, shape in shapes):
        return None
    return max(math.prod(shape or ()) * value.type.dtype.numpy.itemsize for value, shape in shapes)


def _by_path(counts: Sequence[Count]) -> dict[str, list[Count]]:
    """What computes, by the path of its module, in order of first appearance."""
    found: dict[str, list[Count]] = {}
    for count in counts:
        if not isinstance(count.node.op, Constant):
            found.setdefault(count.node.origin.path, []).append(count)
    return found


def summarize_engine(engine: Engine) -> Summary:
    """What an engine computes after all passes, module by module: operations, their data types, the casts among them,
    and the kernels of an engine that was compiled with ``kernels=True``. Of an engine that was loaded from a file, the
    table that was saved with it.
    """
    saved = engine._sidecar.summary if engine._graph is None and engine._sidecar is not None else None
    if saved is not None:
        return attrs.evolve(saved, title=repr(engine))
    kernels = engine._kernels_by_module()
    rows, operations, casts = [], 0, 0
    groups: dict[str, list[Node]] = {}
    for node in _computing(engine.graph):
        groups.setdefault(node.origin.path, []).append(node)
    for path, nodes in groups.items():
        computing = [node for node in nodes if not isinstance(node.op, Cast)]
        types = dict.fromkeys(node.outputs[0].type.dtype.short for node in computing)
        own = len(nodes) - len(computing)
        operations, casts = operations + len(nodes), casts + own
        shown = (", ".join(_counted(kernels.get(path, ()))),) if kernels else ()
        names = _counted(node.op.name for node in computing)
        rows.append((path or ROOT, ", ".join(names), ", ".join(types), str(own or ""), *shown))
    weights = sum(
        node.op.data.nbytes for node in engine.graph.nodes if isinstance(node.op, Constant) and node.op.data is not None
    )
    closing = [f"{operations:,} operations, {casts} casts", f"{with_prefix(weights, 'B')} of weights"]
    header: tuple[str, ...] = ("module", "operations", "computes in", "casts")
    if kernels:
        header += ("kernels",)
        own_kernels = [text for texts in kernels.values() for text in texts if not text.startswith("in ")]
        closing += [f'{len(own_kernels):,} kernels; "in" another module stands for a part of one that is counted there']
    return Summary(repr(engine), header, tuple(rows), tuple(closing))


def _computing(graph: Graph) -> Iterator[Node]:
    return (node for node in graph.nodes if not isinstance(node.op, Constant))


def _counted(names: Iterable[str]) -> list[str]:
    return [name if count == 1 else f"{count} {name}" for name, count in Counter(names).items()]
