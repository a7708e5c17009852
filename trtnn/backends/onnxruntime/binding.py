"""A session's inputs and outputs at addresses: what ONNX Runtime calls an IOBinding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from trtnn.engine import Signature

_NOWHERE = 256
"""Stands for the address 0, which some libraries give arrays without elements and ONNX Runtime refuses."""


@attrs.frozen(eq=False)
class Ports:
    """What a session calls its inputs and outputs, with their data types, and where they lie: ("cpu", 0), or
    ("cuda", N) on the GPU with the number N."""

    inputs: Mapping[str, np.dtype]
    outputs: Mapping[str, np.dtype]
    place: tuple[str, int]

    @classmethod
    def of(cls, session: Any, signature: Signature, place: tuple[str, int]) -> Ports:
        """Those of a session for this signature; an output that has an input's name is called otherwise there."""
        names = [output.name for output in session.get_outputs()]
        return cls(
            {name: type.dtype.numpy for name, type in signature.inputs.items()},
            {name: type.dtype.numpy for name, type in zip(names, signature.outputs.values(), strict=True)},
            place,
        )

    def bind(self, session: Any, inputs: Sequence[Port], outputs: Sequence[Port]) -> Any:
        """A binding of all inputs and outputs, in order. The memory has to outlive its last run."""
        binding = session.io_binding()
        for (name, dtype), (shape, address) in zip(self.inputs.items(), inputs, strict=True):
            binding.bind_input(name, *self.place, dtype.type, shape, address or _NOWHERE)
        for (name, dtype), (shape, address) in zip(self.outputs.items(), outputs, strict=True):
            binding.bind_output(name, *self.place, dtype.type, shape, address or _NOWHERE)
        return binding


Port = tuple[tuple[int, ...], int]
"""A shape and the address of the first element."""


def ports_of(arrays: Sequence[np.ndarray]) -> list[Port]:
    """The shapes and addresses of contiguous NumPy arrays."""
    return [(array.shape, array.ctypes.data) for array in arrays]
