"""The ONNX model under construction: nodes, weights kept beside the proto, and the arithmetic of symbolic sizes."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import onnx
from onnx import helper

from trtnn.errors import GraphError, UnsupportedError
from trtnn.graph import DType, Graph, Size, Value
from trtnn.graph import ops as g
from trtnn.graph.dims import DimExpr, FloorDiv, Symbol
from trtnn.graph.types import packed_int4

OPSET = 21
IR_VERSION = 10
INLINE_BYTES = 1024  # constants up to this size stand in the proto, where ONNX's shape inference can read them
ELEMENT_TYPES = {
    DType.float32: onnx.TensorProto.FLOAT,
    DType.float16: onnx.TensorProto.FLOAT16,
    DType.bfloat16: onnx.TensorProto.BFLOAT16,
    DType.int64: onnx.TensorProto.INT64,
    DType.int32: onnx.TensorProto.INT32,
    DType.int8: onnx.TensorProto.INT8,
    DType.uint8: onnx.TensorProto.UINT8,
    DType.bool: onnx.TensorProto.BOOL,
    DType.float8: onnx.TensorProto.FLOAT8E4M3FN,
    DType.int4: onnx.TensorProto.INT4,
}

STORED = (DType.float8, DType.int4)
"""What ONNX Runtime has for quantized values alone, and does not compute with."""


def require_types(graph: Graph) -> None:
    """Raises UnsupportedError for a data type that ONNX Runtime lacks, or cannot exchange with NumPy."""
    for node in graph.nodes:
        for value in node.outputs:
            stored = value.type.dtype in STORED and not isinstance(node.op, (g.Constant, g.Quantize))
            if stored or value.type.dtype not in ELEMENT_TYPES:
                raise UnsupportedError(
                    node.origin.path or value.name,
                    problem=f"the target onnxruntime has no {value.type.dtype}",
                    remedy="compile for TensorRT, or cast to another data type",
                    line=node.origin.line,
                )
    for name, value in [*((value.name, value) for value in graph.inputs), *graph.outputs]:
        if value.type.dtype not in ELEMENT_TYPES or value.type.dtype in (*STORED, DType.bfloat16):
            raise UnsupportedError(
                name,
                problem=f"the target onnxruntime takes and gives no {value.type.dtype}",
                remedy='declare it as float32 and use .cast("bfloat16") inside the network',
            )


@attrs.frozen(eq=False)
class OnnxModel:
    """An ONNX model, the arrays of its external weights by name, and ONNX Runtime's optimizers that would break it."""

    proto: onnx.ModelProto
    weights: Mapping[str, np.ndarray]
    disabled_optimizers: tuple[str, ...] = ()


