"""Building the plan: a network, its optimization profiles and the builder's options become an engine."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trtnn.backends.tensorrt.emit import Network, emit
from trtnn.backends.tensorrt.engine import MAX_CONTEXTS, TensorRTEngine
from trtnn.backends.tensorrt.failures import build_failure
from trtnn.backends.tensorrt.kernels import recorded_kernels
from trtnn.backends.tensorrt.library import Library, load
from trtnn.backends.tensorrt.options import BuildOptions
from trtnn.backends.tensorrt.progress import watched_build
from trtnn.backends.tensorrt.timing_cache import load_timing_cache, save_timing_cache
from trtnn.calling import Ranges
from trtnn.engine import Choice, Signature
from trtnn.errors import DimError, LibraryError
from trtnn.graph import Graph, Value
from trtnn.graph.dims import evaluate
from trtnn.graph.extents import too_small
from trtnn.graph.graph import contains
from trtnn.graph.ops import Custom
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
    tf32: bool = False,
    sparsity: bool = False,
    timing_cache: str | Path | None = None,
    compute_capabilities: Sequence[str] | str = (),
    refittable: bool = False,
    kernels: bool = False,
    progress: bool | None = None,
    cuda_graphs: bool = False,
    max_contexts: int = MAX_CONTEXTS,
) -> TensorRTEngine:
    """Emits a lowered graph and builds its plan for the library that ``choice.target`` names.

    ``profiles``: one dict of named dim -> (min, opt, max) per optimization profile. ``optimization_level`` to
    ``refittable`` are those of `BuildOptions`. ``kernels`` keeps a report of the plan's kernels as
    ``engine.kernels``, which makes the plan a little larger. ``progress`` shows the phases of the build on standard
    error, by default where that is a terminal. ``cuda_graphs`` and ``max_contexts`` say how the engine runs, see
    `TensorRTEngine`.

    Raises LibraryError, DimError, ArgumentError, UnsupportedError, or BuildError with the module path and the user's
    line that TensorRT's message points to. Ctrl-C ends the build with KeyboardInterrupt.
    """
    options = BuildOptions(
        optimization_level=optimization_level,
        workspace=workspace,
        tf32=tf32,
        sparsity=sparsity,
        timing_cache=timing_cache,
        compute_capabilities=compute_capabilities,
        refittable=refittable,
    )
    library = load(choice.target)
    options.require_support(library)
    check_profiles(graph, profiles)
    network = network_of(graph, library)
    if contains(network.graph, Custom):
        from trtnn.backends.tensorrt.plugins.emit import require_launches  # networks without custom ops do without it

        require_launches(network.graph, profiles)
    kept_weights = None
    if refittable:
        from trtnn.backends.tensorrt.refit import digest_of_kept, name_weights  # it knows the runtime too

        name_weights(network)
        kept_weights = digest_of_kept(network)
    config = _configure(network, profiles, options, kernels)
    with recorded_kernels(kernels) as found:
        plan = build_plan(network, config, profiles, options, progress)
    return TensorRTEngine(
        Signature.of(graph),
        choice,
        profiles,
        plan,
        check_nan=check_nan,
        graph=graph,
        network=network,
        kernels=tuple(found),
        cuda_graphs=cuda_graphs,
        max_contexts=max_contexts,
        kept_weights=kept_weights,
    )


def network_of(graph: Graph, library: Library) -> Network:
    """The network of a lowered graph, with its recurrent layers as loops. Raises UnsupportedError or BuildError."""
    return emit(lower_recurrent(_for_library(graph, library)), library)


def _for_library(graph: Graph, library: Library) -> Graph:
    """The graph with custom ops as their decompositions, but for those that run as plugins."""
    if not contains(graph, Custom):
        return graph
    from trtnn.backends.tensorrt.plugins.emit import runs_kernel  # networks without custom ops do without these
    from trtnn.custom.lowering import lower_custom

    forms = ("decompose", "kernels") if hasattr(library.trt.INetworkDefinition, "add_plugin_v3") else ("decompose",)
    return lower_custom(graph, library.target, forms, lambda node: runs_kernel(library.trt, node))


def build_plan(
    network: Network, config: Any, profiles: Sequence[Ranges], options: BuildOptions, progress: bool | None = False
) -> memoryview:
    """The serialized plan. Raises BuildError with all that TensorRT said, and KeyboardInterrupt."""
    with watched_build(network.library.trt, config, f"building {network.graph.name}", progress):
        plan = network.builder.build_serialized_network(network.definition, config)
    messages = network.recorder.take()
    if plan is None:
        raise build_failure(network, messages, profiles, options)
    if options.timing_cache is not None:
        save_timing_cache(config, options.timing_cache)
    return memoryview(plan)


def check_profiles(graph: Graph, profiles: Sequence[Ranges]) -> None:
    """Raises DimError unless every profile has a range (min, opt, max), 1 <= min <= opt <= max, for every named dim of
    the inputs, whose ends every operation takes.
    """
    for number, ranges in enumerate(profiles or [{}]):
        place = f" in profile {number}" if len(profiles) > 1 else ""
        for name in graph.dims:
            path = name + place
            if name not in ranges:
                raise DimError(
                    path,
                    problem="has no range of sizes, which TensorRT needs",
                    remedy=f'compile with dims={{"{name}": (min, opt, max)}}',
                )
            low, best, high = ranges[name]
            if not 1 <= low <= best <= high:
                raise DimError(path, expected="1 <= min <= opt <= max", got=str(tuple(ranges[name])))
        for end, remedy in ((0, "raise the min of its range"), (2, "lower the max of its range")):
            error = too_small(graph, {name: sizes[end] for name, sizes in ranges.items()})
            if error is not None:
                error.path, error.remedy = f"{error.path}{place}", remedy
                raise error


def _configure(network: Network, profiles: Sequence[Ranges], options: BuildOptions, kernels: bool) -> Any:
    trt, config = network.library.trt, network.builder.create_builder_config()
    options.configure(trt, config)
    if options.timing_cache is not None:
        load_timing_cache(config, options.timing_cache)
    if kernels:
        config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    dynamic = [value for value in network.graph.inputs if not value.type.is_static]
    if dynamic:
        for ranges in profiles:
            _add_profile(network, config, dynamic, ranges, options)
    return config


def _add_profile(
    network: Network, config: Any, dynamic: Sequence[Value], ranges: Ranges, options: BuildOptions
) -> None:
    profile = network.builder.create_optimization_profile()
    for value in dynamic:
        profile.set_shape(value.name, *(_sizes(value, ranges, which) for which in range(3)))
    if config.add_optimization_profile(profile) < 0:
        messages = [*network.recorder.take(), f"optimization profile {dict(ranges)} is not valid"]
        raise build_failure(network, messages, [ranges], options)


def _sizes(value: Value, ranges: Ranges, which: int) -> list[int]:
    """The input's shape at the minimum (0), optimum (1) or maximum (2) of the ranges."""
    values: Mapping[str, int] = {name: sizes[which] for name, sizes in ranges.items()}
    return [evaluate(size, values) for size in value.type.shape]
