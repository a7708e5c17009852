"""Times of layers summed up along the module tree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs


@attrs.define
class Branch:
    """A module with the seconds of its own layers and of all below it; ``label`` is the end of its path that its
    parent does not have. Filled while the tree is made, then left alone."""

    path: str
    label: str
    own: float = 0.0
    children: list[Branch] = attrs.field(factory=list)

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.own + sum(child.seconds for child in self.children)

    def rows(self, depth: int = 0) -> Iterator[tuple[int, Branch]]:
        """This branch and those below, each with its depth."""
        yield depth, self
        for child in self.children:
            yield from child.rows(depth + 1)


def module_tree(times: Iterable[tuple[str, float]]) -> Branch:
    """The tree of the modules that have times, in their order; a module whose only content is another shares its row:
    "conv1.conv"."""
    root = Branch("", "")
    for path, seconds in times:
        branch = root
        parts = [] if path.startswith("(") else path.split(".") if path else []
        if path.startswith("("):
            parts = [path]
        for place, part in enumerate(parts):
            below = ".".join(parts[: place + 1])
            found = next((child for child in branch.children if child.path == below), None)
            if found is None:
                found = Branch(below, part)
                branch.children.append(found)
            branch = found
        branch.own += seconds
    return _joined(root)


def longest(root: Branch, rows: int) -> list[tuple[int, Branch]]:
    """At most that many rows of the tree, those that take the longest, in their order; none without those around it,
    which take as long at least."""
    found = list(root.rows())
    by_time = sorted(range(len(found)), key=lambda place: (-found[place][1].seconds, found[place][0]))
    return [found[place] for place in sorted(by_time[:rows])]


def _joined(branch: Branch) -> Branch:
    children = [_joined(child) for child in branch.children]
    if branch.path and len(children) == 1 and not branch.own:
        (only,) = children
        return Branch(only.path, f"{branch.label}.{only.label}", only.own, only.children)
    return Branch(branch.path, branch.label, branch.own, children)
