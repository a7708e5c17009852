"""Keras's Bidirectional: a recurrent layer in both directions."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeAlias

from trtnn import functional as F
from trtnn.errors import ArgumentError
from trtnn.layers.recurrent import Recurrent, swap_time
from trtnn.module import Module
from trtnn.parameter import Parameter
from trtnn.tensor import Tensor

__all__ = ["Bidirectional"]

MergeMode: TypeAlias = Literal["concat", "sum", "mul", "ave"] | None

_MERGES: dict[str | None, Callable[[Tensor, Tensor], Any]] = {
    "concat": lambda forward, backward: F.concat([forward, backward]),
    "sum": F.add,
    "mul": F.multiply,
    "ave": lambda forward, backward: (forward + backward) / 2.0,
    None: lambda forward, backward: (forward, backward),
}


class Bidirectional(Module):
    """A recurrent layer and its mirror image on the same x (B, T, features), with the outputs merged step by step.

    ``layer`` is the forward one, whose options count for both; ``backward_layer`` is a copy of it with weights of its
    own unless given, with ``go_backwards=True``. ``merge_mode``: "concat" gives (B, T, 2H), "sum", "mul" and "ave"
    (B, T, H), None both outputs; without ``return_sequences`` each direction gives its last output, the backward one
    that of step 0. With ``return_state`` the states of both follow, forward ones first; ``initial_state`` is in that
    order. As in Keras, outputs of steps that do not count are zero when all steps are returned, whatever the layers'
    ``mask_policy``. Raises ArgumentError for layers that do not go together.
    """

    def __init__(
        self,
        layer: Recurrent,
        merge_mode: MergeMode = "concat",
        backward_layer: Recurrent | None = None,
        name: str | None = None,
    ) -> None:
        if not isinstance(layer, Recurrent) or merge_mode not in _MERGES:
            raise ArgumentError(
                "Bidirectional",
                expected='a recurrent layer and a merge_mode of "concat", "sum", "mul", "ave" or None',
                got=f"{type(layer).__name__} and {merge_mode!r}",
            )
        self._layer_name = layer.name or _snake(type(layer).__name__)
        self.forward_layer = _within(layer, layer.go_backwards)
        self.backward_layer = _within(backward_layer or fresh(layer), not layer.go_backwards)
        _require_same_options(self.forward_layer, backward_layer or layer, self.backward_layer)
        self.merge_mode, self.name = merge_mode, name

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The two layers under Keras's names: "forward_lstm" and "backward_lstm"."""
        yield f"forward_{self._layer_name}", self.forward_layer
        yield f"backward_{self._layer_name}", self.backward_layer

    def forward(
        self,
        x: Tensor,
        initial_state: Any = None,
        lengths: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Any:
        """See the class; ``lengths`` (B,) or ``mask`` (B, T) as for `Recurrent`."""
        layers = (self.forward_layer, self.backward_layer)
        whole, time_major = layers[0].return_sequences, layers[0].time_major
        x = swap_time(x) if time_major else x
        half = len(initial_state) // 2 if initial_state is not None else 0
        starts = (None, None) if initial_state is None else (initial_state[:half], initial_state[half:])
        parts, states = [], []
        for layer, start in zip(layers, starts, strict=True):
            outputs, last, held = layer.run(x, start, lengths, mask)
            parts.append(outputs if whole else last)
            states += held
        merged = _MERGES[self.merge_mode](*parts)
        results = list(merged) if isinstance(merged, tuple) else [merged]
        results = [swap_time(one) for one in results] if whole and time_major else results
        results += states if layers[0].return_state else []
        return results[0] if len(results) == 1 else tuple(results)

    def describe(self) -> str:
        """The merge mode, if it is not the default."""
        return "" if self.merge_mode == "concat" else f"merge_mode={self.merge_mode!r}"


def fresh(module: Any) -> Any:
    """A copy of a module with parameters of its own, which have no values yet."""
    known: dict[int, Any] = {}
    for parameter in module.parameters():
        known[id(parameter)] = Parameter(
            parameter.shape, dtype=parameter.dtype, layout=parameter.layout, aliases=parameter.aliases
        )
    return copy.deepcopy(module, known)


def _within(layer: Recurrent, go_backwards: bool) -> Recurrent:
    """The layer as a direction: the same weights, no name of its own, and Keras's mask policy for this place."""
    layer = copy.copy(layer)
    layer.go_backwards, layer.name = go_backwards, None
    layer.mask_policy = "zero" if layer.return_sequences else "repeat"
    return layer


def _require_same_options(forward: Recurrent, given: Recurrent, backward: Recurrent) -> None:
    for option in ("return_sequences", "return_state", "time_major"):
        if getattr(forward, option) != getattr(backward, option):
            raise ArgumentError(
                f"Bidirectional: {option}",
                expected=f"{getattr(forward, option)} in both layers",
                got=str(getattr(backward, option)),
            )


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
