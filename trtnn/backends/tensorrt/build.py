"""Building the plan: optimization profiles, the builder's options, and its errors in terms of the user's model."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from trtnn.backends.tensorrt.emit import Network, emit
from trtnn.backends.tensorrt.engine import TensorRTEngine
from trtnn.backends.tensorrt.errors import REPORT, build_error, find_blame
from trtnn.backends.tensorrt.kernels import Kernel, recorded_kernels
from trtnn.backends.tensorrt.library import load
from trtnn.calling import Ranges
from trtnn.engine import Choice
from trtnn.errors import ArgumentError, BuildError, DimError, LibraryError
from trtnn.graph import Graph, Value
from trtnn.graph.dims import evaluate
from trtnn.passes.recurrent import lower_recurrent


def warm_up(choice: Choice) -> None:
    """Loads the library, for a second thread to do while the graph is made. A library that cannot be loaded is left for
    `build` to report."""
    with contextlib.suppress(LibraryError):
        load(choice.target)


def build(
    graph: Graph,
    choice: Choice,
    profiles: Sequence[Ranges],
    *,
    check_nan: bool = True,
    optimization_level: int | None = None,
    workspace: int | None = None,
    kernels: bool = False,
) -> TensorRTEngine:
    """Emits a lowered graph and builds its plan for the library that ``choice.target`` names.

    ``profiles``: one dict of named dim -> (min, opt, max) per optimization profile. ``optimization_level``: 0 (built
    the fastest) to 5 (runs the fastest), TensorRT's default when None. ``workspace``: bytes of scratch memory that a
    layer may use on the GPU, as many as the GPU has when None. ``kernels`` keeps a report of the plan's kernels as
    ``engine.kernels``, which makes the plan a little larger. Raises LibraryError, DimError, ArgumentError,
    UnsupportedError, or BuildError with the module path and the user's line that TensorRT's message points to.
    """
    library = load(choice.target)
    check_profiles(graph, profiles)
    network = emit(lower_recurrent(graph), library)
    config = _configure(network, profiles, optimization_level, workspace)
    found: list[Kernel] = []
    if kernels:
        config.profiling_verbosity = library.trt.ProfilingVerbosity.DETAILED
        with recorded_kernels() as found:
            plan = build_plan(network, config)
    else:
        plan = build_plan(network, config)
    return TensorRTEngine(graph, choice, profiles, network, plan, check_nan, tuple(found))


def build_plan(network: Network, config: Any) -> memoryview:
    """The serialized plan. Raises BuildError with all that TensorRT said."""
    plan = network.builder.build_serialized_network(network.definition, config)
    messages = network.recorder.take()
    if plan is None:
        raise _build_failure(network, messages)
    return memoryview(plan)


def check_profiles(graph: Graph, profiles: Sequence[Ranges]) -> None:
    """Raises DimError unless every profile has a range (min, opt, max), 1 <= min <= opt <= max, for every named dim of
    the inputs.
    """
    for number, ranges in enumerate(profiles or [{}]):
        for name in graph.dims:
            path = name if len(profiles) < 2 else f"{name} in profile {number}"
            if name not in ranges:
                raise DimError(
                    path,
                    problem="has no range of sizes, which TensorRT needs",
                    remedy=f'compile with dims={{"{name}": (min, opt, max)}}',
                )
            low, best, high = ranges[name]
            if not 1 <= low <= best <= high:
                raise DimError(path, expected="1 <= min <= opt <= max", got=str(tuple(ranges[name])))


def _configure(
    network: Network, profiles: Sequence[Ranges], optimization_level: int | None, workspace: int | None
) -> Any:
    trt, config = network.library.trt, network.builder.create_builder_config()
    if optimization_level is not None:
        config.builder_optimization_level = optimization_level
        if config.builder_optimization_level != optimization_level:
            raise ArgumentError("optimization_level", expected="0 to 5", got=str(optimization_level))
    if workspace is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace)
    dynamic = [value for value in network.graph.inputs if not value.type.is_static]
    if dynamic:
        for ranges in profiles:
            _add_profile(network, config, dynamic, ranges)
    return config


def _add_profile(network: Network, config: Any, dynamic: Sequence[Value], ranges: Ranges) -> None:
    profile = network.builder.create_optimization_profile()
    for value in dynamic:
        profile.set_shape(value.name, *(_sizes(value, ranges, which) for which in range(3)))
    if config.add_optimization_profile(profile) < 0:
        raise _build_failure(network, [*network.recorder.take(), f"optimization profile {dict(ranges)} is not valid"])


def _sizes(value: Value, ranges: Ranges, which: int) -> list[int]:
    """The input's shape at the minimum (0), optimum (1) or maximum (2) of the ranges."""
    values: Mapping[str, int] = {name: sizes[which] for name, sizes in ranges.items()}
    return [evaluate(size, values) for size in value.type.shape]


def _build_failure(network: Network, messages: list[str]) -> BuildError:
    ranges = "all shapes must fit at the minimum, optimum and maximum of every named dim: check their ranges first"
    return build_error(
        f"{network.library.target} {network.library.version} cannot build the network",
        messages,
        find_blame(messages, network.nodes),
        ranges if network.graph.dims else REPORT,
    )
