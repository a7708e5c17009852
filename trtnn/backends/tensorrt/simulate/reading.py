"""Reading layers back from a network: the typed view of a layer, and the registry of what can be read.

A reader looks at a layer once, when the plan is made, and returns its evaluator: a function from the layer's input
arrays (None where an optional input is absent) to its output, or a tuple of its outputs. Evaluators hold no TensorRT
object, so loops run at NumPy's speed. Half-precision inputs reach an evaluator as float32, and its results are rounded
to the output tensor's type afterwards: as on a GPU, accumulation is in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np

from trtnn.backends.tensorrt.simulate.element_types import Array
from trtnn.errors import UnsupportedError

Evaluator = Callable[..., Any]


@attrs.frozen(eq=False)
class TensorView:
    """A tensor's name, TensorRT data type (``"HALF"``) and shape (-1 where dynamic)."""

    name: str
    data_type: str
    shape: tuple[int, ...]


@attrs.frozen(eq=False)
class LayerView:
    """A layer, cast down to its own class.

    ``raw`` is TensorRT's object, ``type`` the name of its ``LayerType``, ``inputs`` its input tensors (None where an
    optional one is absent), ``constants`` the table of contents that TensorRT does not give back.
    """

    raw: Any
    type: str
    name: str
    inputs: tuple[TensorView | None, ...]
    outputs: tuple[TensorView, ...]
    constants: Mapping[str, Array]

    def weights(self, role: str) -> Array | None:
        """The flat weights under an attribute such as ``kernel``, or None where there are none.

        Weights that NumPy cannot hold (BF16, FP8, INT4) are looked up in ``constants``, under ``<layer>.<role>`` and
        then under ``<layer>``. Raises UnsupportedError when they are not there.
        """
        found = getattr(self.raw, role)
        if not isinstance(found, np.ndarray):
            if found is None or found.size == 0:
                return None
            found = self._unreadable(role, found.dtype.name)
        return found.reshape(-1) if found.size else None

    def float_weights(self, role: str) -> Array | None:
        """The same in float32, in which layers compute."""
        found = self.weights(role)
        return None if found is None else found.astype(np.float32, copy=False)

    def _unreadable(self, role: str, data_type: str) -> Array:
        for key in (f"{self.name}.{role}", self.name):
            if key in self.constants:
                return np.asarray(self.constants[key])
        raise UnsupportedError(
            f"{self.name}.{role}",
            problem=f"TensorRT does not give {data_type} weights back",
            remedy="pass their values in `constants` under that name",
        )


Reader = Callable[[LayerView], Evaluator]


@attrs.frozen
class Readable:
    """A kind of layer that can be read: the class to cast it down to, and its reader."""

    layer_class: str
    read: Reader


READABLE: dict[str, Readable] = {}
"""What can be read, by the name of its ``LayerType``; the modules in ``layers/`` fill it."""


def reads(layer_type: str, layer_class: str) -> Callable[[Reader], Reader]:
    """Registers the reader of a layer type, given the class its members stand in."""

    def register(read: Reader) -> Reader:
        READABLE[layer_type] = Readable(layer_class, read)
        return read

    return register


def axes_of(mask: int) -> tuple[int, ...]:
    """The axes whose bits are set: 0b110 gives (1, 2)."""
    return tuple(axis for axis in range(mask.bit_length()) if mask >> axis & 1)
