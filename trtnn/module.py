"""Modules: the tree of layers that a user writes, holds weights in, traces and compiles."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trtnn.errors import TraceError, WeightsError
from trtnn.graph import Graph
from trtnn.inputs import Input
from trtnn.parameter import ALIASES, Parameter
from trtnn.trace import trace, tracer_of, user_line

if TYPE_CHECKING:
    from trtnn.engine import Engine
    from trtnn.precision.calibration import Calibration
    from trtnn.summary import Summary
    from trtnn.weights import LoadReport, Slot


class Module:
    """Base of all layers and networks: subclass it, keep layers in attributes, write ``forward``.

    Modules and parameters in attributes, and in lists, tuples and dicts in attributes, belong to the tree;
    ``super().__init__()`` is not needed. ``forward`` works on `trtnn.Tensor`; the defaults of its arguments declare
    the network's inputs::

        class Classifier(trtnn.Module):
            def __init__(self):
                self.fc = trtnn.Linear(64, 10)

            def forward(self, x: trtnn.Tensor = trtnn.Input("batch", 64)) -> trtnn.Tensor:
                return trtnn.functional.softmax(self.fc(x))

    ``name`` is the module's scope in the TensorFlow file, where it differs from the attribute path: "conv1/conv"
    rather than "stem/0".
    """

    name: str | None = None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The network: tensors in; a tensor, a tuple of tensors or a dict of tensors out."""
        raise TraceError(type(self).__name__, problem="has no forward", remedy="define forward(self, x) in the class")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs ``forward`` inside a trace; raises TraceError when none of the arguments is a traced tensor."""
        tracer = tracer_of((*args, *kwargs.values()))
        if tracer is None:
            raise TraceError(
                type(self).__name__,
                problem="was called without a traced tensor",
                remedy="compile the model and call the engine: engine = model.compile(); engine(array)",
                line=user_line(),
            )
        with tracer.inside(self):
            self._require_inputs(len(args), kwargs)
            return self.forward(*args, **kwargs)

    def _require_inputs(self, count: int, named: Iterable[str]) -> None:
        """Raises TraceError for an argument that is left at the Input it is declared with."""
        given = {*list(inspect.signature(self.forward).parameters)[:count], *named}
        for name, declared in self.inputs.items():
            if name not in given:
                raise TraceError(
                    problem=f"{name}, declared as {declared}, was not given",
                    remedy="pass a tensor for it where the module is called",
                )

    @property
    def inputs(self) -> dict[str, Input]:
        """The inputs declared as defaults of ``forward``'s arguments, by name."""
        return {name: default for name, default in self._arguments().items() if isinstance(default, Input)}

    def _graph_name(self) -> str:
        """What the network is called in graphs and engines."""
        return type(self).__name__

    def _arguments(self) -> dict[str, Any]:
        """The arguments of ``forward`` with their defaults."""
        return {name: one.default for name, one in inspect.signature(self.forward).parameters.items()}

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(attribute, module) pairs; modules in containers have names such as "blocks.0"."""
        for name, value in vars(self).items():
            yield from _members(name, value, Module)

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """(path, module) of this module ("") and everything below it, every path of a shared module included."""
        yield prefix, self
        for name, child in self.named_children():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name)

    def modules(self) -> list[Module]:
        """This module and everything below it, each once."""
        return list({id(one): one for _, one in self.named_modules()}.values())

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """(path, parameter) of every parameter of the tree, each once, under its first path."""
        seen: set[int] = set()
        for path, parameter in self._all_parameter_paths():
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield path, parameter

    def parameters(self) -> list[Parameter]:
        """Every parameter of the tree, each once."""
        return [parameter for _, parameter in self.named_parameters()]

    def _own_parameters(self) -> Iterator[tuple[str, Parameter]]:
        for name, value in vars(self).items():
            yield from _members(name, value, Parameter)

    def _all_parameter_paths(self) -> Iterator[tuple[str, Parameter]]:
        for path, module in self.named_modules():
            for name, parameter in module._own_parameters():
                yield (f"{path}.{name}" if path else name), parameter

    def load_weights(self, source: Any, name_map: Any = None, strict: bool = True) -> LoadReport:
        """Fills the parameters from TensorFlow weights, without TensorFlow, and returns a report that prints as a
        table.

        ``source``: a dict of names and arrays, an .npz file, a checkpoint prefix or folder, or a SavedModel folder.
        ``name_map``: from this model's names to the file's, as a dict, a function, or (pattern, replacement) pairs.
        ``strict``: raises WeightsError when a parameter is missing; a wrong shape always raises. After an error the
        model is as it was. See `trtnn.weights.load`.
        """
        from trtnn.weights import load

        parameters = dict(self.named_parameters())
        arrays, report = load(self._slots(), source, name_map, strict)
        for path, array in arrays.items():
            parameters[path].assign(array)
        return report

    def _slots(self) -> list[Slot]:
        from trtnn.weights import Slot

        names: dict[int, list[str]] = {}
        for scopes, module in _scoped(self, ("",)):
            for attribute, parameter in module._own_parameters():
                aliases = (attribute, *parameter.aliases, *ALIASES.get(attribute, ()))
                found = [f"{scope}/{alias}".lstrip("/").replace(".", "/") for scope in scopes for alias in aliases]
                names.setdefault(id(parameter), []).extend(found)
        return [
            Slot(path, tuple(dict.fromkeys(names[id(one)])), one.shape, one.dtype.value, one.layout)
            for path, one in self.named_parameters()
        ]

    def require_weights(self) -> None:
        """Raises WeightsError that lists the parameters without values, if there are any."""
        missing = [path for path, parameter in self.named_parameters() if parameter.data is None]
        if missing:
            shown = ", ".join(missing[:8]) + (f" and {len(missing) - 8} more" if len(missing) > 8 else "")
            raise WeightsError(
                type(self).__name__,
                problem=f"{len(missing)} of {len(self.parameters())} parameters have no values: {shown}",
                remedy="call load_weights(...) first",
            )

    def trace(self, inputs: Mapping[str, Input] | Iterable[Input] | Input | None = None) -> Graph:
        """The network as a graph; ``print`` it to read it. Weights need not be loaded.

        ``inputs`` overrides what ``forward`` declares: one Input, several in order, or by name.
        """
        return trace(self, self._complete_inputs(inputs))

    def _complete_inputs(self, given: Mapping[str, Input] | Iterable[Input] | Input | None) -> dict[str, Input]:
        arguments = self._arguments()
        if type(self).forward is Module.forward:
            self.forward()  # raises
        where = f"{type(self).__name__}.forward"
        parameters = inspect.signature(self.forward).parameters
        for one in (parameters[name] for name in arguments if name in parameters):
            if one.kind in (one.POSITIONAL_ONLY, one.VAR_POSITIONAL):
                raise TraceError(
                    where,
                    problem=f"its argument {one} has no name that could be an input's",
                    remedy="compile a module whose forward has named arguments and calls this one",
                )
        named = _by_name(given, list(arguments))
        for name, value in named.items():
            if name not in arguments or not isinstance(value, Input):
                got = f"{value if isinstance(value, Input) else repr(value)} for {name!r}"
                raise TraceError(where, expected=f"Inputs for its arguments {', '.join(arguments)}", got=got)
        complete = {name: named.get(name, default) for name, default in arguments.items()}
        undeclared = [name for name, one in complete.items() if one is inspect.Parameter.empty]
        if undeclared:
            raise TraceError(
                where,
                problem=f"no shape is declared for {', '.join(undeclared)}",
                remedy='give each a default such as trtnn.Input("batch", 224, 224, 3), or pass inputs= to compile',
            )
        return {name: one for name, one in complete.items() if isinstance(one, Input)}

    def compile(
        self,
        inputs: Mapping[str, Input] | Iterable[Input] | Input | None = None,
        *,
        target: str = "auto",
        dims: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        fp16: bool = False,
        bf16: bool = False,
        int8: Calibration | None = None,
        keep_fp32: Sequence[str] | str = (),
        keep_fp16: Sequence[str] | str = (),
        io_dtype: Any = "float32",
        **options: Any,
    ) -> Engine:
        """Compiles the network into an `Engine`, which is called like a function. See
        `trtnn.compile.compile_module`."""
        from trtnn.compile import compile_module

        options |= {"fp16": fp16, "bf16": bf16, "int8": int8, "io_dtype": io_dtype}
        options |= {"keep_fp32": keep_fp32, "keep_fp16": keep_fp16}
        return compile_module(self, inputs, target=target, dims=dims, **options)

    def summary(
        self,
        inputs: Mapping[str, Input] | Iterable[Input] | Input | None = None,
        *,
        dims: Mapping[str, int] | None = None,
        **sizes: int,
    ) -> Summary:
        """A table of the modules with their output types, parameters, bytes and floating-point operations; ``print``
        it. Takes ``inputs`` as `trace`.

        ``model.summary(batch=8)`` counts for that size of a named dim, and so does ``dims={"batch": 8}``; otherwise
        the best size of its range counts, and a batch of 1. Raises DimError for a name that no dim has.
        """
        from trtnn.summary import summarize_module

        return summarize_module(self, self.trace(inputs), {**(dims or {}), **sizes})

    def describe(self) -> str:
        """The options that ``repr`` shows between the brackets."""
        return ""

    def __repr__(self) -> str:
        children = list(self.named_children())
        if not children:
            return f"{type(self).__name__}({self.describe()})"
        lines = [f"  {name}: {child!r}".replace("\n", "\n  ") for name, child in children]
        return f"{type(self).__name__}({self.describe()}\n" + "\n".join(lines) + "\n)"


def _members(name: str, value: Any, kind: type) -> Iterator[tuple[str, Any]]:
    """(name, value) if the value is of the kind, else the values of the kind inside lists, tuples and dicts."""
    if isinstance(value, kind):
        yield name, value
    elif isinstance(value, (list, tuple)):
        for i, one in enumerate(value):
            yield from _members(f"{name}.{i}", one, kind)
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _members(f"{name}.{key}", one, kind)


def _by_name(given: Any, arguments: list[str]) -> dict[str, Any]:
    """Inputs by the name of their argument; what has no argument gets a name that none has."""
    if given is None or isinstance(given, Mapping):
        return dict(given or {})
    several = list(given) if isinstance(given, Iterable) else [given]
    return dict(zip(arguments + [f"argument {i}" for i in range(len(arguments), len(several))], several, strict=False))


def _scoped(module: Module, scopes: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Module]]:
    """Every module of the tree with the TensorFlow scopes that its variables may have, best first."""
    if module.name:
        scopes = (module.name, *scopes)
    yield scopes, module
    for attribute, child in module.named_children():
        yield from _scoped(child, tuple(f"{scope}/{attribute}" for scope in scopes))


__all__ = ["Module", "Parameter"]
