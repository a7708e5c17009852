"""Emitting plugins by name: the creator that the registry has, and its fields."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import numpy as np

from trtnn.backends.tensorrt.emit.emitter import Emitter, Tensor, emit_op
from trtnn.backends.tensorrt.errors import logger_of
from trtnn.errors import ArgumentError, UnsupportedError
from trtnn.graph import Node
from trtnn.graph.ops import TensorRTPlugin
from trtnn.graph.ops.plugin import FieldValue

_FIELD_TYPES = {
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FLOAT16",
    "float32": "FLOAT32",
    "float64": "FLOAT64",
}


@emit_op.register(TensorRTPlugin)
def tensorrt_plugin(op: TensorRTPlugin, node: Node, net: Emitter) -> tuple[Tensor, ...]:
    """A plugin layer, of version 3 or 2 as the plugin is. Raises UnsupportedError where there is no such plugin, and
    ArgumentError for fields that it does not take and for an ``infer`` that gives another number of results."""
    path = f"{node.origin.path}: {op.plugin}" if node.origin.path else op.plugin
    if not hasattr(net.trt.INetworkDefinition, "add_plugin_v3"):
        raise UnsupportedError(
            path,
            problem="TensorRT-RTX has no plugins",
            remedy='use target="tensorrt", or write a trtnn.custom_op with decompose',
            line=node.origin.line,
        )
    creator = find_creator(net.trt, op, path, node)
    known = [field.name for field in creator.field_names or ()]
    for name in op.fields:
        if known and name not in known:
            raise ArgumentError(
                path, expected=f"fields out of {', '.join(known)}", got=repr(name), line=node.origin.line
            )
    fields = plugin_fields(net.trt, op.fields)  # held until the plugin is made: a collection points into them
    is_new = isinstance(creator, net.trt.IPluginCreatorV3One)
    if not is_new and not hasattr(net.network, "add_plugin_v2"):
        raise UnsupportedError(
            path, problem="is a plugin of IPluginV2, which TensorRT 11 has no more", line=node.origin.line
        )
    phase = [net.trt.TensorRTPhase.BUILD] if is_new else []
    plugin = creator.create_plugin(node.outputs[0].name, net.trt.PluginFieldCollection(fields), *phase)
    if plugin is None:
        said = "; ".join(net.take_errors()) or "no reason given"
        raise ArgumentError(
            path,
            problem=f"its creator makes no plugin of {dict(op.fields)}: {said}",
            remedy=f"the fields it knows are {', '.join(known) or 'not listed'}",
            line=node.origin.line,
        )
    tensors = net.tensors(node)
    layer = net.layer("plugin_v3", tensors, [], plugin) if is_new else net.layer("plugin_v2", tensors, plugin)
    if layer.num_outputs != len(node.outputs):
        raise ArgumentError(
            path,
            expected=f"infer to give {layer.num_outputs} results",
            got=str(len(node.outputs)),
            line=node.origin.line,
        )
    return tuple(layer.get_output(i) for i in range(len(node.outputs)))


def find_creator(trt: Any, op: TensorRTPlugin, path: str, node: Node) -> Any:
    """The plugin's creator, TensorRT's own plugins included. Raises UnsupportedError, with the nearest names there are,
    when there is none."""
    trt.init_libnvinfer_plugins(logger_of(trt), "")
    registry = trt.get_plugin_registry()
    creator = registry.get_creator(op.plugin, op.version, op.namespace)
    if creator is not None:
        return creator
    there = sorted({f"{one.name} version {one.plugin_version}" for one in registry.all_creators})
    wanted = f"{op.plugin} version {op.version}"
    near = difflib.get_close_matches(wanted, there, 3, 0.5) or there[:3]
    raise UnsupportedError(
        path,
        problem=f"TensorRT has no plugin {wanted}" + (f" in the namespace {op.namespace}" if op.namespace else ""),
        expected=", ".join(near) or "a plugin that is registered",
        remedy="load the library that has it: trtnn.load_plugin_library(path)",
        line=node.origin.line,
    )


def plugin_fields(trt: Any, fields: Mapping[str, FieldValue]) -> list[Any]:
    """The fields as TensorRT takes them: text as CHAR, arrays by their element type."""
    found = []
    for name, value in fields.items():
        if isinstance(value, str):
            data, kind = np.frombuffer(value.encode(), np.int8), "CHAR"
        else:
            data = np.ascontiguousarray(value)
            kind = _FIELD_TYPES[data.dtype.name]
        found.append(trt.PluginField(name, data, getattr(trt.PluginFieldType, kind)))
    return found
