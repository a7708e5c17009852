"""How calls are written in a Keras config: tensors inside nested arguments, in the ways of Keras 3 and Keras 2.

What is malformed raises FileFormatError with its JSON path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from trtnn.errors import FileFormatError

NESTING_LIMIT = 64


@attrs.frozen
class TensorRef:
    """One result of one call of a layer."""

    layer: str
    call: int
    tensor: int
    shape: tuple[int | None, ...] | None = attrs.field(default=None, eq=False)  # what Keras 3 notes beside it


@attrs.frozen
class Call:
    """The arguments of one call of a layer: TensorRefs inside nested lists and dicts, and plain values."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def references(self) -> Iterator[TensorRef]:
        """The tensors that the call uses."""
        yield from references((self.args, self.kwargs))


@attrs.frozen
class Literal:
    """An array written out in the config."""

    value: Any
    dtype: str


def parse_call(raw: Any, where: str) -> Call:
    """One of a layer's ``inbound_nodes``."""
    if isinstance(raw, dict):  # Keras 3
        args, kwargs = member(raw, "args", list, where), member(raw, "kwargs", dict, where)
        return Call(tuple(_decode(one, where) for one in args), {k: _decode(v, where) for k, v in kwargs.items()})
    return _parse_legacy_call(raw, where)


def _parse_legacy_call(raw: Any, where: str) -> Call:
    """Keras 2: ``[[layer, call, tensor, kwargs], ...]``, one such entry alone, or a dict or list of them."""
    if not isinstance(raw, list) or not raw:
        raise malformed(where, "a call", repr(raw)[:60])
    entries = [raw] if is_reference(raw) or raw[0] == "_CONSTANT_VALUE" else raw
    kwargs: dict[str, Any] = {}
    values = []
    for i, entry in enumerate(entries):
        if isinstance(entry, list) and len(entry) == 4 and isinstance(entry[3], dict):
            kwargs |= {key: _decode_legacy(value) for key, value in entry[3].items()}
        values.append(_decode_legacy_argument(entry, f"{where}[{i}]"))
    first = values[0] if len(values) == 1 else values
    return Call((first,), kwargs)


def _decode_legacy_argument(entry: Any, where: str) -> Any:
    if isinstance(entry, list) and entry and entry[0] == "_CONSTANT_VALUE":
        return entry[2]
    if is_reference(entry):
        return TensorRef(entry[0], entry[1], entry[2])
    if isinstance(entry, list):
        return [_decode_legacy_argument(one, where) for one in entry]
    raise malformed(where, "[layer, call, tensor]", repr(entry)[:60])


def _decode_legacy(value: Any) -> Any:
    if is_reference(value) and len(value) == 3:
        return TensorRef(*value)
    if isinstance(value, list):
        return [_decode_legacy(one) for one in value]
    if isinstance(value, dict):
        return {key: _decode_legacy(one) for key, one in value.items()}
    return value


def is_reference(value: Any) -> bool:
    """Whether a value is [layer, call, tensor], maybe with arguments behind it."""
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and all(isinstance(one, int) and not isinstance(one, bool) for one in value[1:3])
    )


def _decode(value: Any, where: str, depth: int = 0) -> Any:
    """Keras 3's arguments: tensors are dicts of class __keras_tensor__."""
    if depth > NESTING_LIMIT:
        raise malformed(where, f"at most {NESTING_LIMIT} levels", "more")
    if isinstance(value, dict):
        kind = value.get("class_name")
        if kind == "__keras_tensor__":
            return _decode_tensor(member(value, "config", dict, where), where)
        if kind in ("__tuple__", "__tensor__", "__numpy__", "__ellipsis__", "__slice__"):
            return _decode_marked(kind, value, where, depth)
        return {key: _decode(one, where, depth + 1) for key, one in value.items()}
    if isinstance(value, list):
        return [_decode(one, where, depth + 1) for one in value]
    return value


def _decode_tensor(config: Mapping[str, Any], where: str) -> TensorRef:
    history, shape = member(config, "keras_history", list, where), config.get("shape")
    if not is_reference(history):
        raise malformed(f"{where}.keras_history", "[layer, call, tensor]", repr(history)[:60])
    if not isinstance(shape, list) or not all(size is None or isinstance(size, int) for size in shape):
        return TensorRef(*history[:3])
    return TensorRef(history[0], history[1], history[2], tuple(shape))


def _decode_marked(kind: str, value: Mapping[str, Any], where: str, depth: int) -> Any:
    config = value.get("config", {})
    if kind == "__tuple__":
        return tuple(_decode(one, where, depth + 1) for one in value.get("items", []))
    if kind == "__ellipsis__":
        return Ellipsis
    if not isinstance(config, dict):
        raise malformed(where, "a config", type(config).__name__)
    if kind == "__slice__":
        return slice(*(_decode(config.get(part), where, depth + 1) for part in ("start", "stop", "step")))
    return Literal(config.get("value"), str(config.get("dtype", "float32")))


def references(tree: Any) -> Iterator[TensorRef]:
    """The TensorRefs in nested lists, tuples, dicts and slices."""
    if isinstance(tree, TensorRef):
        yield tree
    elif isinstance(tree, Mapping):
        for one in tree.values():
            yield from references(one)
    elif isinstance(tree, (list, tuple)):
        for one in tree:
            yield from references(one)
    elif isinstance(tree, slice):
        yield from references((tree.start, tree.stop, tree.step))


def substitute(tree: Any, values: Callable[[TensorRef], Any]) -> Any:
    """The tree with every TensorRef replaced."""
    if isinstance(tree, TensorRef):
        return values(tree)
    if isinstance(tree, Mapping):
        return {key: substitute(one, values) for key, one in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(substitute(one, values) for one in tree)
    if isinstance(tree, slice):
        return slice(*(substitute(one, values) for one in (tree.start, tree.stop, tree.step)))
    return tree


def member(holder: Any, key: str, kind: type | tuple[type, ...], where: str) -> Any:
    """What an object of the JSON has under a key. Raises FileFormatError unless it is of the kind."""
    if not isinstance(holder, dict):
        raise malformed(where, "an object", type(holder).__name__)
    value = holder.get(key)
    if not isinstance(value, kind):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        names = " or ".join({"dict": "an object", "list": "a list", "str": "a string"}[one.__name__] for one in kinds)
        raise malformed(f"{where}.{key}", names, "nothing" if value is None else type(value).__name__)
    return value


def malformed(where: str, expected: str, got: str) -> FileFormatError:
    """The error for a place in the JSON."""
    return FileFormatError(f"config.json: {where}", expected=expected, got=got)
