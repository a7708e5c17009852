"""What a user's class or function must have to be a custom op: its operands, its forms, the names of its attributes."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import attrs

from trtnn.errors import ArgumentError, CustomOpError
from trtnn.graph import Dim
from trtnn.tensor import Tensor

TAKING = ("infer", "decompose", "reference")  # the members that take the operands
MEMBERS = (*TAKING, "kernels", "sizes")


def require_attribute_names(name: str, fields: Iterable[str]) -> None:
    """Raises CustomOpError for an attribute that is called as a member is, or whose name begins with an underscore."""
    for field in fields:
        if field in (*MEMBERS, "self") or field.startswith("_"):
            raise CustomOpError(
                f"{name}.{field}",
                problem="cannot be the name of an attribute",
                expected=f"a name without a leading underscore, other than {', '.join(MEMBERS)}",
                remedy="give it another name, or no annotation where it is no attribute",
            )


def require_members(name: str, kind: type) -> None:
    """Raises CustomOpError for a class whose members are of another kind than they must be, or too few."""
    for member in ("__init__", "__call__"):
        if member in vars(kind):
            raise CustomOpError(
                name,
                problem=f"has an {member} of its own, in whose place trtnn puts one",
                remedy="write attributes as annotated fields, and what the op does as decompose or reference",
            )
    for member in TAKING:
        found = inspect.getattr_static(kind, member, None)
        if found is not None and not inspect.isfunction(found):
            raise CustomOpError(
                f"{name}.{member}", expected="a plain method, which takes self and the operands", got=repr(found)
            )
    _require_forms(name, kind)
    _require_kernels(name, kind)
    _require_sizes(name, kind)


def _require_forms(name: str, kind: type) -> None:
    if not any(getattr(kind, form, None) for form in ("decompose", "reference", "kernels")):
        raise CustomOpError(
            name,
            problem="has no form that a target could run",
            remedy="write decompose (trtnn functions), reference (NumPy) or kernels",
        )
    if not any(getattr(kind, form, None) for form in ("infer", "decompose")):
        raise CustomOpError(
            name,
            problem="has no infer, and no decompose whose tracing would give the results' types",
            remedy="write infer(self, ...): TensorTypes of the operands to that of the result",
        )


def _require_kernels(name: str, kind: type) -> None:
    kernels = getattr(kind, "kernels", None)
    if not kernels:
        return
    from trtnn.custom.kernels import Kernel  # what other ops do without

    if not isinstance(kernels, tuple) or not all(isinstance(one, Kernel) for one in kernels):
        raise CustomOpError(
            f"{name}.kernels",
            expected="a tuple of CudaKernel and TritonKernel: (trtnn.CudaKernel(...),)",
            got=repr(kernels),
        )


def _require_sizes(name: str, kind: type) -> None:
    sizes = getattr(kind, "sizes", ())
    if not isinstance(sizes, tuple) or not all(isinstance(one, Dim) for one in sizes):
        raise CustomOpError(f"{name}.sizes", expected='a tuple of Dims: (trtnn.Dim("kept", max=100),)', got=repr(sizes))
    if sizes and getattr(kind, "decompose", None):
        raise CustomOpError(
            name,
            problem="has sizes of its own and a decomposition, whose results have none",
            remedy="leave out decompose; pad the results to a fixed size where a decomposition is wanted",
        )


def check_arguments(name: str, kind: Any) -> None:
    """Makes an attrs class raise ArgumentError for attributes that it does not have, or that are missing, and
    CustomOpError for a call with operands in their place."""
    initialize = kind.__init__
    signature = inspect.signature(initialize)

    def __init__(self: Any, *values: Any, **named: Any) -> None:  # noqa: N807
        if any(isinstance(one, Tensor) for one in (*values, *named.values())):
            raise CustomOpError(
                name,
                problem="is given tensors in the place of its attributes",
                remedy=f"make the op first, then call it: {kind.__name__}(...)(x)",
            )
        try:
            signature.bind(self, *values, **named)
        except TypeError as error:
            fields = ", ".join(field.name for field in attrs.fields(kind)) or "(none)"
            raise ArgumentError(name, problem=str(error), expected=f"the attributes {fields}") from None
        initialize(self, *values, **named)

    kind.__init__ = __init__


def operands_of_class(name: str, kind: Any) -> tuple[tuple[str, ...], bool]:
    """The names of the operands that all members agree on, and whether any number may follow. Raises CustomOpError."""
    found = {}
    for member in TAKING:
        if getattr(kind, member, None):
            parameters = list(inspect.signature(getattr(kind, member)).parameters.values())[1:]
            found[member] = operands_of(f"{name}.{member}", parameters)
    first, *others = found
    for member in others:
        if (len(found[member][0]), found[member][1]) != (len(found[first][0]), found[first][1]):
            raise CustomOpError(
                name,
                expected=f"{member} to take the operands of {first} ({', '.join(found[first][0])})",
                got=", ".join(found[member][0]),
            )
    return found[first]


def operands_of(name: str, parameters: Iterable[inspect.Parameter]) -> tuple[tuple[str, ...], bool]:
    """The same for the parameters of one function. Raises CustomOpError."""
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names, variadic = [], False
    for one in parameters:
        if one.kind not in (*plain, inspect.Parameter.VAR_POSITIONAL) or one.default is not one.empty:
            raise CustomOpError(
                name,
                expected="operands without defaults, and attributes after * (or as fields of a class)",
                got=str(one),
            )
        variadic |= one.kind is inspect.Parameter.VAR_POSITIONAL
        if one.kind in plain:
            names.append(one.name)
    if not names and not variadic:
        raise CustomOpError(name, expected="at least one operand", got="none")
    return tuple(names), variadic
