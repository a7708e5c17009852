"""What a custom op is: its name, its attributes, its typing rule and its forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from trtnn.custom.attributes import Attribute
from trtnn.custom.failing import failure_of
from trtnn.custom.references import call_reference
from trtnn.custom.typing import infer_types, require_operands
from trtnn.errors import CustomOpError, TrtnnError
from trtnn.graph import Dim, DType, TensorType
from trtnn.graph.ops import Custom
from trtnn.tensor import Tensor


@attrs.frozen(eq=False)
class Definition:
    """A custom op under its name, ``namespace::name``.

    ``kind`` is the frozen class whose fields are the attributes and whose members are the forms: any of ``infer``,
    ``decompose``, ``reference`` and ``kernels``. ``operands`` are the operands' names; with ``variadic`` any number may
    follow. ``elementwise``: the op means the same in every layout; otherwise it takes and gives the order that the user
    wrote, channels last. ``dtypes`` are the floating-point types that it computes on.
    """

    name: str
    kind: type
    operands: tuple[str, ...]
    variadic: bool = False
    elementwise: bool = False
    dtypes: tuple[DType, ...] = (DType.float32,)

    @property
    def home(self) -> str:
        """Where it was written: the module and the name in it. The same definition again has the same home."""
        return f"{self.kind.__module__}.{self.kind.__qualname__}"

    def form(self, name: str) -> Any:
        """The member that makes up a form, None where there is none."""
        return getattr(self.kind, name, None)

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms that there are, out of "decompose", "reference" and "kernels"."""
        return tuple(name for name in ("decompose", "reference", "kernels") if self.form(name))


@attrs.frozen
class CustomOp:
    """A definition with values for its attributes: what a graph holds, and what passes and targets work with.

    ``options`` is an instance of the definition's ``kind``: the user's own object. Two of one definition and with equal
    attributes are equal.
    """

    definition: Definition
    options: Any
    _known: dict[Any, tuple[TensorType, ...]] = attrs.field(factory=dict, eq=False, repr=False)

    @property
    def name(self) -> str:
        """``namespace::name``."""
        return self.definition.name

    @property
    def attributes(self) -> dict[str, Attribute]:
        """The attributes' values by name."""
        return {field.name: getattr(self.options, field.name) for field in attrs.fields(self.definition.kind)}

    @property
    def elementwise(self) -> bool:
        """True when it means the same in every layout."""
        return self.definition.elementwise

    @property
    def dtypes(self) -> tuple[DType, ...]:
        """The floating-point types that it computes on."""
        return self.definition.dtypes

    @property
    def sizes(self) -> tuple[Dim, ...]:
        """The sizes of its results that only running it tells."""
        return tuple(self.definition.form("sizes") or ())

    @property
    def kernels(self) -> tuple[Any, ...]:
        """The kernels that a GPU can run."""
        return tuple(self.definition.form("kernels") or ())

    @property
    def has_decomposition(self) -> bool:
        """True when there is a form in terms of functions."""
        return self.definition.form("decompose") is not None

    @property
    def has_reference(self) -> bool:
        """True when there is a form in NumPy."""
        return self.definition.form("reference") is not None

    def infer(self, *inputs: TensorType, sizes: Mapping[str, str] | None = None) -> tuple[TensorType, ...]:
        """The results' types for operands of these types, checked.

        ``sizes`` are names in the graph for the op's own sizes; a name that is not given stays as it is. Raises
        ShapeError or DTypeError when the operands do not fit, and CustomOpError when the user's ``infer`` makes no
        sense.
        """
        key = (inputs, tuple((sizes or {}).items()))
        if key not in self._known:
            require_operands(self.definition, len(inputs))
            self._known[key] = infer_types(self, inputs, sizes or {})
        return self._known[key]

    def decompose(self, *operands: Tensor) -> tuple[Tensor, ...]:
        """The results in terms of functions, unchecked. Raises CustomOpError when the user's function fails, and what
        trtnn's functions in it raise."""
        try:
            results = self.options.decompose(*operands)
        except (TrtnnError, RecursionError):  # the latter is an op in its own decomposition, which typing tells
            raise
        except Exception as error:
            raise failure_of(self.name, "decompose", error) from error
        return tuple(results) if isinstance(results, (tuple, list)) else (results,)

    def reference(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """The results in NumPy, checked against `infer`. Raises CustomOpError when they differ."""
        return call_reference(self, arrays)

    def __str__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in self.attributes.items())
        return f"{self.name}({values})"


def custom_of(op: Any) -> CustomOp:
    """The custom op behind an operation of a graph, an instance of a class that `trtnn.custom_op` made, or, with the
    attributes' defaults, such a class or function itself.

    Raises CustomOpError for anything else.
    """
    if isinstance(op, CustomOp):
        return op
    if isinstance(op, Custom) and isinstance(op.custom, CustomOp):
        return op.custom
    definition = getattr(op, "custom_op_definition", None)
    if isinstance(definition, Definition):
        if type(op) is definition.kind:
            return CustomOp(definition, op)
        if op is definition.kind or not isinstance(op, (type, definition.kind)):
            return CustomOp(definition, definition.kind())
    raise CustomOpError(
        expected="what trtnn.custom_op made, or an instance of it", got=repr(op), remedy="a subclass needs it as well"
    )
