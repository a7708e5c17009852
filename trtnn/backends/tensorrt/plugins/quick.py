"""Custom ops as quickly deployable plugins, compiled ahead of time: the plan holds PTX and needs no Python.

TensorRT is given Python functions that describe the results, name the kernels to choose from, and give each kernel's
PTX with its launch as expressions of the operands' sizes. All they know is in one attribute, the site's text.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Sequence
from types import GenericAlias
from typing import Any, Union

from trtnn.backends.tensorrt.plugins.site import DATA_TYPES, Site
from trtnn.backends.tensorrt.plugins.sizes import shape_algebra, translate
from trtnn.custom.kernels import Compiled, Kernel, Launch
from trtnn.gpu.library import compute_capability
from trtnn.graph import DType
from trtnn.graph.dims import Size

_SHORT = {"FLOAT": "FP32", "HALF": "FP16"}  # what AutoTuneCombination calls them
SITE = "site"
"""The plugin's one attribute."""


def module_of(trt: Any) -> Any:
    """The module ``tensorrt.plugin``, None for a library without plugins compiled ahead of time."""
    try:
        module = importlib.import_module(f"{trt.__name__}.plugin")
    except ImportError:
        return None
    return module if hasattr(module, "aot_impl") else None


def is_ahead_of_time(kernel: Kernel, site: Site) -> bool:
    """Whether TensorRT can launch the kernel by itself: its arguments are all int32, and it has no workspace."""
    launch = kernel.launch_of(site.op.options, site.inputs)
    return launch.workspace == 0 and all(one.dtype is DType.int32 for one in launch.scalars)


def candidates(site: Site) -> list[Kernel]:
    """The kernels that TensorRT measures and chooses from: those that serve the types and that it can launch."""
    return [kernel for kernel in site.kernels if is_ahead_of_time(kernel, site)]


def compiled_for_gpu(kernel: Kernel, site: Site) -> Compiled:
    """The kernel's code for the GPU that the plan is built on."""
    major, minor = compute_capability()
    return kernel.compile(site.op.options, site.inputs, site.outputs, f"{major}{minor}")


class QuickPlugins:
    """The quickly deployable plugins of one library, registered when they are first used."""

    def __init__(self, trt: Any, plugin: Any) -> None:
        self.trt, self._plugin = trt, plugin
        self._registered: dict[str, Any] = {}

    def create(self, site: Site, tensors: Sequence[Any]) -> Any:
        """What ``INetworkDefinition.add_plugin`` takes for the site on these tensors."""
        name = f"{site.op.name}_{len(site.inputs)}_{len(site.outputs)}"  # an op may take any number of operands
        if name not in self._registered:
            self._registered[name] = self._register(name, site)
        return self._registered[name](*tensors, **{SITE: site.to_text()})

    def _register(self, name: str, site: Site) -> Any:
        plugin, operands = self._plugin, len(site.inputs)
        results = GenericAlias(tuple, (plugin.TensorDesc,) * len(site.outputs))
        code = Union[str, bytes]  # noqa: UP007  # TensorRT looks for typing's own form
        kernel = GenericAlias(tuple, (code, code, plugin.KernelLaunchParams, plugin.SymExprs))
        described = _typed(self.describe, plugin.TensorDesc, operands, (), results)
        plugin.register(name)(described)
        plugin.autotune(name)(_typed(self.choose, plugin.TensorDesc, operands, ("outputs",), inspect.Parameter.empty))
        plugin.aot_impl(name)(_typed(self.implement, plugin.TensorDesc, operands, ("outputs", "tactic"), kernel))
        namespace, _, own = name.partition("::")
        return getattr(getattr(plugin.op, namespace), own)

    def describe(self, *arguments: Any, site: str) -> Any:
        """The results' shapes and types, from the operands' descriptions."""
        found = Site.from_text(site)
        fake = any(size.is_fake for one in arguments for size in one.shape_expr)
        descriptions = []
        for one in found.outputs:
            shape = tuple(
                self._plugin.ShapeExpr() if fake else self._size(found, size, arguments) for size in one.shape
            )
            descriptions.append(
                self._plugin.from_shape_expr(shape, dtype=getattr(self.trt.DataType, DATA_TYPES[one.dtype]))
            )
        return tuple(descriptions)

    def choose(self, *arguments: Any) -> Any:
        """The one combination of types that the site has, with a tactic, 1 and up, for each of its kernels."""
        *_, site, _ = arguments
        found = Site.from_text(site)
        names = [DATA_TYPES[one.dtype] for one in (*found.inputs, *found.outputs)]
        tactics = list(range(1, 1 + len(candidates(found))))
        return [
            self._plugin.AutoTuneCombination(", ".join(_SHORT.get(name, name) for name in names), "LINEAR", tactics)
        ]

    def implement(self, *arguments: Any) -> Any:
        """The tactic's kernel: its name, its PTX, its launch, and the numbers that it takes by value."""
        *descriptions, site, _, tactic = arguments
        found = Site.from_text(site)
        kernel = candidates(found)[max(tactic, 1) - 1]
        compiled = compiled_for_gpu(kernel, found)
        launch = kernel.launch_of(found.op.options, found.inputs).completed(compiled)
        return compiled.entry, compiled.ptx, *self._launch(found, launch, descriptions)

    def _launch(self, site: Site, launch: Launch, descriptions: Sequence[Any]) -> tuple[Any, Any]:
        plugin, parameters = self._plugin, self._plugin.KernelLaunchParams()
        fields = {f"grid_{axis}": size for axis, size in zip("xyz", launch.grid, strict=True)}
        fields |= {f"block_{axis}": size for axis, size in zip("xyz", launch.block, strict=True)}
        fields["shared_mem"] = launch.shared
        for name, size in fields.items():
            setattr(parameters, name, self._size(site, size, descriptions))
        numbers = plugin.SymIntExprs(len(launch.scalars))
        for index, one in enumerate(launch.scalars):
            numbers[index] = plugin.SymInt32(self._size(site, one.value, descriptions))
        return parameters, numbers

    def _size(self, site: Site, size: Size | float, descriptions: Sequence[Any]) -> Any:
        dims = {name: descriptions[index].shape_expr[axis] for name, (index, axis) in site.axes.items()}
        return translate(size, dims, shape_algebra(self._plugin))  # type: ignore[arg-type]  # all numbers are int32


def _typed(function: Callable[..., Any], tensor: Any, operands: int, rest: tuple[str, ...], returns: Any) -> Any:
    """The function under the signature that TensorRT reads: operands, the site, and what else this one is given."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(f"input{i}", kind, annotation=tensor) for i in range(operands)]
    parameters.append(inspect.Parameter(SITE, kind, annotation=str))
    parameters += [inspect.Parameter(name, kind) for name in rest]

    def typed(*arguments: Any, **named: Any) -> Any:
        return function(*arguments, **named)

    typed.__signature__ = inspect.Signature(parameters, return_annotation=returns)  # type: ignore[attr-defined]
    return typed
