"""The tracer: runs a module's ``forward`` on symbolic tensors and records the graph."""

from __future__ import annotations

import copy
import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from trtnn.errors import DTypeError, SourceLine, TraceError, TrtnnError
from trtnn.graph import DType, Graph, GraphBuilder, Origin, TensorType, Value
from trtnn.graph.dims import DimExpr
from trtnn.graph.graph import Returns
from trtnn.graph.ops import Constant, Op, constant
from trtnn.inputs import Input, collect_dims

if TYPE_CHECKING:
    from trtnn.module import Module
    from trtnn.parameter import Parameter

_PACKAGE = str(Path(__file__).parent) + os.sep


def trace(module: Module, inputs: Mapping[str, Input]) -> Graph:
    """The graph that ``module.forward`` makes of inputs of these types.

    Raises ShapeError, DTypeError, ArgumentError or TraceError, each with the module path and the user's line.
    """
    tree = ModuleTree.of(module)
    tracer = Tracer(GraphBuilder(tree.name, collect_dims(inputs.items())), tree)
    tensors = {name: tracer.input(name, declared) for name, declared in inputs.items()}
    with tracer.inside(module):
        result = module.forward(**tensors)
    outputs, returns = _name_outputs(module, result)
    return tracer.builder.finish([(name, tensor.value) for name, tensor in outputs], returns)


@attrs.frozen
class ModuleTree:
    """The paths of a model's modules and parameters, by their ids."""

    name: str
    modules: Mapping[int, str]
    parameters: Mapping[int, str]

    @classmethod
    def of(cls, root: Module) -> ModuleTree:
        """The paths below a module; something reached by several paths goes by the first."""
        modules = {id(one): path for path, one in reversed(list(root.named_modules()))}
        return cls(root._graph_name(), modules, {id(one): path for path, one in root.named_parameters()})


class Tracer:
    """Records what is done to tensors in a graph builder, with the path of the running module and the user's line.

    A loop's body is recorded by a tracer of its own, inside its ``parent``; tensors of the parent that the body uses
    become its captures. A pass that rewrites a node in terms of functions gives the node's ``origin``, which then
    stands for all that is recorded.
    """

    def __init__(self, builder: GraphBuilder, tree: ModuleTree | None = None, origin: Origin | None = None) -> None:
        self.builder = builder
        self.parent: Tracer | None = None
        self.depth = 0
        self.captures: dict[Value, tuple[Tensor, Tensor]] = {}  # outer value -> (outer tensor, the body's input for it)
        self._tree = tree or ModuleTree(builder.name, {}, {})
        self._origin = origin
        self._parameters: dict[int, Tensor] = {}
        self._running: list[str] = [origin.path if origin else ""]

    def body(self, name: str) -> Tracer:
        """A tracer for the body of a loop."""
        inner = copy.copy(self)
        inner.builder = GraphBuilder(name, {})
        inner.parent, inner.depth = self, self.depth + 1
        inner.captures, inner._parameters = {}, {}
        return inner

    @property
    def is_inner(self) -> bool:
        """True inside a loop's body, or inside what a pass or a custom op records in the place of one operation."""
        return self.parent is not None or self._origin is not None

    @property
    def path(self) -> str:
        """The path of the module that is running; "" for the root."""
        return self._running[-1]

    def input(self, name: str, declared: Input) -> Tensor:
        """A tensor for an input of the graph."""
        return Tensor(self, self.builder.input(name, declared.type))

    def apply(self, op: Op, *operands: Tensor) -> Tensor:
        """Records an operation with one result."""
        (only,) = self.apply_all(op, *operands)
        return only

    def apply_all(self, op: Op, *operands: Tensor) -> tuple[Tensor, ...]:
        """Records an operation; raises with the module path and the user's line when the operands do not fit."""
        values = [self.own(operand).value for operand in operands]
        results = self.builder.add_all(op, values, self._origin or Origin(self.path, user_line()))
        return tuple(Tensor(self, value) for value in results)

    def own(self, tensor: Tensor) -> Tensor:
        """The tensor in this trace: itself, or the capture of a surrounding trace's tensor. Raises TraceError for any
        other."""
        if tensor.tracer is self:
            return tensor
        if self.parent is None:
            raise TraceError(
                problem="a tensor of another trace, or of a loop's body, is used here",
                remedy="return it from the step function, or compute it outside the loop",
            )
        outer = self.parent.own(tensor)
        if outer.value not in self.captures:
            held = self.parent.builder.constant_of(outer.value)
            inner = self.builder.add(held) if held else self.builder.input(outer.value.name, outer.value.type)
            self.captures[outer.value] = (outer, Tensor(self, inner))
        return self.captures[outer.value][1]

    def constant(self, array: np.ndarray) -> Tensor:
        """A constant with the array's own data type."""
        return self.apply(constant(array))

    def parameter(self, parameter: Parameter) -> Tensor:
        """The tensor of a parameter, the same one at every use. Raises TraceError when no module of the tree holds
        it."""
        if id(parameter) not in self._parameters:
            path = self._tree.parameters.get(id(parameter))
            if path is None:
                raise TraceError(
                    problem=f"uses a parameter of shape {parameter.shape} that no module of {self._tree.name} holds",
                    remedy="keep the module that holds it in an attribute, list or dict of the model",
                )
            op = Constant(TensorType(parameter.dtype, parameter.shape), parameter.data, path)
            self._parameters[id(parameter)] = Tensor(self, self.builder.add(op, (), Origin(path, None), path))
        return self._parameters[id(parameter)]

    def lift(self, operand: Any, like: Tensor | None = None) -> Tensor:
        """A tensor from a tensor, a parameter, an array or a number.

        Numbers and float64 arrays take the data type of ``like``; other arrays keep theirs.
        """
        from trtnn.parameter import Parameter

        if isinstance(operand, Tensor):
            return self.own(operand)
        if isinstance(operand, Parameter):
            return self.parameter(operand)
        return self.constant(_as_array(operand, like))

    @contextmanager
    def inside(self, module: Module) -> Iterator[None]:
        """Attributes what is recorded meanwhile to the module; errors get its path and the user's line."""
        self._running.append(self._tree.modules.get(id(module), type(module).__name__))
        try:
            yield
        except TrtnnError as error:
            error.locate(self.path or self._tree.name, _raised_at(error))
            raise
        finally:
            self._running.pop()


