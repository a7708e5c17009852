"""Patterns of module paths: which modules an option names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase

from trtnn.errors import ArgumentError
from trtnn.graph import Graph, Node
from trtnn.graph.graph import bodies
from trtnn.graph.ops import Constant
from trtnn.text import did_you_mean


def module_paths(graph: Graph) -> list[str]:
    """The paths of the modules that operations of the graph come from, and of all modules around them, in order."""
    found: dict[str, None] = {}
    for node in graph.nodes:
        if isinstance(node.op, Constant):
            continue
        parts = node.origin.path.split(".")
        found.update((".".join(parts[:count]), None) for count in range(1, len(parts) + 1))
        for body in bodies(node.op):
            found.update((path, None) for path in module_paths(body))
    return list(found)


def matches(pattern: str, path: str) -> bool:
    """True when the pattern names the module or one around it; "" names what the network's own ``forward`` computes.

    ``*``, ``?`` and ``[...]`` are wildcards, of which ``*`` reaches over dots.
    """
    if not path or not pattern:
        return fnmatchcase(path, pattern)
    parts = path.split(".")
    return any(fnmatchcase(".".join(parts[:count]), pattern) for count in range(1, len(parts) + 1))


def chooser(patterns: Iterable[str]) -> Callable[[Node], bool]:
    """Whether a node comes from a module that one of the patterns names."""
    wanted, known = tuple(patterns), dict[str, bool]()

    def chosen(node: Node) -> bool:
        path = node.origin.path
        if path not in known:
            known[path] = any(matches(pattern, path) for pattern in wanted)
        return known[path]

    return chosen


def require_known(option: str, patterns: Sequence[str], graph: Graph) -> None:
    """Raises ArgumentError for a pattern that names no module of the graph, with the names nearest to it."""
    paths = module_paths(graph)
    for pattern in patterns:
        if not any(matches(pattern, path) for path in paths):
            near = did_you_mean(pattern.rstrip(".*"), paths, most=3, cutoff=0.7)
            some = ", ".join([path for path in paths if path][:6])
            raise ArgumentError(
                option,
                expected="patterns of module paths of the network",
                got=repr(pattern),
                remedy=near or f"its modules are {some}",
            )
