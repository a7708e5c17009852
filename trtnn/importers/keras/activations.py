"""Keras's named activations, and layers that end in one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from trtnn import functional as F
from trtnn.importers.keras.registry import KerasLayer
from trtnn.module import Module
from trtnn.parameter import Parameter
from trtnn.tensor import Tensor

KERAS_2_HARD_SIGMOID = partial(F.hard_sigmoid, slope=0.2, offset=0.5)

ACTIVATIONS: dict[str, Callable[..., Tensor]] = {
    "celu": F.celu,
    "elu": F.elu,
    "exponential": F.exponential,
    "gelu": F.gelu,
    "glu": F.glu,
    "hard_shrink": F.hard_shrink,
    "hard_sigmoid": F.hard_sigmoid,
    "hard_silu": F.hard_silu,
    "hard_swish": F.hard_swish,
    "hard_tanh": F.hard_tanh,
    "leaky_relu": F.leaky_relu,
    "log_sigmoid": F.log_sigmoid,
    "log_softmax": F.log_softmax,
    "mish": F.mish,
    "relu": F.relu,
    "relu6": F.relu6,
    "selu": F.selu,
    "sigmoid": F.sigmoid,
    "silu": F.silu,
    "soft_shrink": F.soft_shrink,
    "softmax": F.softmax,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "sparse_plus": F.sparse_plus,
    "sparse_sigmoid": F.sparse_sigmoid,
    "sparsemax": F.sparsemax,
    "squareplus": F.squareplus,
    "swish": F.swish,
    "tanh": F.tanh,
    "tanh_shrink": F.tanh_shrink,
}


class Activated(Module):
    """A layer followed by its Keras ``activation``; its weights are those of the layer, under the same paths."""

    def __init__(self, layer: Module, activation: Callable[[Tensor], Tensor], title: str) -> None:
        self.layer, self.activation, self.title = layer, activation, title

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The children of the layer."""
        return self.layer.named_children()

    def _own_parameters(self) -> Iterator[tuple[str, Parameter]]:
        return self.layer._own_parameters()

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """The activation of what the layer gives."""
        return self.activation(self.layer.forward(*args, **kwargs))

    def __repr__(self) -> str:
        return f"{type(self.layer).__name__}({self.layer.describe()}, activation={self.title!r})"


def activation_name(layer: KerasLayer, option: str = "activation") -> str:
    """The name of the activation in an option, "linear" for none. Raises UnsupportedError for an unknown one."""
    raw = layer.option(option)
    while isinstance(raw, Mapping):
        named = raw.get("config") if raw.get("class_name") == "function" else raw.get("class_name")
        raw = named.get("name") if isinstance(named, Mapping) else named
    if raw not in (None, "linear") and raw not in ACTIVATIONS:
        raise layer.unsupported(f"{option}={raw!r}")
    return raw or "linear"


def activation_of(layer: KerasLayer, option: str = "activation") -> tuple[str, Callable[..., Tensor]] | None:
    """(title, function) of the activation in an option, which may be a layer; None for linear."""
    raw = layer.option(option)
    if isinstance(raw, Mapping) and isinstance(raw.get("config"), Mapping) and "layers" in str(raw.get("module")):
        module = layer.nested(option)
        return repr(module), module.forward
    name = activation_name(layer, option)
    if name == "linear":
        return None
    if name == "hard_sigmoid" and layer.keras_version < 3:
        return name, KERAS_2_HARD_SIGMOID
    return name, ACTIVATIONS[name]


def with_activation(module: Module, layer: KerasLayer) -> Module:
    """The module, followed by the activation of the Keras layer if it has one."""
    found = activation_of(layer)
    return module if found is None else Activated(module, found[1], found[0])
