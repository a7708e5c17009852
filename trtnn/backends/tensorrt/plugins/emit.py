"""Emitting custom ops: as a plugin where the library and the op's kernels allow it, else not at all."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any

from trtnn.backends.tensorrt.emit.emitter import Emitter, Tensor, emit_op
from trtnn.backends.tensorrt.plugins import quick, runtime
from trtnn.backends.tensorrt.plugins.site import DATA_TYPES, Site
from trtnn.calling import Ranges
from trtnn.custom.definition import custom_of
from trtnn.custom.kernels import Kernel, choose
from trtnn.custom.lowering import custom_nodes
from trtnn.custom.registry import required_ops
from trtnn.errors import TrtnnError
from trtnn.graph import Graph, Node
from trtnn.graph.ops import Custom


def runs_kernel(trt: Any, node: Node) -> bool:
    """Whether the library can run the node as a plugin; a custom op that it cannot is decomposed.

    It needs a library with plugins (TensorRT-RTX has none), a kernel for the node's data types, and results whose
    sizes follow from its operands'. Raises KernelError, with the variants there are, when no kernel serves the data
    types and there is nothing to decompose.
    """
    if not isinstance(node.op, Custom) or not hasattr(trt.INetworkDefinition, "add_plugin_v3"):
        return False
    if node.op.sizes or any(value.type.dtype not in DATA_TYPES for value in (*node.inputs, *node.outputs)):
        return False
    op = custom_of(node.op)
    inputs, outputs = ([value.type for value in values] for values in (node.inputs, node.outputs))
    found = any(kernel.serves(inputs, outputs) for kernel in op.kernels)
    if op.kernels and not found and not op.has_decomposition:
        with _located(node):
            choose(op.kernels, op.name, inputs, outputs)
    return found


@functools.cache
def quick_plugins(trt: Any) -> quick.QuickPlugins | None:
    """The library's quickly deployable plugins, None where it has none that are compiled ahead of time."""
    module = quick.module_of(trt)
    return None if module is None else quick.QuickPlugins(trt, module)


def launched_by_tensorrt(trt: Any, site: Site) -> list[Kernel]:
    """The site's kernels that TensorRT compiles into the plan; none when a plugin has to run in Python."""
    return quick.candidates(site) if quick_plugins(trt) is not None else []


def ops_in_python(trt: Any, graph: Graph) -> dict[str, str]:
    """The custom ops of a network's graph whose plugins run in Python, with the place where each was defined: what a
    process that loads the plan needs."""
    return required_ops(graph, lambda node: not launched_by_tensorrt(trt, Site.of(node)))


def require_launches(graph: Graph, profiles: Sequence[Ranges]) -> None:
    """Raises KernelError or DimError for a kernel that a GPU cannot launch at the ends of a profile's ranges: a grid
    too large, or an int32 argument that does not fit. In the plan nobody would look."""
    sizes = [{name: size[end] for name, size in ranges.items()} for ranges in profiles for end in range(3)]
    for node in custom_nodes(graph):
        site = Site.of(node)
        for dims in sizes:
            shapes = [value.type.concrete(dims) for value in node.inputs]
            with _located(node):
                for kernel in site.kernels:
                    kernel.launch_at(site.op.options, site.concrete(shapes))


@emit_op.register(Custom)
def custom(op: Custom, node: Node, net: Emitter) -> tuple[Tensor, ...]:
    """A plugin, compiled into the plan where a kernel can be, else one that runs in Python.

    Kernels are compiled here, before TensorRT asks for them: it would swallow their errors.
    """
    plugins = quick_plugins(net.trt)
    with _located(node):
        site = Site.of(node)
        ready = launched_by_tensorrt(net.trt, site)
        for kernel in ready or site.kernels:
            quick.compiled_for_gpu(kernel, site)
    tensors = net.tensors(node)
    if plugins is not None and ready:
        layer = net.layer("plugin", plugins.create(site, tensors), True)
    else:
        runtime.register_creator(net.trt)
        layer = net.layer("plugin_v3", tensors, [], runtime.plugin_class(net.trt)(site.to_text()))
    return tuple(layer.get_output(i) for i in range(len(node.outputs)))


@contextlib.contextmanager
def _located(node: Node) -> Iterator[None]:
    """Errors get the node's module path, and its line where they have none."""
    try:
        yield
    except TrtnnError as error:
        error.locate(node.origin.path, error.line or node.origin.line)
        raise
