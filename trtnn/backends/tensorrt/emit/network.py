"""From a graph to a network definition: inputs, operations in order, outputs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from trtnn.backends.tensorrt.emit.emitter import Emitter, LayerWeights, Tensor
from trtnn.backends.tensorrt.errors import build_error, logger_of, recorder_of
from trtnn.backends.tensorrt.library import Library
from trtnn.graph import DType, Graph, Node, Value
from trtnn.graph.dims import names
from trtnn.graph.ops import Custom

if TYPE_CHECKING:
    from trtnn.backends.tensorrt.simulate import Simulation


@attrs.define(eq=False, slots=False)
class Network:
    """An ``INetworkDefinition`` with all that must live as long as it does.

    ``nodes`` has the node behind every layer, by the layer's name; ``outputs`` are the names of the output tensors in
    the graph's order, which differ from the graph's own where an input has the same name. ``held`` are the weights,
    which TensorRT reads in place, ``contents`` those that it does not give back to the simulator, and ``weights`` all
    that layers have, by layer and role ("conv1.conv.kernel").
    """

    library: Library
    graph: Graph = attrs.field(repr=False)
    builder: Any
    definition: Any
    recorder: Any
    nodes: Mapping[str, Node] = attrs.field(repr=False)
    outputs: tuple[str, ...]
    held: list[np.ndarray] = attrs.field(repr=False)
    contents: Mapping[str, np.ndarray] = attrs.field(repr=False)
    weights: Mapping[str, LayerWeights] = attrs.field(repr=False)

    @functools.cached_property
    def _simulation(self) -> Simulation:
        from trtnn.backends.tensorrt.simulate import Simulation  # not paid for by those who only build

        return Simulation.of(self.library.trt, self.definition, self.contents, self._plugins())

    def _plugins(self) -> dict[str, Callable[..., Any]]:
        """What a CPU computes in the place of custom ops' kernels, by layer."""
        custom = {name: node.op for name, node in self.nodes.items() if isinstance(node.op, Custom)}
        if not custom:
            return {}
        from trtnn.custom.evaluation import evaluator_of  # networks without custom ops do without

        return {name: evaluator_of(op) for name, op in custom.items()}

    def simulate(self, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs, in the graph's order, that the network gives for inputs by name; evaluated in NumPy, without a
        GPU.
        """
        found = self._simulation.run(feeds)
        return [np.array(found[name]) for name in self.outputs]  # a result may lie in weights that go with the network


def emit(graph: Graph, library: Library) -> Network:
    """The network of a lowered graph: convolutions and poolings channels first, all constants with data.

    Raises BuildError, with module path and line, when TensorRT refuses a layer, and UnsupportedError for an operation
    that it does not have.
    """
    trt = library.trt
    builder = trt.Builder(logger_of(trt))
    recorder = recorder_of(trt)
    builder.error_recorder = recorder
    definition = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    definition.name = graph.name
    net = Emitter(trt, definition, recorder, graph)
    net.run(graph, [_input(net, value) for value in graph.inputs])
    outputs = tuple(_mark(net, name, value, graph) for name, value in graph.outputs)
    return Network(
        library, graph, builder, definition, recorder, net.nodes, outputs, net.held, net.contents, net.weights
    )


def _input(net: Emitter, value: Value) -> Tensor:
    net.require_rank(value)
    shape = [size if isinstance(size, int) else -1 for size in value.type.shape]
    tensor = net.network.add_input(value.name, net.border_type(value.type.dtype), shape)
    if tensor is None:
        raise build_error(f"TensorRT refuses the input {value.name}", net.take_errors())
    for axis, size in enumerate(value.type.shape):
        for name in names(size):
            tensor.set_dimension_name(axis, name)
            net.sizes.declare(name, tensor, axis)
    return net.add("cast", tensor, net.element_type(DType.uint8)) if value.type.dtype is DType.uint8 else tensor


def _mark(net: Emitter, name: str, value: Value, graph: Graph) -> str:
    """Makes the value an output of the network under the name, and returns the name it got."""
    tensor = net.tensor(value)
    if value.type.dtype is DType.uint8:
        tensor = net.add("cast", tensor, net.border_type(DType.uint8))
    elif tensor.is_network_input or tensor.is_network_output or net.array(value) is not None:
        tensor = net.add("identity", tensor)
    tensor.name = net.unique(name) if name in {value.name for value in graph.inputs} else name
    net.network.mark_output(tensor)
    return str(tensor.name)
