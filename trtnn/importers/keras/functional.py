"""Sequential models as functional ones, and the inputs that a model declares."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import attrs

from trtnn.errors import FileFormatError
from trtnn.graph import Dim
from trtnn.importers.keras.arguments import Call, TensorRef, references
from trtnn.importers.keras.precision import input_dtype
from trtnn.importers.keras.spec import LayerSpec, ModelSpec
from trtnn.inputs import Input


def as_functional(spec: ModelSpec) -> ModelSpec:
    """A Sequential as calls, one after the other. One that was built without an Input takes it from its first layer."""
    if not spec.is_sequential:
        return spec
    layers = list(spec.layers)
    if not layers or layers[0].class_name != "InputLayer":
        layers.insert(0, _implied_input(spec))
    chained = [attrs.evolve(layers[0], calls=(Call((), {}),))]
    for before, layer in itertools.pairwise(layers):
        chained.append(attrs.evolve(layer, calls=(Call((TensorRef(before.name, 0, 0),), {}),)))
    start, end = TensorRef(layers[0].name, 0, 0), TensorRef(layers[-1].name, 0, 0)
    return attrs.evolve(spec, layers=tuple(chained), inputs=start, outputs=end, is_sequential=False)


def _implied_input(spec: ModelSpec) -> LayerSpec:
    first = spec.layers[0] if spec.layers else None
    nested = as_functional(first.model).layers if first is not None and first.model is not None else ()
    if nested:
        shape, dtype = batch_shape(nested[0]), nested[0].config.get("dtype", "float32")
    elif first is not None:
        shape = batch_shape(first) or first.input_shape
        dtype = "int32" if first.class_name == "Embedding" else "float32"
    else:
        shape, dtype = None, "float32"
    if not isinstance(shape, list):
        raise FileFormatError(
            f"config.json: {spec.name}",
            problem="the Sequential model was never built, so its input has no shape",
            remedy="call it once before saving",
        )
    name = f"{spec.name}_input" if any(layer.name == "input" for layer in spec.layers) else "input"
    return LayerSpec("InputLayer", "keras.layers", name, {"batch_shape": shape, "dtype": dtype}, (), "$.config.layers")


def declared_inputs(spec: ModelSpec) -> dict[str, Input]:
    """The inputs of a functional model by name."""
    layers = {layer.name: layer for layer in spec.layers}
    names = [reference.layer for reference in references(spec.inputs)]
    for name in names:
        if name not in layers or layers[name].class_name != "InputLayer" or names.count(name) > 1:
            raise FileFormatError(
                f"config.json: {spec.name}", expected="distinct InputLayers as inputs", got=repr(name)
            )
    return {name: _input(name, layers[name]) for name in names}


def _input(name: str, layer: LayerSpec) -> Input:
    shape = batch_shape(layer)
    if not isinstance(shape, list) or not all(size is None or (type(size) is int and size > 0) for size in shape):
        raise FileFormatError(
            f"config.json: {layer.where}.config.batch_shape",
            expected="a list of positive ints and null",
            got=repr(shape),
        )
    dims = [
        size if size is not None else Dim("batch" if axis == 0 else f"{_identifier(name)}_{axis}")
        for axis, size in enumerate(shape)
    ]
    return Input(*dims, dtype=input_dtype(layer))


def batch_shape(layer: LayerSpec | Any) -> Any:
    """The shape with the batch that a layer's config declares, or None."""
    config: Mapping[str, Any] = layer.config
    return config.get("batch_shape") or config.get("batch_input_shape")


def _identifier(name: str) -> str:
    text = "".join(one if one.isalnum() else "_" for one in name)
    return text if text.isidentifier() else f"_{text}"
