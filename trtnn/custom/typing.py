"""Typing custom ops: what the user's ``infer`` says, or what tracing the decomposition gives, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trtnn.custom.failing import failure_of
from trtnn.errors import CustomOpError, DTypeError, ShapeError, TrtnnError
from trtnn.graph import GraphBuilder, Origin, Size, TensorType
from trtnn.graph.dims import names, renamed
from trtnn.graph.ops.custom import inferred_types
from trtnn.tensor import Tensor
from trtnn.trace import Tracer, user_line

if TYPE_CHECKING:
    from trtnn.custom.definition import CustomOp, Definition

Types = tuple[TensorType, ...]


def require_operands(definition: Definition, count: int) -> None:
    """Raises CustomOpError unless the op takes this many operands."""
    wanted = len(definition.operands)
    if count < wanted or (count > wanted and not definition.variadic):
        least = "at least " if definition.variadic else ""
        raise CustomOpError(
            definition.name,
            expected=f"{least}{wanted} operand{'s' * (wanted != 1)} ({', '.join(definition.operands)})",
            got=str(count),
        )


def infer_types(op: CustomOp, inputs: Types, sizes: Mapping[str, str]) -> Types:
    """The results' types; ``sizes`` renames the op's own sizes. Raises ShapeError, DTypeError or CustomOpError."""
    own = {dim.name for dim in op.sizes}
    aside = {name: f"{name}'" for one in inputs for size in one.shape for name in names(size) if name in own}
    given = tuple(_with_names(one, aside) for one in inputs)  # a caller's dim may have the name of one of the op's own
    _require_dtypes(op, given)
    try:
        results = inferred_types(op.options.infer(*given)) if op.definition.form("infer") else _traced(op, given)
    except TrtnnError as error:
        if op.name not in (error.path or "").split(": "):  # once, where decompositions nest
            error.path = f"{op.name}: {error.path}" if error.path else op.name
        raise
    except Exception as error:
        raise failure_of(op.name, "infer", error) from error
    _require_sizes(op, given, results)
    back = {name: name for name in own} | dict(sizes) | {moved: name for name, moved in aside.items()}
    if op.elementwise:
        _require_elementwise(op, given, results)
    return tuple(_with_names(one, back) for one in results)


def _with_names(type: TensorType, new: Mapping[str, str]) -> TensorType:
    return TensorType(type.dtype, tuple(renamed(size, new) for size in type.shape)) if new else type


def _traced(op: CustomOp, inputs: Types) -> Types:
    builder = GraphBuilder(op.name, {})
    tracer = Tracer(builder, origin=Origin(line=user_line()))
    try:
        results = op.decompose(*(Tensor(tracer, builder.input(f"operand_{i}", one)) for i, one in enumerate(inputs)))
    except RecursionError as error:
        raise CustomOpError(problem="decompose does not end", remedy="it must not use the op itself") from error
    return tuple(one.value.type for one in require_tensors(results))


def require_tensors(results: Sequence[Any]) -> Sequence[Tensor]:
    """What a decomposition returned. Raises CustomOpError unless it is tensors."""
    wrong = [one for one in results if not isinstance(one, Tensor)]
    if wrong or not results:
        raise CustomOpError(
            expected="decompose to return a tensor or a tuple of tensors",
            got=type(wrong[0]).__name__ if wrong else "an empty tuple",
        )
    return results


def _require_dtypes(op: CustomOp, inputs: Types) -> None:
    for name, one in zip((*op.definition.operands, *["further operand"] * len(inputs)), inputs, strict=False):
        if one.dtype.is_float and one.dtype not in op.dtypes:
            raise DTypeError(
                op.name,
                expected=f"{name} of {' or '.join(map(str, op.dtypes))}",
                got=str(one.dtype),
                remedy=f'cast it, or declare what the op computes on: dtypes=("{op.dtypes[0]}", "{one.dtype}")',
            )


def _require_sizes(op: CustomOp, inputs: Types, results: Types) -> None:
    """Every dim comes from an operand or is the op's own, and each of its own can be read from an axis."""
    own = {dim.name for dim in op.sizes}
    known = own.union(*(names(size) for one in inputs for size in one.shape))
    sizes: list[Size] = [size for one in results for size in one.shape]
    unknown = frozenset[str]().union(*map(names, sizes)) - known
    if unknown:
        raise CustomOpError(
            op.name,
            expected="sizes that are made of the operands' sizes",
            got=f"the dim {min(unknown)}",
            remedy=f'declare a size that only running the op tells: sizes = (trtnn.Dim("{min(unknown)}"),)',
        )
    hidden = own - {str(size) for size in sizes}
    if hidden:
        raise CustomOpError(
            op.name, expected=f"a result with an axis of just {min(hidden)}, to read it from", got=_text(results)
        )


def _require_elementwise(op: CustomOp, inputs: Types, results: Types) -> None:
    ranks = {one.rank for one in (*inputs, *results)}
    if len(results) != 1 or len(ranks) > 1:
        raise ShapeError(
            op.name,
            expected="one result, of the rank of every operand, from an elementwise op",
            got=f"{_text(results)} from {_text(inputs)}",
            remedy="reshape the operands, or leave elementwise=True out",
        )


def _text(types: Types) -> str:
    return ", ".join(map(str, types))
