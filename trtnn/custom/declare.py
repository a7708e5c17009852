"""`custom_op`: from a user's function or class to a definition."""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from trtnn.custom.attributes import checked
from trtnn.custom.definition import CustomOp, Definition, custom_of
from trtnn.custom.members import (
    check_arguments,
    operands_of,
    operands_of_class,
    require_attribute_names,
    require_members,
)
from trtnn.custom.registry import register
from trtnn.errors import ArgumentError, CustomOpError, DTypeError, TrtnnError
from trtnn.functional.operands import lift
from trtnn.graph import DType, as_dtype
from trtnn.graph.ops import Custom
from trtnn.tensor import Tensor
from trtnn.trace import Tracer, user_line

_NAME = re.compile(r"[A-Za-z_]\w*::[A-Za-z_]\w*")


def custom_op(name: str, *, elementwise: bool = False, dtypes: Iterable[object] = ("float32",)) -> Callable[[Any], Any]:
    """Defines an operation of your own, from a function in terms of trtnn's functions or from a class.

    A function is the op's decomposition: its positional parameters are the operands, its keyword-only ones, with a
    type or a default, the attributes. Tracing it gives the results' types::

        @trtnn.custom_op("acme::swish")
        def swish(x, *, beta: float = 1.0):
            return x * F.sigmoid(beta * x)

        y = swish(x, beta=1.5)

    A class has the attributes as annotated fields (it becomes a frozen attrs class) and any of these members::

        @trtnn.custom_op("acme::nms")
        class NonMaximumSuppression:
            threshold: float = 0.5
            sizes = (trtnn.Dim("kept", max=100),)     # sizes of results that only running the op tells
            def infer(self, boxes): ...               # TensorTypes to a TensorType or a tuple; raises what does not fit
            def decompose(self, boxes): ...           # in trtnn's functions
            def reference(self, boxes): ...           # arrays to arrays, in NumPy
            kernels = (...)                           # `CudaKernel`, `TritonKernel`

        kept = NonMaximumSuppression(threshold=0.3)(boxes)

    ``name`` is ``namespace::name``. Attributes are int, float, bool, str, or tuples of these. ``elementwise``: the op
    means the same in every layout, with one result that has the rank of every operand; other ops take and give images
    channels last, as the user wrote them. ``dtypes``: the floating-point types that it computes on; with "float16" or
    "bfloat16" among them, half precision takes it along with its neighbours.

    Raises CustomOpError for a definition that makes no sense or a name that another one has, ArgumentError for a
    default that is not of its attribute's type, each with the line of the definition.
    """
    with _AtUsersLine():
        _require_name(name)
        types = _float_types(name, dtypes)

    def define(form: Any) -> Any:
        make = _from_class if isinstance(form, type) else _from_function
        with _AtUsersLine():
            return make(name, form, elementwise, types)

    return define


class _AtUsersLine:
    """Errors within get the line of the user's that is running."""

    def __enter__(self) -> None:
        """Nothing."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, TrtnnError):
            error.locate("", user_line())


def apply(op: CustomOp, operands: tuple[Any, ...]) -> Any:
    """Records the op on tensors, parameters, arrays and numbers: its result, or a tuple of them."""
    tracer, tensors = lift(*operands)
    results = tracer.apply_all(Custom(op, _names_of_sizes(op, tracer)), *tensors)
    return results[0] if len(results) == 1 else results


def _names_of_sizes(op: CustomOp, tracer: Tracer) -> dict[str, str]:
    """Names that the op's own sizes can have in this graph."""
    if not op.sizes:
        return {}
    if tracer.is_inner:
        raise CustomOpError(
            op.name,
            problem="an op with sizes of its own cannot stand in a loop, nor in another op's decomposition",
            remedy="call it outside, or give it results of a fixed size",
        )
    taken, found = tracer.builder.taken_dims(), {}
    for dim in op.sizes:
        free, count = dim.name, 1
        while free in taken:
            free, count = f"{dim.name}_{count}", count + 1
        found[dim.name] = free
    return found


