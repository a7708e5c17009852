"""Which names a parameter is looked up by, and what the user's ``name_map`` makes of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from trtnn.errors import WeightsError
from trtnn.text import did_you_mean
from trtnn.weights.file import WeightsFile, plain_name
from trtnn.weights.slot import Slot

NameMap = Mapping[str, str] | Callable[[str], str | None] | Sequence[tuple[str, str]]


def names_of(slot: Slot) -> tuple[str, ...]:
    """All names a parameter may have in a file, best first: its TensorFlow names, then its path."""
    return tuple(dict.fromkeys((*map(plain_name, slot.names), slot.path.replace(".", "/"), slot.path)))


def wanted_names(slots: Sequence[Slot], name_map: NameMap | None, file: WeightsFile) -> list[tuple[str, ...]]:
    """For every slot the names to look up, best first. Raises WeightsError for a ``name_map`` that makes no sense."""
    if name_map is None:
        return [names_of(slot) for slot in slots]
    if isinstance(name_map, Mapping):
        return _by_dict(slots, name_map, file)
    if callable(name_map):
        return [tuple(_call(name_map, name) for name in names_of(slot)) for slot in slots]
    rules = [_rule(pair) for pair in name_map]
    return [tuple(dict.fromkeys(_substitute(rules, name) for name in names_of(slot))) for slot in slots]


def _by_dict(slots: Sequence[Slot], name_map: Mapping[str, str], file: WeightsFile) -> list[tuple[str, ...]]:
    known = {name for slot in slots for name in names_of(slot)}
    for key, value in name_map.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise WeightsError("name_map", expected="names to names", got=f"{key!r}: {value!r}")
        if plain_name(key) not in known:
            raise _unknown_key(key, value, known, file)
    chosen = {plain_name(key): value for key, value in name_map.items()}
    return [next(((chosen[name],) for name in names_of(slot) if name in chosen), names_of(slot)) for slot in slots]


def _unknown_key(key: str, value: str, known: set[str], file: WeightsFile) -> WeightsError:
    if plain_name(value) in known and file.find(key):
        return WeightsError(
            "name_map",
            problem=f"{key!r} is a name in the file and {value!r} one in the model",
            remedy=f"it goes the other way, from the model to the file: {{{value!r}: {key!r}}}",
        )
    remedy = did_you_mean(key, sorted(known), most=3)
    return WeightsError("name_map", problem=f"the model has no parameter {key!r}", remedy=remedy)


def _call(name_map: Callable[[str], str | None], name: str) -> str:
    result = name_map(name)
    if result is not None and not isinstance(result, str):
        raise WeightsError("name_map", expected=f"a name or None for {name!r}", got=repr(result))
    return name if result is None else result


def _rule(pair: tuple[str, str]) -> tuple[re.Pattern[str], str]:
    try:
        pattern, replacement = pair
        return re.compile(pattern), replacement
    except (TypeError, ValueError, re.error) as error:
        got = f"{pair!r} ({error})"
        raise WeightsError("name_map", expected="(regular expression, replacement) pairs", got=got) from error


def _substitute(rules: Sequence[tuple[re.Pattern[str], str]], name: str) -> str:
    for pattern, replacement in rules:
        try:
            name = pattern.sub(replacement, name)
        except re.error as error:
            raise WeightsError("name_map", expected="a replacement", got=f"{replacement!r} ({error})") from error
    return name
