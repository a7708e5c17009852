"""What an engine runs as one, and the modules that are in it."""

from __future__ import annotations

import re

import attrs

ROOT = "(root)"
"""What the operations of the network's own ``forward`` go by."""
FUSED = "(fused)"
"""What goes before the name of something of which nobody says what it was made of."""
_SERIAL = re.compile(r"(_token_\d+|_myl\d+_\d+)$")  # what ONNX Runtime and TensorRT number such things by


@attrs.frozen
class Layer:
    """What an engine runs as one: its own name for it, the kind of operation, and the paths of the modules that are in
    it, the one of its main operation first; none where that is not known.
    """

    name: str
    kind: str
    modules: tuple[str, ...]

    @property
    def module(self) -> str:
        """The module that its time counts for: "(root)" for the network's own ``forward``, "(fused)" and its name where
        it is not known."""
        return f"{FUSED} {_SERIAL.sub('', self.name)}" if not self.modules else self.modules[0] or ROOT


@attrs.frozen
class LayerTime:
    """A layer and the median of the seconds that it took in a call."""

    layer: Layer
    seconds: float