def _require_name(name: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise CustomOpError("custom_op", expected='a name such as "acme::swish": namespace::name', got=repr(name))


def _float_types(name: str, dtypes: object) -> tuple[DType, ...]:
    """The floating-point types that an op is declared for, given as one or several. Raises ArgumentError."""
    named = dtypes if isinstance(dtypes, Iterable) and not isinstance(dtypes, str) else (dtypes,)
    try:
        types = tuple(map(as_dtype, named))
    except DTypeError:
        types = ()
    if not types or not all(one.is_float for one in types):
        raise ArgumentError(f"{name}: dtypes", expected="floating-point types", got=repr(dtypes))
    return types


def _from_function(name: str, function: Any, elementwise: bool, dtypes: tuple[DType, ...]) -> CustomFunction:
    if not callable(function):
        raise CustomOpError(name, expected="a function or a class", got=repr(function))
    parameters = inspect.signature(function).parameters.values()
    keywords = [one for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY]
    defaults = {one.name: one.default for one in keywords if one.default is not one.empty}
    declared = {one.name: _annotation(name, one) for one in keywords}
    require_attribute_names(name, declared)
    space = getattr(function, "__globals__", {})

    def decompose(self: Any, *operands: Tensor) -> Any:
        return function(*operands, **{field: getattr(self, field) for field in declared})

    fields = {
        field: attrs.field(default=defaults.get(field, attrs.NOTHING), type=declared[field]) for field in declared
    }
    kind: Any = attrs.make_class(
        function.__name__, fields, frozen=True, slots=False, kw_only=True, field_transformer=checked(name, space)
    )
    kind.__module__, kind.__qualname__ = function.__module__, function.__qualname__
    kind.decompose = decompose
    check_arguments(name, kind)
    operands, variadic = operands_of(name, [one for one in parameters if one not in keywords])
    definition = Definition(name, kind, operands, variadic, elementwise, dtypes)
    register(definition)
    return CustomFunction(definition, function)


def _annotation(name: str, parameter: inspect.Parameter) -> Any:
    if parameter.annotation is not parameter.empty:
        return parameter.annotation
    if parameter.default is parameter.empty:
        raise CustomOpError(f"{name}.{parameter.name}", problem="an attribute needs a type", remedy="annotate it")
    return type(parameter.default)


class CustomFunction:
    """A custom op that a function defined: called with operands and, by name, attributes, it records the op."""

    def __init__(self, definition: Definition, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.custom_op_definition = definition

    def __reduce__(self) -> str:
        """Pickled and copied by its name, as functions are."""
        name: str = self.custom_op_definition.kind.__qualname__
        return name

    def __call__(self, *operands: Any, **attributes: Any) -> Any:
        """The op's result, or a tuple of them. Raises ArgumentError for an attribute that does not fit."""
        definition = self.custom_op_definition
        return apply(CustomOp(definition, definition.kind(**attributes)), operands)


def _from_class(name: str, kind: Any, elementwise: bool, dtypes: tuple[DType, ...]) -> Any:
    require_members(name, kind)
    space = {**vars(sys.modules[kind.__module__]), **vars(kind)}
    made = attrs.define(kind, frozen=True, slots=False, field_transformer=checked(name, space))
    require_attribute_names(name, [field.name for field in attrs.fields(made)])
    check_arguments(name, made)
    operands, variadic = operands_of_class(name, made)
    definition = Definition(name, made, operands, variadic, elementwise, dtypes)
    made.custom_op_definition = definition
    made.__call__ = _call
    register(definition)
    return made


def _call(self: Any, *operands: Any, **named: Any) -> Any:
    """The op's result for these operands, or a tuple of them."""
    custom = custom_of(self)
    if named:
        raise ArgumentError(
            custom.name,
            expected=f"operands by position ({', '.join(custom.definition.operands)})",
            got=", ".join(named),
            remedy=f"attributes go to {type(self).__name__}(...)",
        )
    return apply(custom, operands)
