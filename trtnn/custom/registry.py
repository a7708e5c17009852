"""The custom ops that this process knows, by name: what a file with an engine refers to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from trtnn.custom.definition import Definition, custom_of
from trtnn.errors import CustomOpError
from trtnn.graph import Graph, Node
from trtnn.graph.graph import bodies
from trtnn.graph.ops import Custom

_DEFINITIONS: dict[str, Definition] = {}


def register(definition: Definition) -> None:
    """Makes the definition known under its name.

    The same definition again (the same name in the same module, as when a notebook's cell or a reloaded module runs
    again) takes the old one's place. Raises CustomOpError for a name that another one has.
    """
    known = _DEFINITIONS.get(definition.name)
    if known is not None and known.home != definition.home:
        raise CustomOpError(
            definition.name,
            problem=f"is registered twice: by {known.home} and by {definition.home}",
            remedy="give one of them another name",
        )
    _DEFINITIONS[definition.name] = definition


def find(name: str) -> Definition | None:
    """The definition under a name, None when there is none."""
    return _DEFINITIONS.get(name)


def required_ops(graph: Graph, counts: Callable[[Node], bool] = lambda node: True) -> dict[str, str]:
    """The custom ops that a graph holds, in loops too: their names, with the place where each was defined. Of their
    nodes, those that ``counts`` holds for."""
    found: dict[str, str] = {}
    for node in graph.nodes:
        if isinstance(node.op, Custom) and counts(node):
            definition = custom_of(node.op).definition
            found[definition.name] = definition.home
        for body in bodies(node.op):
            found |= required_ops(body, counts)
    return dict(sorted(found.items()))


def require_registered(required: Mapping[str, str] | Iterable[str], path: str) -> None:
    """Raises CustomOpError, for the file ``path``, when one of the ops that `required_ops` gave is not registered."""
    homes = required if isinstance(required, Mapping) else dict.fromkeys(required, "")
    missing = [name for name in homes if name not in _DEFINITIONS]
    if missing:
        modules = sorted({homes[name] for name in missing if homes[name]})
        raise CustomOpError(
            path,
            problem=f"needs the custom op{'s' * (len(missing) > 1)} {', '.join(missing)}, not registered here",
            remedy=f"import what defines it first: {', '.join(modules)}" if modules else "import what defines it first",
        )
