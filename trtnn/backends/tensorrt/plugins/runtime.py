"""Custom ops as plugins that run in Python: ``IPluginV3``, for kernels that TensorRT cannot launch by itself.

A kernel with a workspace, or with arguments that are not int32, needs the host's part at run time. There is one kind of
plugin for all ops: what it is to do is in its one field, the site's text, which the plan keeps. So a process that loads
such a plan needs this creator registered (`register_creator`) and the op's definition imported.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from trtnn.backends.tensorrt.plugins.site import DATA_TYPES, Site
from trtnn.backends.tensorrt.plugins.sizes import builder_algebra, translate
from trtnn.custom.definition import CustomOp
from trtnn.custom.kernels import Kernel
from trtnn.custom.kernels.launching import device_of, prepare
from trtnn.gpu import library
from trtnn.graph import TensorType
from trtnn.graph.dims import evaluate

NAME, VERSION, NAMESPACE = "CustomOp", "1", "trtnn"
FIELD = "site"


class SitePlugin:
    """What an ``IPluginV3`` answers TensorRT, under TensorRT's names, for one site; `plugin_class` adds the bases."""

    def __init__(self, trt: Any, text: str) -> None:
        self.trt, self._text, self._site = trt, text, Site.from_text(text)
        self._kernels = self._site.kernels
        self._tactic = 0
        self._fields = [text_field(trt, FIELD, text)]  # a collection of fields points into them
        self.num_outputs = len(self._site.outputs)
        self.plugin_name, self.plugin_version, self.plugin_namespace = NAME, VERSION, NAMESPACE

    def get_capability_interface(self, type: Any) -> Any:
        """The object that has the methods of a capability: this one has all."""
        return self

    def get_output_data_types(self, input_types: list[Any]) -> list[Any]:
        """The ``DataType`` of each result."""
        return [self._data_type(one) for one in self._site.outputs]

    def get_output_shapes(self, inputs: list[Any], shape_inputs: list[Any], expr_builder: Any) -> list[Any]:
        """The results' shapes as expressions of the operands'."""
        dims = {name: inputs[index][axis] for name, (index, axis) in self._site.axes.items()}
        algebra = builder_algebra(self.trt, expr_builder)
        return [
            self.trt.DimsExprs([translate(size, dims, algebra) for size in one.shape]) for one in self._site.outputs
        ]

    def supports_format_combination(self, pos: int, in_out: list[Any], num_inputs: int) -> bool:
        """Whether a tensor is in C order and of the type that it has in the network."""
        wanted = (*self._site.inputs, *self._site.outputs)[pos]
        described = in_out[pos].desc
        return bool(described.format == self.trt.TensorFormat.LINEAR and described.type == self._data_type(wanted))

    def configure_plugin(self, inputs: list[Any], outputs: list[Any]) -> None:
        """Nothing to do: everything follows from the site and the shapes of a call."""

    def on_shape_change(self, inputs: list[Any], outputs: list[Any]) -> None:
        """Nothing to do: kernels are found by shape in `enqueue`."""

    def get_valid_tactics(self) -> list[int]:
        """1 and up: one for each kernel, for TensorRT to measure."""
        return list(range(1, 1 + len(self._kernels)))

    def set_tactic(self, tactic: int) -> None:
        """The kernel to use from now on."""
        self._tactic = tactic

    def get_workspace_size(self, inputs: list[Any], outputs: list[Any]) -> int:
        """Bytes of scratch memory at the largest shapes, for the kernel that needs the most."""
        dims = self._site.dims([tuple(one.max) for one in inputs])
        launches = [one.launch_of(self._site.op.options, self._site.inputs) for one in self._kernels]
        return max(evaluate(one.workspace, dims) for one in launches)

    def attach_to_context(self, resource_context: Any) -> Any:
        """A plugin for one execution context."""
        return self.clone()

    def enqueue(
        self,
        input_desc: list[Any],
        output_desc: list[Any],
        inputs: list[int],
        outputs: list[int],
        workspace: int,
        stream: int,
    ) -> None:
        """Launches the tactic's kernel on TensorRT's stream and addresses."""
        types = self._site.concrete([tuple(one.dims) for one in input_desc])
        _enqueue(self._kernels[max(self._tactic, 1) - 1], self._site.op, types, (inputs, outputs, workspace), stream)

    def get_fields_to_serialize(self) -> Any:
        """What the plan keeps: the site's text."""
        return self.trt.PluginFieldCollection(self._fields)

    def clone(self) -> Any:
        """Another plugin of the same site and tactic."""
        copied = plugin_class(self.trt)(self._text)
        copied.set_tactic(self._tactic)
        return copied

    def _data_type(self, type: TensorType) -> Any:
        return getattr(self.trt.DataType, DATA_TYPES[type.dtype])


def _enqueue(
    kernel: Kernel,
    op: CustomOp,
    types: tuple[TensorType, ...],
    addresses: tuple[list[int], list[int], int],
    stream: int,
) -> None:
    ordinal = int(library.load().core.Device().device_id)  # TensorRT has made its GPU the thread's current one
    inputs, outputs, workspace = addresses
    prepare(kernel, op, types, ordinal).enqueue(inputs, outputs, workspace, device_of(ordinal).stream_of(stream))


def text_field(trt: Any, name: str, text: str) -> Any:
    """A ``PluginField`` that holds text."""
    return trt.PluginField(name, np.frombuffer(text.encode(), np.int8), trt.PluginFieldType.CHAR)


@functools.cache
def plugin_class(trt: Any) -> Any:
    """The plugin's class for a library: `SitePlugin` with the library's four bases, made of the site's text."""

    bases = (trt.IPluginV3, trt.IPluginV3OneCore, trt.IPluginV3OneBuild, trt.IPluginV3OneRuntime)

    def initialize(self: Any, text: str) -> None:
        for base in bases:
            base.__init__(self)
        SitePlugin.__init__(self, trt, text)

    return type("CustomOpPlugin", (SitePlugin, *bases), {"__init__": initialize})


@functools.cache
def register_creator(trt: Any) -> Any:
    """The creator of the plugin, registered with the library, which finds it by name when it loads a plan."""

    class CustomOpCreator(trt.IPluginCreatorV3One):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IPluginCreatorV3One.__init__(self)
            self.name, self.plugin_version, self.plugin_namespace = NAME, VERSION, NAMESPACE
            self._fields = [text_field(trt, FIELD, "")]
            self.field_names = trt.PluginFieldCollection(self._fields)

        def create_plugin(self, name: str, field_collection: Any, phase: Any) -> Any:
            (field,) = field_collection
            return plugin_class(trt)(bytes(field.data).decode())

    creator = CustomOpCreator()
    trt.get_plugin_registry().register_creator(creator, NAMESPACE)
    return creator
