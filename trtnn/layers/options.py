"""How layers show their options."""

from __future__ import annotations


def listed(*always: object, **options: tuple[object, object]) -> str:
    """A layer's arguments as ``print(model)`` shows them; options, as (value, default), only where they differ."""
    said = [one if isinstance(one, str) else repr(one) for one in always]
    return ", ".join(said + [f"{name}={value!r}" for name, (value, default) in options.items() if value != default])
