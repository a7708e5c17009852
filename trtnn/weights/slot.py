"""What a model asks for."""

from __future__ import annotations

import attrs


@attrs.frozen
class Slot:
    """One parameter that wants to be filled.

    ``path`` is its place in the module tree, ``encoder.conv1.kernel``. ``names`` are the TensorFlow names it may have,
    best first: ``("encoder/conv1/kernel", "encoder/conv1/W", "encoder/conv1/weights")``. ``layout`` names the axes of
    ``shape`` for messages ("HWIO", "in, out"), or is empty.
    """

    path: str
    names: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    layout: str = ""