def tracer_of(operands: Iterable[Any]) -> Tracer | None:
    """The innermost tracer behind the tensors among the operands, looking into lists, tuples and dicts."""
    innermost: Tracer | None = None
    for operand in operands:
        found = None
        if isinstance(operand, Tensor):
            found = operand.tracer
        elif isinstance(operand, (list, tuple, dict)):
            found = tracer_of(operand.values() if isinstance(operand, dict) else operand)
        if found is not None and (innermost is None or found.depth > innermost.depth):
            innermost = found
    return innermost


def user_line() -> SourceLine | None:
    """The innermost running line that is not trtnn's own."""
    frame = sys._getframe(1)
    while frame is not None and is_own_file(frame.f_code.co_filename):
        frame = frame.f_back  # type: ignore[assignment]
    if frame is None:
        return None
    return SourceLine(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)


def is_own_file(file: str) -> bool:
    """Whether a frame's file is trtnn's, or a method that attrs wrote."""
    return file.startswith((_PACKAGE, "<attrs generated"))


def _raised_at(error: TrtnnError) -> SourceLine | None:
    """The innermost line that the error came through and that is not trtnn's own."""
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        if not is_own_file(frame.f_code.co_filename):
            return SourceLine(frame.f_code.co_filename, line, frame.f_code.co_name)
    return None


def _as_array(operand: Any, like: Tensor | None) -> np.ndarray:
    if isinstance(operand, Input):
        raise TraceError(
            problem=f"{operand} declares an input and is no tensor", remedy="pass a tensor where the module is called"
        )
    array = np.asarray(operand)
    weak = isinstance(operand, (bool, int, float)) or array.dtype == np.float64
    if weak and like is not None and not (array.dtype.kind == "f" and not like.dtype.is_float):
        if like.dtype.is_integer and not np.all(array == array.astype(like.dtype.numpy)):
            raise DTypeError(expected=f"a number that {like.dtype} can hold", got=str(operand))
        return array.astype(like.dtype.numpy)
    if array.dtype == np.float64:
        array = array.astype(np.float32)
    if array.dtype.name not in DType.__members__:
        raise DTypeError(
            expected="a tensor, a parameter, an array or a number",
            got=type(operand).__name__ if array.dtype.kind == "O" else f"{type(operand).__name__} of {array.dtype}",
            remedy="use functional.dim_values for a size as data" if isinstance(operand, DimExpr) else None,
        )
    return array


def _name_outputs(module: Module, result: Any) -> tuple[list[tuple[str, Tensor]], Returns]:
    if isinstance(result, dict):
        named, returns = list(result.items()), "dict"
    elif isinstance(result, (tuple, list)):
        named, returns = [(f"output_{i}", one) for i, one in enumerate(result)], "tuple"
    else:
        named, returns = [("output", result)], "tensor"
    wrong = [one for name, one in named if not isinstance(one, Tensor) or not isinstance(name, str)]
    if wrong or not named:
        code = getattr(module.forward, "__code__", None)
        raise TraceError(
            type(module).__name__,
            expected="forward to return a tensor, a tuple of tensors, or a dict of names and tensors",
            got=_returned(result, wrong),
            remedy="nothing else can leave a graph" if wrong else None,
            line=code and SourceLine(code.co_filename, code.co_firstlineno, code.co_name),
        )
    return named, returns  # type: ignore[return-value]


def _returned(result: Any, wrong: list[Any]) -> str:
    kind = type(result).__name__
    if not wrong:
        return f"an empty {kind}"
    return kind if wrong[0] is result else f"a {kind} with {wrong[0]!r}"


from trtnn.tensor import Tensor  # noqa: E402  # its operators' functions record in a Tracer themselves
