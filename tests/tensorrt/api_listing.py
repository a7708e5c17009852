"""Proof that every TensorRT name and signature in use exists in every version that is supported.

``api/listings.json.xz`` lists the classes, members and signatures of the Python bindings of several versions, read off
the bindings themselves. Against it stand two halves: :func:`static_problems` for the names that the source spells out
(``trt.PaddingMode.SAME_UPPER``), and :func:`recording` with :func:`check` for what is called and set at run time::

    with api_listing.recording(trt) as calls:
        ...  # build a network, read one back
    api_listing.check(calls)

What some versions lack may be used behind a ``hasattr(..., "name")`` or a ``getattr(..., "name", default)``.

``python tests/tensorrt/api_listing.py FOLDER`` makes the file anew from a folder of full listings, ``api-*.json``.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import json
import lzma
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs

FIXTURE = Path(__file__).with_name("api") / "listings.json.xz"
BACKEND = Path(__file__).parents[2] / "trtnn" / "backends" / "tensorrt"

# A listing has, by class, either its members or (for anything else at the module's top level) a string. A member is
# "value", "property", "property (read-only)", "callable" when its signature is unknown, or the list of its signatures;
# a signature is the list of its parameters without self, a name that ends in "=" having a default.
Signature = list[str]
Listing = dict[str, Any]


@functools.cache
def listings() -> dict[str, Listing]:
    """The listings by the library's version, such as ``"10.9.0.34"`` or ``"rtx-1.7.1.116"``."""
    loaded: dict[str, Listing] = json.loads(lzma.decompress(FIXTURE.read_bytes()))
    return loaded


# --- what happens at run time -----------------------------------------------------------------------


@attrs.frozen
class Use:
    """Something of the bindings that was used: a ``call``, ``get``, ``set`` or an enumeration's ``value``."""

    kind: str
    owner: str
    member: str
    positional: int = 0
    keywords: frozenset[str] = frozenset()

    def __str__(self) -> str:
        if self.kind != "call":
            return f"{self.kind} {self.owner}.{self.member}"
        arguments = [f"{self.positional} positional", *sorted(f"{name}=" for name in self.keywords)]
        return f"{self.owner}.{self.member}({', '.join(arguments)})"


@contextlib.contextmanager
def recording(trt: Any) -> Iterator[set[Use]]:
    """Records every call, property and enumeration value that goes through the classes of ``trt`` meanwhile."""
    uses: set[Use] = set()
    classes = [cls for cls in vars(trt).values() if isinstance(cls, type) and not hasattr(cls, "__members__")]
    bindings = [cls for cls in classes if type(cls).__name__ == "pybind11_type"]
    replaced: list[tuple[type, str, Any]] = []
    try:
        for cls in dict.fromkeys(bindings):
            for name, member in list(vars(cls).items()):
                recorded = _recorded(trt, name, member, uses)
                if recorded is not None:
                    replaced.append((cls, name, member))
                    setattr(cls, name, recorded)
        yield uses
    finally:
        for cls, name, member in replaced:
            setattr(cls, name, member)


def _recorded(trt: Any, name: str, member: Any, uses: set[Use]) -> Any:
    """A stand-in for a member that records its use, or None for a member of no interest."""
    if name.startswith("_") and name != "__init__":
        return None
    if type(member) is property:  # pybind11 derives its static properties from it; those cannot be replaced

        def get(self: Any) -> Any:
            uses.add(Use("get", _owner(trt, self), name))
            assert member.fget is not None
            return member.fget(self)

        def put(self: Any, value: Any) -> None:
            uses.add(Use("set", _owner(trt, self), name))
            uses.update(_values(trt, [value]))
            if member.fset is None:
                raise AttributeError(f"{name} is read-only")
            member.fset(self, value)

        return property(get, put)
    if callable(member) and not isinstance(member, (type, property)):

        @functools.wraps(member)
        def call(self: Any, *arguments: Any, **keywords: Any) -> Any:
            uses.add(Use("call", _owner(trt, self), name, len(arguments), frozenset(keywords)))
            uses.update(_values(trt, [*arguments, *keywords.values()]))
            return member(self, *arguments, **keywords)

        return call
    return None


def _owner(trt: Any, instance: Any) -> str:
    """The name of an object's class in the bindings, be it a subclass of one."""
    return next(cls.__name__ for cls in type(instance).__mro__ if getattr(trt, cls.__name__, None) is cls)


def _values(trt: Any, arguments: Iterable[Any]) -> Iterator[Use]:
    for argument in arguments:
        cls = type(argument)
        if hasattr(cls, "__members__") and getattr(trt, cls.__name__, None) is cls:
            yield Use("value", cls.__name__, argument.name)


def check(uses: Iterable[Use]) -> None:
    """Raises AssertionError with every recorded use that some listing does not allow."""
    excused = probed_names()
    problems = [
        f"{version}: {use}: {problem}"
        for version, listing in listings().items()
        for use in sorted(uses, key=str)
        if (problem := _problem(use, listing)) is not None and use.member not in excused
    ]
    assert not problems, "\n".join(problems)


