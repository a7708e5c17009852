"""Compiling: trace, passes, target, engine."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from trtnn.backends.select import builder_of, choose, options_of, placed, require_options, warming_up
from trtnn.calling import Ranges
from trtnn.engine import Engine
from trtnn.errors import ArgumentError, DimError
from trtnn.graph import Dim, Graph
from trtnn.graph.dims import is_int
from trtnn.inputs import Input
from trtnn.module import Module
from trtnn.passes import lower
from trtnn.precision.options import Precision
from trtnn.recipe import Recipe, in_precision, weights_of
from trtnn.weights.pages import release_pages

if TYPE_CHECKING:
    from trtnn.precision.calibration import Calibration

DEFAULT_RANGES = {"batch": (1, 1, 16)}  # what targets that need a range build for when nothing else is said
NEEDS_RANGES = ("tensorrt", "tensorrt-rtx")
DimRange: TypeAlias = Sequence[int] | int  # (min, opt, max), (min, max) or one size


def compile_module(
    module: Module,
    inputs: Mapping[str, Input] | Iterable[Input] | Input | None = None,
    *,
    target: str = "auto",
    dims: Mapping[str, DimRange] | Sequence[Mapping[str, DimRange]] | None = None,
    fp16: bool = False,
    bf16: bool = False,
    int8: Calibration | None = None,
    fp8: Calibration | None = None,
    int4: bool = False,
    keep_fp32: Sequence[str] | str = (),
    keep_fp16: Sequence[str] | str = (),
    io_dtype: Any = "float32",
    quiet: bool = False,
    **options: Any,
) -> Engine:
    """An engine for the module.

    ``inputs`` overrides the Inputs that ``forward`` declares. ``target``: "onnxruntime", "tensorrt", "tensorrt-rtx",
    or "auto", which takes the best one that can run here and says on standard error which and why. ``quiet`` leaves
    that out, and the progress of a build unless ``progress`` is given.
    ``dims``: (min, opt, max) per named dim; a list of such dicts gives several optimization profiles.

    ``fp16``, ``bf16``: convolutions and matrix products in half precision, what half precision hurts in float32.
    ``int8``, ``fp8``: a `trtnn.Calibration`; convolutions and linear layers on 8-bit numbers, also together with
    ``fp16`` or ``bf16``. ``int4``: the weights of linear layers in 4 bits. ``keep_fp32`` and ``keep_fp16``: module
    paths or patterns of them ("encoder.*") that stay float32, or are left out of the quantization. ``io_dtype``: the
    type of floating-point inputs and outputs.

    Further ``options`` are those of the target's ``build``. Raises ArgumentError for an unknown target or option or
    options that contradict each other, WeightsError without weights, CalibrationError for calibration data that does
    not fit, DimError for a dim without a range on a target that needs one, and the errors of tracing and building.
    """
    precision = Precision.of(
        fp16=fp16,
        bf16=bf16,
        int8=int8,
        fp8=fp8,
        int4=int4,
        keep_fp32=keep_fp32,
        keep_fp16=keep_fp16,
        io_dtype=io_dtype,
    )
    choice = choose(target)
    require_options(choice, options)
    choice = placed(choice, options)
    module.require_weights()
    inputs = module._complete_inputs(inputs)
    with warming_up(choice), _garbage_later():
        graph = module.trace(inputs)
        profiles = make_profiles(graph, dims, required=choice.target in NEEDS_RANGES)
        if target == "auto" and not quiet and sys.stderr is not None:
            print(choice, file=sys.stderr)  # noqa: T201  # the one line that says what was chosen
        lowered = lower(graph)
    recipe = Recipe(module, inputs, tuple(profiles), precision, options, weights_of(module))
    lowered, choice = in_precision(lowered, graph, precision, choice)
    release_pages(parameter.data for parameter in module.parameters())  # the graph has its own copy of most of them
    silence = {"progress": False} if quiet and "progress" in options_of(choice) else {}
    engine = builder_of(choice)(lowered, choice, profiles, **{**silence, **options})
    engine.recipe = recipe
    return engine


@contextmanager
def _garbage_later() -> Iterator[None]:
    """Holds the cycle collector back: the many objects of a graph would set it off, and it would find nothing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def make_profiles(
    graph: Graph, dims: Mapping[str, DimRange] | Sequence[Mapping[str, DimRange]] | None, required: bool
) -> list[Ranges]:
    """(min, opt, max) of every named dim with a range, one dict per profile: from ``dims``, else from the Input.
    Raises DimError."""
    given = [{}] if dims is None else [dims] if isinstance(dims, Mapping) else dims
    if not isinstance(given, (tuple, list)) or not given or not all(isinstance(one, Mapping) for one in given):
        raise ArgumentError("dims", expected="a dict of names and ranges, or a list of such dicts", got=repr(dims))
    places = [f" in profile {number}" if len(given) > 1 else "" for number in range(len(given))]
    return [_profile(graph.dims, one, required, place) for one, place in zip(given, places, strict=True)]


def _profile(declared: Mapping[str, Dim], given: Mapping[str, DimRange], required: bool, place: str) -> Ranges:
    """The ranges of one profile; ``place`` is what errors say of which one it is."""
    for name in given:
        if name not in declared:
            raise DimError(
                name + place, expected=f"one of the named dims: {', '.join(declared) or 'none'}", got=repr(name)
            )
    profile: dict[str, tuple[int, int, int]] = {}
    for name, dim in declared.items():
        found = _as_range(name, given[name]) if name in given else dim.range
        found = found or (DEFAULT_RANGES.get(name) if required else None)
        if found is not None:
            profile[name] = found
        elif required:
            raise DimError(
                name + place,
                problem="has no range, and TensorRT builds for one",
                remedy=f'compile with dims={{"{name}": (min, opt, max)}} or declare trtnn.Dim("{name}", min, opt, max)',
            )
    return profile


def _as_range(name: str, spec: DimRange) -> tuple[int, int, int] | None:
    values = tuple(spec) if isinstance(spec, (tuple, list)) else (spec,) * 3
    if len(values) == 2:
        values = (values[0], values[1], values[1])
    if len(values) != 3 or not all(is_int(value) for value in values):
        raise DimError(name, expected="(min, opt, max), (min, max) or one size", got=repr(spec))
    return Dim(name, *values).range
