"""Comparing a network in some precision with itself in float32, module by module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from trtnn.compile import compile_module
from trtnn.engine import Engine, Result
from trtnn.errors import ArgumentError, DeviceError
from trtnn.graph import Graph, Value, shape_text
from trtnn.graph.ops import Constant
from trtnn.module import Module
from trtnn.passes import lower
from trtnn.passes.emulate import emulate_half
from trtnn.passes.recurrent import lower_recurrent
from trtnn.precision.apply import on_cpu
from trtnn.precision.report import FORWARD, ErrorRow, PrecisionReport
from trtnn.precision.running import float32_engine


def verify(
    model: Module,
    *arrays: np.ndarray,
    reference: Any = None,
    tolerance: float = 0.05,
    inputs: Any = None,
    target: str = "onnxruntime",
    **compile_options: Any,
) -> PrecisionReport:
    """What a precision costs on these inputs: the error of every module and output against the float32 network.

    ``compile_options`` are those of ``compile``: ``fp16=True``, ``int8=...``, ``keep_fp32=...``. ``reference``: outputs
    to compare the engine's with instead of the float32 network's, such as TensorFlow's saved ones, in the form that
    ``forward`` returns. ``tolerance``: the relative error from which a module counts as wrong. The modules' values are
    those of the CPU, with half precision emulated; the outputs are the engine's own, simulated where there is no GPU
    for a TensorRT plan. Raises what compiling and calling raise, and ArgumentError for a reference of another form or
    something that is no module.
    """
    if not isinstance(model, Module):
        raise ArgumentError(
            "verify",
            expected="a module and the options of compile",
            got=type(model).__name__,
            remedy="verify(model, image, fp16=True) compiles the module itself",
        )
    engine = compile_module(model, inputs, target=target, quiet=True, **compile_options)
    graph = lower_recurrent(lower(model.trace(inputs)))
    changed = engine.graph if on_cpu(engine.choice) else emulate_half(engine.graph)
    outputs = _named(engine, _call(engine, _as_inputs(engine, arrays)))
    if reference is None:
        expected = _named(engine, float32_engine(graph)(*arrays))
    else:
        expected = _checked_reference(engine, reference, outputs)
    return PrecisionReport(
        engine.precision,
        "float32" if reference is None else "the reference",
        _module_rows(graph, changed, arrays),
        tuple(ErrorRow.of(name, name, outputs[name], array) for name, array in expected.items()),
        tolerance,
    )


def _module_rows(graph: Graph, changed: Graph, arrays: tuple[np.ndarray, ...]) -> tuple[ErrorRow, ...]:
    """The worst value of every module, out of those that both graphs have, in the order in which the modules first
    run."""
    values, others = _float_values(graph), _float_values(changed)
    names = [name for name in values if name in others]
    if not names:
        return ()
    plain, converted = (
        _tapped(one, [(name, found[name]) for name in names]) for one, found in ((graph, values), (changed, others))
    )
    want, got = plain(*arrays), converted(*_as_inputs(converted, arrays))
    worst: dict[str, ErrorRow] = {}
    for node in graph.nodes:
        path = node.origin.path or FORWARD
        for name in (value.name for value in node.outputs if value.name in want):
            row = ErrorRow.of(path, name, got[name], want[name])
            if path not in worst or row.relative > worst[path].relative:
                worst[path] = row
    return tuple(worst.values())


def _float_values(graph: Graph) -> dict[str, Value]:
    """The floating-point results of operations by name; weights are none."""
    return {
        value.name: value
        for node in graph.nodes
        if not isinstance(node.op, Constant)
        for value in node.outputs
        if value.type.dtype.is_float
    }


def _tapped(graph: Graph, values: list[tuple[str, Value]]) -> Engine:
    """An engine that returns the values by name."""
    return float32_engine(attrs.evolve(graph, outputs=tuple(values), returns="dict"))


def _as_inputs(engine: Engine, arrays: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    """The arrays in the engine's floating-point type, which ``io_dtype`` may have changed."""
    types = [type.dtype.numpy if type.dtype.is_float else None for type in engine.inputs.values()]
    types += [None] * (len(arrays) - len(types))
    return [
        array if dtype is None else np.asarray(array).astype(dtype) for array, dtype in zip(arrays, types, strict=False)
    ]


def _call(engine: Engine, arrays: list[np.ndarray]) -> Result:
    try:
        return engine(*arrays)
    except DeviceError:
        if not hasattr(engine, "simulate"):
            raise
        return engine.simulate(*arrays)


def _named(engine: Engine, result: Result) -> dict[str, np.ndarray]:
    """A result by the names of the outputs."""
    if isinstance(result, Mapping):
        return dict(result)
    return dict(zip(engine.outputs, result if isinstance(result, (tuple, list)) else (result,), strict=False))


def _checked_reference(engine: Engine, reference: Any, outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    arrays = {name: np.asarray(array) for name, array in _named(engine, reference).items()}
    found = {name: array.shape for name, array in arrays.items()}
    expected = {name: array.shape for name, array in outputs.items()}
    if found != expected:
        raise ArgumentError(
            "reference",
            expected=", ".join(f"{name} {shape_text(shape)}" for name, shape in expected.items()),
            got=", ".join(f"{name} {shape_text(shape)}" for name, shape in found.items()),
        )
    return arrays
