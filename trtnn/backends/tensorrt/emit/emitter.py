"""Adding layers to a network: named, checked one by one, and mapped back to the node that each was added for."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, TypeAlias

import attrs
import numpy as np

from trtnn.backends.tensorrt.data_types import DATA_TYPES
from trtnn.backends.tensorrt.emit.sizes import Sizes
from trtnn.backends.tensorrt.errors import Blame, build_error
from trtnn.errors import UnsupportedError
from trtnn.graph import DType, Graph, Node, Shape, Value, shape_text
from trtnn.graph.ops import Constant, Op
from trtnn.graph.types import packed_int4

Tensor: TypeAlias = Any  # ITensor of whichever library
Array: TypeAlias = np.ndarray

_UNREADABLE = ("bfloat16", "float8_e4m3fn", "int4")  # what NumPy itself does not have
_WEIGHTS = {  # which arguments of add_<kind> are weights, and what the layer calls them
    "constant": {1: "weights"},
    "convolution_nd": {3: "kernel", 4: "bias"},
    "deconvolution_nd": {3: "kernel", 4: "bias"},
}
_MAX_RANK = 8


@attrs.frozen(eq=False)
class LayerWeights:
    """Weights of a layer: their values, what TensorRT was given (the array, or ``Weights``), and its address, which is
    what TensorRT knows them by."""

    array: Array
    given: Any
    address: int


class Emitter:
    """Adds the layers of a graph to an ``INetworkDefinition``; the emitters of the operations work with this.

    ``nodes`` has, for every layer by name, the node that it was added for. ``held`` keeps the arrays that TensorRT
    reads until the plan is built, ``contents`` those that it does not give back, by layer and role, and ``weights`` all
    that layers were given, by the same names.
    """

    def __init__(self, trt: Any, network: Any, recorder: Any, graph: Graph) -> None:
        self.trt, self.network = trt, network
        self.nodes: dict[str, Node] = {}
        self.held: list[Array] = []
        self.contents: dict[str, Array] = {}
        self.weights: dict[str, LayerWeights] = {}
        self.sizes = Sizes(self)
        self._recorder = recorder
        self._producers: dict[Value, Node] = {}
        self._tensors: dict[Value, Tensor] = {}
        self._node: Node | None = None
        self._taken = {value.name for value in graph.inputs} | {name for name, _ in graph.outputs}

    def run(self, graph: Graph, operands: Sequence[Tensor]) -> list[Tensor]:
        """Adds the layers of a graph, be it the network or a loop's body, on these operands and returns its results."""
        around = self._node
        self._producers |= graph.producers()
        for value, tensor in zip(graph.inputs, operands, strict=True):
            self.bind(value, tensor)
        for node in graph.nodes:
            if not isinstance(node.op, Constant):
                self._node = node
                for value in node.outputs:
                    self.require_rank(value)
                emitted = emit_op(node.op, node, self)
                for value, tensor in zip(
                    node.outputs, emitted if isinstance(emitted, tuple) else (emitted,), strict=True
                ):
                    self._require_type(value, tensor)
                    self.bind(value, tensor)
        self._node = around
        return [self.tensor(value) for _, value in graph.outputs]

    def bind(self, value: Value, tensor: Tensor) -> None:
        """Makes the tensor stand for the value."""
        self._tensors[value] = tensor

    def tensor(self, value: Value) -> Tensor:
        """The tensor that stands for a value. Constants become layers here, when first used as tensors."""
        if value not in self._tensors:
            data = self.array(value)
            if data is None:
                raise UnsupportedError(value.name, problem="is used before it is made: a bug in a pass of trtnn")
            self._tensors[value] = self.constant(data)
        return self._tensors[value]

    def tensors(self, node: Node) -> list[Tensor]:
        """The tensors of the node's operands."""
        return [self.tensor(value) for value in node.inputs]

    def array(self, value: Value) -> Array | None:
        """The array behind a value that is a constant, else None."""
        producer = self._producers.get(value)
        return producer.op.data if producer is not None and isinstance(producer.op, Constant) else None

    def border_type(self, dtype: DType) -> Any:
        """The ``DataType`` of values of this type where they enter and leave the network."""
        return getattr(self.trt.DataType, DATA_TYPES[dtype])

    def element_type(self, dtype: DType) -> Any:
        """The ``DataType`` that holds values of this type inside the network.

        TensorRT has uint8 at the border only, where it converts from and to floats; inside they stay floats.
        """
        return self.border_type(DType.float32 if dtype is DType.uint8 else dtype)

    def constant(self, array: Array) -> Tensor:
        """A constant layer with the array's shape and data type; int8 goes through a cast, since TensorRT keeps int8
        constants for quantized weights.
        """
        if array.dtype == np.uint8:
            array = array.astype(np.float32)
        if array.dtype == np.int8:
            return self.add("cast", self.constant(array.astype(np.int32)), self.trt.DataType.INT8)
        return self.add("constant", array.shape, array)

    def number(self, value: float, dtype: DType, rank: int) -> Tensor:
        """A constant of one element and a rank, to combine with tensors of that rank."""
        return self.constant(np.full((1,) * rank, value, dtype.numpy))

    def reshape(self, tensor: Tensor, old: Shape, new: Shape) -> Tensor:
        """The tensor, whose shape is ``old``, in the shape ``new``; symbolic sizes are copied, inferred or computed,
        whichever is the simplest.
        """
        if old == new:
            return tensor
        dims = [_placeholder(size, axis, old) for axis, size in enumerate(new)]
        if dims.count(-1) > 1:
            return self.add("shuffle", tensor, inputs={1: self.sizes.vector(new)})
        return self.add("shuffle", tensor, reshape_dims=dims)

    def elementwise(self, operation: str, x: Tensor, y: Tensor) -> Tensor:
        """``x operation y``, by the name of an ``ElementWiseOperation``."""
        return self.add("elementwise", x, y, getattr(self.trt.ElementWiseOperation, operation))

    def unary(self, operation: str, x: Tensor) -> Tensor:
        """``operation(x)``, by the name of a ``UnaryOperation``."""
        return self.add("unary", x, getattr(self.trt.UnaryOperation, operation))

    def add(self, kind: str, *arguments: Any, output: int = 0, **options: Any) -> Tensor:
        """Adds a layer as `layer` does and returns its output."""
        layer = self.layer(kind, *arguments, **options)
        result = layer.get_output(output)
        self._require_shape(kind, result)
        result.name = layer.name
        return result

    def layer(
        self, kind: str, *arguments: Any, owner: Any = None, inputs: Mapping[int, Tensor] | None = None, **settings: Any
    ) -> Any:
        """Adds a layer with ``network.add_<kind>(*arguments)``, or the method of a loop that is its ``owner``.

        Arrays among the arguments are weights. ``settings`` are properties of the layer, ``inputs`` further inputs by
        index. Raises BuildError, with the module path and the user's line, when TensorRT refuses any of it.
        """
        name = self.unique(self._node.outputs[0].name if self._node else kind)
        if self._node is not None:
            self.nodes[name] = self._node
        ready = [
            self._weights(one, f"{name}.{_WEIGHTS[kind][i]}") if isinstance(one, np.ndarray) else one
            for i, one in enumerate(arguments)
        ]
        try:
            layer = getattr(owner or self.network, f"add_{kind}")(*ready)
        except (TypeError, ValueError) as error:
            self._fail(kind, str(error).splitlines()[0])
        if layer is None:
            self._fail(kind)
        layer.name = layer.metadata = name  # metadata stays with whatever the layer is fused into
        for key, value in settings.items():
            self._set(kind, layer, key, value)
        for index, tensor in (inputs or {}).items():
            layer.set_input(index, tensor)
        return layer

    def unique(self, name: str) -> str:
        """The name, with a number behind it when it is taken."""
        free = name
        count = 1
        while free in self._taken:
            free, count = f"{name}#{count}", count + 1
        self._taken.add(free)
        return free

    def require_rank(self, value: Value) -> None:
        """Raises UnsupportedError for a value of more axes than TensorRT has."""
        if value.type.rank > _MAX_RANK:
            raise UnsupportedError(
                Blame(value.name, self._node).path if self._node else value.name,
                expected=f"{_MAX_RANK} axes at the most, which is all that TensorRT has",
                got=f"{value.type.rank}, shape {shape_text(value.type.shape)}",
                remedy="join axes with reshape",
                line=self._node.origin.line if self._node else None,
            )

    def take_errors(self) -> list[str]:
        """TensorRT's messages since the last call."""
        messages: list[str] = self._recorder.take()
        return messages

    def _weights(self, array: Array, role: str) -> Any:
        """The array as TensorRT reads it in place: contiguous and aligned. Copies only what is not.

        NumPy's own types are taken as they are. The contents of others cannot be read back, so they are noted for the
        simulator.
        """
        ready = np.require(array, requirements=["C", "A"])
        self.held.append(ready)
        if array.dtype.name not in _UNREADABLE:
            self.weights[role] = LayerWeights(ready, ready, ready.ctypes.data)
            return ready
        self.contents[role] = ready
        raw = packed_int4(ready) if array.dtype.name == "int4" else ready
        self.held.append(raw)
        given = self.trt.Weights(self.border_type(DType(array.dtype.name)), raw.ctypes.data, ready.size)
        self.weights[role] = LayerWeights(ready, given, raw.ctypes.data)
        return given

    def _set(self, kind: str, layer: Any, key: str, value: Any) -> None:
        """Sets a property and reads it back: TensorRT keeps the old value, and says nothing, when it does not like the
        new one.
        """
        try:
            setattr(layer, key, value)
        except (TypeError, ValueError) as error:
            self._fail(kind, f"{key} cannot be {value}: {error}")
        got = getattr(layer, key)
        if not _equal(got, value):
            self._fail(kind, f"{key} stays {got} when it is set to {value}")

    def _require_shape(self, kind: str, tensor: Tensor) -> None:
        """Reading the shape makes TensorRT check the layer."""
        try:
            tuple(tensor.shape)
        except (RuntimeError, ValueError) as error:
            self._fail(kind, str(error))
        if self._recorder.num_errors():
            self._fail(kind)

    def _require_type(self, value: Value, tensor: Tensor) -> None:
        """What TensorRT infers must be what the graph says, as far as both know it."""
        wanted, shape = value.type, tuple(tensor.shape)
        known = len(shape) == wanted.rank and all(
            size == got or got == -1 or not isinstance(size, int) for size, got in zip(wanted.shape, shape, strict=True)
        )
        if not known or tensor.dtype != self.element_type(wanted.dtype):
            self._fail_with(f"TensorRT infers {tensor.dtype.name} {shape} where the graph has {wanted}", [])

    def _fail(self, kind: str, said: str | None = None) -> NoReturn:
        self._fail_with(f"TensorRT refuses the {kind} layer", self.take_errors() or ([said] if said else []))

    def _fail_with(self, problem: str, messages: list[str]) -> NoReturn:
        raise build_error(problem, messages, self._blame())

    def _blame(self) -> Blame | None:
        return Blame(self._node.outputs[0].name, self._node) if self._node else None


@functools.singledispatch
def emit_op(op: Op, node: Node, net: Emitter) -> Tensor:
    """Adds the layers of one operation and returns the tensor of its result, or a tuple of several.

    Raises UnsupportedError for an operation without an emitter.
    """
    path = f"{node.origin.path}: {op.name}" if node.origin.path else op.name
    raise UnsupportedError(
        path, problem="TensorRT has no such operation", remedy='use target="onnxruntime"', line=node.origin.line
    )


def _placeholder(size: Any, axis: int, old: Shape) -> int:
    """A size as a shuffle layer takes it: 0 copies the operand's size on the axis, -1 is inferred."""
    if isinstance(size, int):
        return size
    return 0 if axis < len(old) and old[axis] == size else -1


def _equal(got: Any, value: Any) -> bool:
    """Whether a property holds the value: floats are kept in single precision, permutations in 8 entries."""
    if isinstance(value, (tuple, list)):
        return tuple(got)[: len(value)] == tuple(value)
    return bool(np.float32(got) == np.float32(value)) if isinstance(value, float) else bool(got == value)
