"""One use of a custom op as its plugin knows it: the op, its operands' types, and where each named dim is read."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any, cast

import attrs

from trtnn.backends.tensorrt import data_types
from trtnn.custom.definition import CustomOp, Definition, custom_of
from trtnn.custom.kernels import Kernel
from trtnn.custom.registry import find, require_registered
from trtnn.graph import DType, Node, Shape, Size, TensorType
from trtnn.graph.dims import names, symbol
from trtnn.saving.fields import Field
from trtnn.saving.sizes import shape_from_json, shape_to_json

_NOT_FOR_PLUGINS = (DType.uint8, DType.float8, DType.int4)
DATA_TYPES = {dtype: name for dtype, name in data_types.DATA_TYPES.items() if dtype not in _NOT_FOR_PLUGINS}
"""The types that a plugin takes and gives, by the names of their ``DataType``."""


_PLAN = "a plugin of a TensorRT plan"


@attrs.frozen
class Site:
    """A custom op with its operands' types.

    A plugin sees its operands' sizes and nothing of the network's inputs. So a named dim has to be an axis of some
    operand, and an expression of such dims stays what it is; any other expression goes by a name of its own, equal ones
    by the same.
    """

    op: CustomOp
    inputs: tuple[TensorType, ...]

    @classmethod
    def of(cls, node: Node) -> Site:
        """The site of a node with a custom op."""
        types = [value.type for value in node.inputs]
        shapes = _readable([one.shape for one in types])
        inputs = tuple(TensorType(one.dtype, shape) for one, shape in zip(types, shapes, strict=True))
        return cls(custom_of(node.op), inputs)

    @property
    def outputs(self) -> tuple[TensorType, ...]:
        """The results' types, in the operands' names. Raises ShapeError where the op needs to know of an expression
        with a name of its own how it came about."""
        return self.op.infer(*self.inputs)

    @property
    def kernels(self) -> list[Kernel]:
        """The op's kernels that serve these data types."""
        return [kernel for kernel in self.op.kernels if kernel.serves(self.inputs, self.outputs)]

    @property
    def axes(self) -> dict[str, tuple[int, int]]:
        """For each named dim, an operand and an axis that has it."""
        found: dict[str, tuple[int, int]] = {}
        for index, one in enumerate(self.inputs):
            for axis, size in enumerate(one.shape):
                if _is_dim(size):
                    found.setdefault(str(size), (index, axis))
        return found

    def concrete(self, shapes: Sequence[Sequence[int]]) -> tuple[TensorType, ...]:
        """The operands' types with the shapes that they have in a call."""
        return tuple(
            TensorType(one.dtype, tuple(int(size) for size in shape))
            for one, shape in zip(self.inputs, shapes, strict=True)
        )

    def dims(self, shapes: Sequence[Sequence[int]]) -> dict[str, int]:
        """The named dims' values for operands of these shapes."""
        return {name: int(shapes[index][axis]) for name, (index, axis) in self.axes.items()}

    def to_text(self) -> str:
        """All of it as one line of JSON, for a plugin's field and its serialized form."""
        types = [[one.dtype.value, shape_to_json(one.shape)] for one in self.inputs]
        return json.dumps({"op": self.op.name, "attributes": self.op.attributes, "inputs": types})

    @classmethod
    def from_text(cls, text: str) -> Site:
        """The site that gave the text. Raises CustomOpError when its op is not registered in this process."""
        held: dict[str, Any] = json.loads(text)
        require_registered([held["op"]], _PLAN)
        definition = cast(Definition, find(held["op"]))
        inputs = tuple(
            TensorType(DType(name), shape_from_json(Field(shape, "$.inputs", _PLAN))) for name, shape in held["inputs"]
        )
        return cls(CustomOp(definition, definition.kind(**held["attributes"])), inputs)


def _readable(shapes: Sequence[Shape]) -> list[Shape]:
    """The shapes with new names for expressions of dims that are no axis of any."""
    dims = {str(size) for shape in shapes for size in shape if _is_dim(size)}
    hidden = dict.fromkeys(size for shape in shapes for size in shape if not names(size) <= dims)
    free = (name for number in itertools.count() if (name := f"size_{number}") not in dims)
    renamed: dict[Size, Size] = dict(zip(hidden, map(symbol, free), strict=False))
    return [tuple(renamed.get(size, size) for size in shape) for shape in shapes]


def _is_dim(size: Size) -> bool:
    """Whether the size is just a named dim."""
    return str(size) in names(size)
