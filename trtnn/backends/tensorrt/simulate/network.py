"""A network as the simulator sees it: its layers in their own classes, and what encloses what.

The Python bindings hand every layer out as an ``ILayer``. Its real class is set from its type; a wrong one would crash
the process, so the table of classes (``reads`` in ``layers/`` and the boundary layers here) is all there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from trtnn.backends.tensorrt.simulate.element_types import Array
from trtnn.backends.tensorrt.simulate.reading import READABLE, LayerView, TensorView
from trtnn.errors import GraphError

_BOUNDARIES = {
    "TRIP_LIMIT": ("ITripLimitLayer", "loop"),
    "ITERATOR": ("IIteratorLayer", "loop"),
    "RECURRENCE": ("IRecurrenceLayer", "loop"),
    "LOOP_OUTPUT": ("ILoopOutputLayer", "loop"),
    "CONDITION": ("IConditionLayer", "conditional"),
    "CONDITIONAL_INPUT": ("IIfConditionalInputLayer", "conditional"),
    "CONDITIONAL_OUTPUT": ("IIfConditionalOutputLayer", "conditional"),
}


@attrs.define(eq=False)
class Construct:
    """A loop or a conditional, with its boundary layers. Filled while the network is read, then left alone."""

    raw: Any
    name: str
    is_loop: bool
    members: list[Layer] = attrs.field(factory=list, repr=False)

    def of_type(self, layer_type: str) -> list[Layer]:
        """Its boundary layers of one type, in the order they were added."""
        return [layer for layer in self.members if layer.type == layer_type]


@attrs.frozen(eq=False)
class Layer:
    """A layer: what can be read of it, its place in the network, and the construct whose boundary it is part of."""

    view: LayerView
    index: int
    construct: Construct | None = attrs.field(repr=False)

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.view.name

    @property
    def type(self) -> str:
        """The name of its ``LayerType``."""
        return self.view.type

    @property
    def reads(self) -> tuple[str, ...]:
        """The names of its inputs, without the absent ones."""
        return tuple(tensor.name for tensor in self.view.inputs if tensor is not None)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of its outputs."""
        return tuple(tensor.name for tensor in self.view.outputs)


@attrs.frozen(eq=False)
class NetworkView:
    """A network read back: inputs, layers in the order they were added, and the names of its outputs.

    ``producers`` finds the layer that computes a tensor. ``dimension_names`` has the names of the inputs' dynamic
    dimensions (empty where they have none).
    """

    inputs: tuple[TensorView, ...]
    dimension_names: tuple[tuple[str, ...], ...]
    layers: tuple[Layer, ...]
    outputs: tuple[str, ...]
    producers: Mapping[str, Layer]


def read_network(trt: Any, network: Any, constants: Mapping[str, Array]) -> NetworkView:
    """Reads a network. The views refer to it: it must outlive them.

    Raises GraphError for a tensor without a shape, which a broken layer leaves behind.
    """
    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    constructs: list[Construct] = []
    layers = tuple(_layer(trt, network, index, constructs, constants) for index in range(network.num_layers))
    views = tuple(_tensor(tensor) for tensor in inputs)
    return NetworkView(
        inputs=views,
        dimension_names=tuple(
            tuple(tensor.get_dimension_name(axis) or "" for axis in range(len(view.shape)))
            for tensor, view in zip(inputs, views, strict=True)
        ),
        layers=layers,
        outputs=tuple(network.get_output(index).name for index in range(network.num_outputs)),
        producers={name: layer for layer in layers for name in layer.outputs},
    )


def _layer(trt: Any, network: Any, index: int, constructs: list[Construct], constants: Mapping[str, Array]) -> Layer:
    raw = network.get_layer(index)
    # Activation and pooling layers have a `type` of their own, which hides the layer's.
    layer_type = trt.ILayer.type.__get__(raw).name
    construct = None
    if layer_type in _BOUNDARIES:
        layer_class, owner = _BOUNDARIES[layer_type]
        raw.__class__ = getattr(trt, layer_class)
        construct = _construct(getattr(raw, owner), owner == "loop", constructs)
    elif layer_type in READABLE:
        raw.__class__ = getattr(trt, READABLE[layer_type].layer_class)
    view = LayerView(
        raw=raw,
        type=layer_type,
        name=raw.name,
        inputs=tuple(_tensor(raw.get_input(position)) for position in range(raw.num_inputs)),
        outputs=tuple(_tensor(raw.get_output(position)) for position in range(raw.num_outputs)),
        constants=constants,
    )
    layer = Layer(view, index, construct)
    if construct is not None:
        construct.members.append(layer)
    return layer


def _construct(raw: Any, is_loop: bool, constructs: list[Construct]) -> Construct:
    """The construct of a boundary layer. Names need not be unique; the bindings give one object out once and again."""
    for construct in constructs:
        if construct.raw is raw:
            return construct
    constructs.append(Construct(raw=raw, name=raw.name, is_loop=is_loop))
    return constructs[-1]


def _tensor(raw: Any) -> Any:
    if raw is None:
        return None
    try:
        shape = tuple(raw.shape)
    except ValueError as error:
        raise GraphError(raw.name, problem="TensorRT cannot infer the shape of this tensor") from error
    return TensorView(raw.name, raw.dtype.name, shape)