def _problem(use: Use, listing: Listing) -> str | None:
    members = listing.get(use.owner)
    if members is None:
        return None  # An object of this class comes from a member that the listing lacks too, or from a probe.
    if use.member not in members:
        return "no such member"
    found = members[use.member]
    if use.kind == "set" and found != "property":
        return f"cannot be set: it is a {found}"
    if use.kind == "call" and isinstance(found, list) and not any(_accepts(signature, use) for signature in found):
        return f"does not fit {found}"
    return None


def _accepts(signature: Signature, use: Use) -> bool:
    rest = signature[use.positional :]
    required = {name for name in rest if not name.endswith("=")}
    return use.positional <= len(signature) and required <= use.keywords <= {name.rstrip("=") for name in rest}


# --- what the source spells -------------------------------------------------------------------------


def static_problems(folder: Path = BACKEND) -> list[str]:
    """Names under ``trt`` that are spelled out in a folder's modules and that some listing lacks."""
    problems = []
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        guarded = {dotted for node in ast.walk(tree) if (dotted := _probe(node)) is not None}
        for line, chain in _chains(tree):
            prefixes = {".".join(chain[: length + 1]) for length in range(len(chain))}
            if prefixes & guarded:
                continue
            lacking = [version for version, listing in listings().items() if not _has(listing, chain)]
            if lacking:
                problems.append(f"{path.name}:{line}: trt.{'.'.join(chain)} is not in {', '.join(lacking)}")
    return problems


@functools.cache
def probed_names(folder: Path = BACKEND) -> frozenset[str]:
    """The names that a folder's modules ask for with ``hasattr`` or with ``getattr`` and a default."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.py")))
    return frozenset(name for tree in trees for node in ast.walk(tree) if (name := _probed_name(node)) is not None)


def _probed_name(node: ast.AST) -> str | None:
    match node:
        case ast.Call(func=ast.Name(id="hasattr"), args=[_, ast.Constant(value=str(name))]):
            return name
        case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value=str(name)), _]):
            return name
    return None


def _probe(node: ast.AST) -> str | None:
    """``"X.Y"`` for ``hasattr(trt.X, "Y")``, and the like for ``getattr`` with a default."""
    name = _probed_name(node)
    if name is None or not isinstance(node, ast.Call):
        return None
    chain = _chain(node.args[0])
    return None if chain is None else ".".join([*chain, name])


def _chains(tree: ast.AST) -> Iterator[tuple[int, list[str]]]:
    """Every longest chain of attributes under ``trt``, with its line; ``getattr(trt.X, "Y")`` counts as ``trt.X.Y``."""
    inner: set[ast.AST] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=value):
                inner.add(value)
                chain = None if node in inner else _chain(node)
                if chain:
                    yield node.lineno, chain
            case ast.Call(func=ast.Name(id="getattr"), args=[target, ast.Constant(value=str(name))]):
                chain = _chain(target)
                if chain is not None:
                    yield node.lineno, [*chain, name]


def _chain(node: ast.AST) -> list[str] | None:
    """The attributes after ``trt`` (a name, or an attribute of any object), or None for anything else."""
    match node:
        case ast.Name(id="trt") | ast.Attribute(attr="trt"):
            return []
        case ast.Attribute(value=value, attr=name):
            chain = _chain(value)
            return None if chain is None else [*chain, name]
    return None


def _has(listing: Listing, chain: list[str]) -> bool:
    first, *rest = chain
    if first.startswith("__"):
        return True
    if first not in listing:
        return False
    members = listing[first]
    return not rest or not isinstance(members, dict) or rest[0] in members or rest[0].startswith("__")


# --- making the file anew ---------------------------------------------------------------------------


def parse_signature(text: str) -> Signature:
    """The parameters in a pybind11 signature, ``"2. f(self: A, x: B, y: C = None) -> D"`` giving ``["x", "y="]``."""
    parameters = text[text.index("(") + 1 : text.rindex(") ->")]
    parts, depth = [""], 0
    for character in parameters:
        depth += (character in "([<{") - (character in ")]>}")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    names = [part.split(":")[0].strip() + ("=" if " = " in part else "") for part in parts if part.strip()]
    return [name for name in names if name != "self"]


def _compact(listing: dict[str, Any]) -> Listing:
    def member(found: Any) -> Any:
        return [parse_signature(text) for text in found] if isinstance(found, list) else found

    return {
        name: {key: member(found) for key, found in entry["members"].items()} if isinstance(entry, dict) else "other"
        for name, entry in listing.items()
    }


def _make(folder: Path) -> None:
    sources = sorted(folder.glob("api-*.json"))
    compact = {path.stem[4:]: _compact(json.loads(path.read_text(encoding="utf-8"))["api"]) for path in sources}
    FIXTURE.parent.mkdir(exist_ok=True)
    text = json.dumps(compact, separators=(",", ":"), sort_keys=True)
    FIXTURE.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))


if __name__ == "__main__":
    _make(Path(sys.argv[1]))
