"""How layers show their options."""

from __future__ import annotations

import numpy as np


def listed(*always: object, **options: tuple[object, object]) -> str:
    """A layer's arguments as ``print(model)`` shows them; options, as (value, default), only where they differ."""
    said = [one if isinstance(one, str) else _text(one) for one in always]
    said += [f"{name}={_text(value)}" for name, (value, default) in options.items() if value != default]
    return ", ".join(said)


def _text(value: object) -> str:
    """The value as Python writes it, NumPy's integers as Python's own."""
    return repr(int(value) if isinstance(value, np.integer) else value)
