"""Attributes of custom ops: what is known before anything runs, hashable and written into files."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import attrs
import numpy as np

from trtnn.errors import ArgumentError, CustomOpError

Attribute: TypeAlias = "int | float | bool | str | tuple[Attribute, ...]"
FieldTransformer: TypeAlias = "Callable[[type, list[attrs.Attribute[Any]]], list[attrs.Attribute[Any]]]"
SCALARS = (bool, int, float, str)
WANTED = "int, float, bool, str, or a tuple of these"


def checked(op: str, space: Mapping[str, Any]) -> FieldTransformer:
    """For attrs: makes every field of an op's class convert and check its values.

    ``space`` is where annotations that are text are looked up. Raises CustomOpError for a type that cannot be saved and
    ArgumentError for a default that is not of its type.
    """

    def transform(cls: type, fields: list[attrs.Attribute[Any]]) -> list[attrs.Attribute[Any]]:
        made = []
        for field in fields:
            path = f"{op}.{field.name}"
            convert = converter(path, _resolved(path, field.type, dict(space)))
            default = field.default if field.default is attrs.NOTHING else convert(field.default)
            made.append(field.evolve(converter=convert, default=default))
        return made

    return transform


def converter(path: str, kind: Any) -> Callable[[Any], Attribute]:
    """A function that gives a value as the type, exactly, or raises ArgumentError.

    Ints become floats where floats are wanted, lists tuples, and NumPy's numbers Python's.
    """
    _require_savable(path, kind)

    def convert(value: Any) -> Attribute:
        try:
            return _convert(value, kind)
        except ValueError:
            raise ArgumentError(path, expected=_text(kind), got=f"{value!r} of type {type(value).__name__}") from None

    return convert


def _resolved(path: str, annotation: Any, space: dict[str, Any]) -> Any:
    if not isinstance(annotation, str):
        return annotation
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    try:
        return typing.get_type_hints(holder, globalns=space)["it"]
    except NameError as error:
        raise CustomOpError(path, expected=f"an attribute of type {WANTED}", got=annotation) from error


def _require_savable(path: str, kind: Any) -> None:
    inner = typing.get_args(kind) if typing.get_origin(kind) is tuple else ()
    if not inner and kind not in SCALARS:
        raise CustomOpError(
            path,
            problem=f"an attribute of type {_text(kind)} cannot be saved with an engine",
            expected=WANTED,
            remedy="say what it holds: tuple[int, ...]"
            if kind in (tuple, list) or typing.get_origin(kind) is list
            else "make an array an operand: it becomes a constant of the graph",
        )
    for one in inner:
        if one is not Ellipsis:
            _require_savable(path, one)


def _convert(value: Any, kind: Any) -> Attribute:
    if kind not in SCALARS:
        return _convert_tuple(value, typing.get_args(kind))
    if isinstance(value, np.generic):
        value = value.item()
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind or (kind is float and math.isnan(value)):  # a NaN is not equal to itself
        raise ValueError
    return value  # type: ignore[no-any-return]


def _convert_tuple(value: Any, kinds: tuple[Any, ...]) -> Attribute:
    values = value if isinstance(value, (tuple, list)) else None
    if values is None:
        raise ValueError
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = (kinds[0],) * len(values)
    if len(kinds) != len(values):
        raise ValueError
    return tuple(_convert(one, kind) for one, kind in zip(values, kinds, strict=True))


def _text(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) and not typing.get_args(kind) else str(kind)
