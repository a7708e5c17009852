"""ONNX to Graph, for tests: a reader of models with static shapes, and the registry of what it can read.

One function per kind of node turns the node into operations of the graph. Where ONNX allows what the graph does not
have, the function raises `NotApplicable` with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import attrs
import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from trtnn.graph import DType, Graph, GraphBuilder, TensorType, Value
from trtnn.graph import ops as g
from trtnn.graph.ops import Op

DOMAINS = ("", "ai.onnx")
TYPES = ("float32", "float16", "int64", "int32", "int8", "uint8", "bool")  # what networks take and give


class NotApplicable(Exception):  # noqa: N818  # not an error: the test is about something else
    """A node that the graph has nothing for, with the reason."""


@attrs.frozen(eq=False)
class Node:
    """A node of an ONNX model with its attributes as Python values."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def has(self, place: int) -> bool:
        """Whether the optional input is given."""
        return place < len(self.inputs) and bool(self.inputs[place])

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute, or its default."""
        return self.attributes.get(name, default)

    def require(self, **wanted: Any) -> None:
        """Raises NotApplicable for an attribute that is given and is not what is wanted."""
        for name, value in wanted.items():
            if self.get(name, value) != value:
                raise NotApplicable(f"{self.kind} with {name}={self.get(name)!r}")

    def require_outputs(self, count: int) -> None:
        """Raises NotApplicable when more results than these are asked for."""
        if any(self.outputs[count:]):
            raise NotApplicable(f"{self.kind} with {len(self.outputs)} results")


Results: TypeAlias = Value | Sequence[Value]
Handler: TypeAlias = Callable[["Reader", Node], Results]
HANDLERS: dict[str, Handler] = {}


def reads(*kinds: str) -> Callable[[Handler], Handler]:
    """Registers a function for kinds of nodes."""

    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(kinds, handler))
        return handler

    return register


class Reader:
    """One model on its way to a graph.

    ``arrays`` are the test's inputs. What ONNX takes as a tensor and the graph as an attribute (the shape of a
    Reshape) is read from them; an input that is used as a tensor becomes an input of the graph.
    """

    def __init__(self, model: onnx.ModelProto, arrays: Mapping[str, np.ndarray]) -> None:
        self.builder = GraphBuilder("Node", {})
        self.opset = next((one.version for one in model.opset_import if one.domain in DOMAINS), 0)
        self._model, self._arrays = model, arrays
        self._values: dict[str, Value] = {}
        self._known = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}

    def read(self) -> Graph:
        """The graph. Raises NotApplicable, or what the graph's own checks raise."""
        for proto in self._model.graph.node:
            self._read_node(proto)
        outputs = [(one.name, self.value(one.name)) for one in self._model.graph.output]
        return self.builder.finish(outputs, "tuple")

    def _read_node(self, proto: onnx.NodeProto) -> None:
        if self._fold(proto):
            return
        if proto.domain not in DOMAINS or proto.op_type not in HANDLERS:
            raise NotApplicable(f"no {proto.op_type} in the graph")
        attributes = {one.name: _plain(helper.get_attribute_value(one)) for one in proto.attribute}
        node = Node(proto.op_type, tuple(proto.input), tuple(proto.output), attributes)
        results = HANDLERS[node.kind](self, node)
        self._values.update(zip(node.outputs, [results] if isinstance(results, Value) else results, strict=False))

    def _fold(self, proto: onnx.NodeProto) -> bool:
        """Computes what depends on constants and shapes alone, as the graph has it in its attributes."""
        if proto.domain not in DOMAINS or any(one.HasField("g") for one in proto.attribute):
            return False
        names = [name for name in proto.input if name]
        if proto.op_type in ("Shape", "Size") and names[0] not in self._known:
            stand_in = np.broadcast_to(np.zeros((), np.int8), self.type_of(names[0]).shape)
            self._evaluate(proto, {names[0]: stand_in})
            return True
        if any(name not in self._known for name in names) or not (names or proto.op_type == "Constant"):
            return False
        self._evaluate(proto, {name: self._known[name] for name in names})
        return True

    def _evaluate(self, proto: onnx.NodeProto, feeds: Mapping[str, np.ndarray]) -> None:
        results = ReferenceEvaluator(proto, opsets={"": self.opset}).run(None, dict(feeds))
        self._known.update(zip(proto.output, map(np.asarray, results), strict=False))

    def type_of(self, name: str) -> TensorType:
        """The type of a tensor, without making it an input of the graph."""
        return self.value(name).type if name not in self._arrays else _type_of(self._arrays[name])

    def value(self, name: str) -> Value:
        """A tensor by its name in the model."""
        if name not in self._values:
            if name in self._known:
                self._values[name] = self.constant(self._known[name])
            elif name in self._arrays:
                self._values[name] = self.builder.input(name, _type_of(self._arrays[name]))
            else:
                raise NotApplicable("an optional or sequence input")
        return self._values[name]

    def operands(self, node: Node) -> list[Value]:
        """All given operands of a node."""
        return [self.value(name) for name in node.inputs if name]

    def static(self, node: Node, place: int, default: Any = None) -> Any:
        """An operand as an array that is known before the network runs, or the default when it is left out."""
        if not node.has(place):
            return default
        name = node.inputs[place]
        known = self._known.get(name, self._arrays.get(name))
        if known is None:
            raise NotApplicable(f"{node.kind} with operand {place} computed at run time")
        return known

    def ints(self, node: Node, place: int, attribute: str) -> list[int] | None:
        """Integers that new versions of ONNX take as an operand and old ones as an attribute; None when left out."""
        given = self.static(node, place, node.get(attribute))
        return None if given is None else [int(one) for one in np.atleast_1d(given)]

    def constant(self, array: Any) -> Value:
        """A constant."""
        array = np.asarray(array)
        return self.builder.add(g.Constant(_type_of(array), array))

    def like(self, value: Value, number: float) -> Value:
        """A number as a constant of the value's data type and rank."""
        return self.constant(np.full((1,) * value.type.rank, number, value.type.dtype.numpy))

    def add(self, op: Op, *operands: Value) -> Value:
        """An operation of one result."""
        return self.builder.add(op, operands)

    def binary(self, kind: str, x: Value, y: Value) -> Value:
        """A Binary after bringing the operands to one rank."""
        return self.add(g.Binary(kind), *self.aligned([x, y]))

    def aligned(self, values: Sequence[Value]) -> list[Value]:
        """Values of one rank: axes of size 1 in front where there are too few."""
        rank = max(value.type.rank for value in values)
        return [self.reshape(value, (1,) * (rank - value.type.rank) + value.type.shape) for value in values]

    def reshape(self, value: Value, shape: Iterable[Any]) -> Value:
        """The value under another shape."""
        shape = tuple(int(size) for size in shape)
        return value if shape == value.type.shape else self.add(g.Reshape(shape), value)


def _plain(attribute: Any) -> Any:
    return attribute.decode() if isinstance(attribute, bytes) else attribute


def as_dtype(name: str) -> DType:
    """The graph's data type. Raises NotApplicable for one that networks do not take and give."""
    if name not in TYPES:
        raise NotApplicable(f"the data type {name}")
    return DType(name)


def _type_of(array: Any) -> TensorType:
    if not isinstance(array, (np.ndarray, np.generic)):
        raise NotApplicable("an optional or sequence input")
    if array.size == 0:
        raise NotApplicable("an empty tensor")
    return TensorType(as_dtype(array.dtype.name), array.shape)