class ModelBuilder:
    """Collects nodes and weights; knows the ONNX name of every value of the graph.

    ``carriers`` are values from outside that become inputs, behind the graph's own, where a size can only be read from
    one of them.
    """

    def __init__(self, graph: Graph, carriers: Sequence[Value] = ()) -> None:
        self._graph = graph
        self._carriers, self._carrying = carriers, dict[Value, None]()  # a copied builder shares what it carries
        self._root = self
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._weights: dict[str, np.ndarray] = {}
        self._disabled: set[str] = set()
        self._sizes: dict[object, str] = {}
        self._count = 0

    def body(self) -> ModelBuilder:
        """A builder for the body of a loop: its nodes stand apart, its constants and sizes with the root's."""
        inner = copy.copy(self)
        inner._nodes = []
        return inner

    def node(self, kind: str, inputs: Sequence[str], output: str | None = None, **attributes: Any) -> str:
        """Adds a node with one result and returns the result's name."""
        output = output or self.fresh(kind)
        self._nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def nodes(self, kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> None:
        """Adds a node with any number of results, under the given names."""
        self._nodes.append(helper.make_node(kind, inputs, outputs, name=outputs[0], **attributes))

    def fresh(self, hint: str) -> str:
        """A name that no value of the graph has."""
        self._root._count += 1
        return f"{hint}:{self._root._count}"

    def constant(self, array: np.ndarray, name: str | None = None) -> str:
        """Adds a constant; a large one stays in its own array, without a copy."""
        name = name or self.fresh("constant")
        array = np.require(array, requirements=["C", "A"]) if array.ndim else array
        tensor = onnx.TensorProto(name=name, data_type=ELEMENT_TYPES[DType(array.dtype.name)], dims=array.shape)
        if array.dtype.name == DType.int4.value:
            tensor.raw_data = packed_int4(array).tobytes()
        elif array.nbytes <= INLINE_BYTES or array.dtype.name == DType.float8.value:  # no OrtValue holds it
            tensor.raw_data = array.tobytes()
        else:
            tensor.data_location = onnx.TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value="memory")
            self._weights[name] = array
        self._initializers.append(tensor)
        return name

    def disable(self, optimizer: str) -> None:
        """Keeps one of ONNX Runtime's optimizers away from the model."""
        self._disabled.add(optimizer)

    def ints(self, values: Sequence[int]) -> str:
        """An int64 vector."""
        return self.constant(np.asarray(values, np.int64))

    def sizes(self, sizes: Sequence[Size]) -> str:
        """Sizes as an int64 vector, computed at run time where they are symbolic."""
        known = [size for size in sizes if isinstance(size, int)]
        if len(known) == len(sizes):
            return self.ints(known)
        return self._root.node("Concat", [self.size(size) for size in sizes], axis=0)

    def size(self, size: Size) -> str:
        """One size as an int64 vector of one element."""
        if size not in self._sizes:
            self._sizes[size] = self.ints([size]) if isinstance(size, int) else self._root._expression(size)
        return self._sizes[size]

    def _expression(self, size: DimExpr) -> str:
        total: str | None = None
        for monomial, coefficient in size.terms:
            factors = [self._atom(atom) for atom in monomial]
            if coefficient != 1 or not factors:
                factors.append(self.size(coefficient))
            term = factors[0]
            for factor in factors[1:]:
                term = self.node("Mul", [term, factor])
            total = term if total is None else self.node("Add", [total, term])
        assert total is not None
        return total

    def _atom(self, atom: Any) -> str:
        if atom not in self._sizes:
            if isinstance(atom, Symbol):
                self._sizes[atom] = self._dim(atom.name)
            elif isinstance(atom, FloorDiv):
                self._sizes[atom] = self._floor_div(self.size(atom.numerator), self.size(atom.denominator))
            else:
                self._sizes[atom] = self.node("Max", [self.size(atom.left), self.size(atom.right)])
        return self._sizes[atom]

    def _floor_div(self, numerator: str, denominator: str) -> str:
        """Rounded down: ONNX's division truncates, its remainder has the denominator's sign."""
        exact = self.node("Sub", [numerator, self.node("Mod", [numerator, denominator])])
        return self.node("Div", [exact, denominator])

    def _dim(self, name: str) -> str:
        for value in (*self._graph.inputs, *self._carriers):
            for axis, size in enumerate(value.type.shape):
                if str(size) == name:
                    self._carrying[value] = None
                    return self.node("Shape", [value.name], start=axis, end=axis + 1)
        raise GraphError(name, expected="a dim of one of the inputs", got="none that has it")

    def finish_body(
        self, name: str, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]
    ) -> onnx.GraphProto:
        """The body as a subgraph; it sees the names of the graphs around it."""
        return helper.make_graph(self._nodes, name, inputs, outputs)

    def finish(self) -> OnnxModel:
        """The model with the graph's inputs and outputs, in order; an output without a name of its own gets one."""
        taken = {value.name for value in (*self._graph.inputs, *self._graph.producers())}
        outputs = []
        for name, value in self._graph.outputs:
            output = self.fresh(name) if name in taken or not name else name
            self.node("Identity", [value.name], output)
            outputs.append(describe(output, value))
        inputs = [describe(value.name, value) for value in dict.fromkeys((*self._graph.inputs, *self._carrying))]
        graph = helper.make_graph(self._nodes, self._graph.name, inputs, outputs, self._initializers)
        imports = [helper.make_opsetid("", OPSET)]
        return OnnxModel(
            helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION), self._weights, tuple(self._disabled)
        )


def describe(name: str, value: Value) -> onnx.ValueInfoProto:
    """The ONNX type of a value, symbolic sizes as text."""
    shape = [size if isinstance(size, int) else str(size) for size in value.type.shape]
    return helper.make_tensor_value_info(name, ELEMENT_TYPES[value.type.dtype], shape)
