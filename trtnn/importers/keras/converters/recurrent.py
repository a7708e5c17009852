"""Recurrent layers, their cells, and Bidirectional."""

from __future__ import annotations

from typing import Any

from trtnn.graph.ops.recurrent import CELL_ACTIVATIONS
from trtnn.importers.keras.activations import activation_name
from trtnn.importers.keras.calling import Called, Masks, call_with_floats, leaves
from trtnn.importers.keras.registry import KerasLayer, keras_layer
from trtnn.importers.keras.variables import snake_case
from trtnn.layers.bidirectional import Bidirectional
from trtnn.layers.cells import GRUCell, LSTMCell, SimpleRNNCell, StackedRNNCells
from trtnn.layers.conv_recurrent import ConvLSTM1d, ConvLSTM2d
from trtnn.layers.cudnn import CuDNNGRU, CuDNNLSTM
from trtnn.layers.recurrent import GRU, LSTM, RNN, Masking, Recurrent, SimpleRNN
from trtnn.module import Module
from trtnn.tensor import Tensor

LAYERS: dict[str, Any] = {"LSTM": LSTM, "GRU": GRU, "SimpleRNN": SimpleRNN}
CELLS: dict[str, Any] = {"LSTMCell": LSTMCell, "GRUCell": GRUCell, "SimpleRNNCell": SimpleRNNCell}
CONVOLUTIONAL: dict[str, Any] = {"ConvLSTM1D": ConvLSTM1d, "ConvLSTM2D": ConvLSTM2d}
CUDNN: dict[str, Any] = {"CuDNNLSTM": CuDNNLSTM, "CuDNNGRU": CuDNNGRU}


def _call_recurrent(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], masks: Masks) -> Any:
    """Keras 2 gives the states beside x, in one list."""
    if isinstance(args[0], (list, tuple)):
        x, *states = args[0]
        args = (x, *args[1:])
        kwargs = {**kwargs, "initial_state": states} if states else kwargs
    mask = kwargs.get("mask")
    if isinstance(mask, (list, tuple)):
        kwargs["mask"] = mask[0]
    return call_with_floats(module, args, kwargs, masks)


def _sequence_mask(called: Called) -> Any:
    """The mask goes on with the sequence; states have none."""
    return [next(leaves(called.masks))] if called.option("return_sequences", False) else None


def _options(layer: KerasLayer) -> dict[str, Any]:
    """What every recurrent layer takes."""
    layer.require("stateful", False), layer.option("units")
    return {
        "return_sequences": layer.option("return_sequences", False),
        "return_state": layer.option("return_state", False),
        "go_backwards": layer.option("go_backwards", False),
        "time_major": layer.option("time_major", False),
        "mask_policy": "zero" if layer.option("zero_output_for_mask", False) else "repeat",
    }


def _activations(layer: KerasLayer) -> dict[str, str]:
    """The activations under the names that cells have for them."""
    found = {}
    for option in ("activation", "recurrent_activation"):
        if option in layer.spec.config:
            name = activation_name(layer, option)
            old = name == "hard_sigmoid" and layer.keras_version < 3
            name = "hard_sigmoid_keras2" if old else {"hard_silu": "hard_swish"}.get(name, name)
            if name not in CELL_ACTIVATIONS:
                raise layer.unsupported(f"{option}={name!r} in a recurrent cell")
            found[option] = name
    return found


def _cell_weights(layer: KerasLayer, inside: bool) -> dict[str, Any]:
    """kernel, recurrent_kernel and bias; a layer has them inside its cell."""
    names = ["kernel", "recurrent_kernel", *(["bias"] if layer.option("use_bias", True) else [])]
    holder = layer.child("cell", f"{snake_case(layer.class_name)}_cell") if inside else layer.variables
    return dict(zip(names, holder.take(names), strict=True))


def _made(layer: KerasLayer, kind: Any, weights: dict[str, Any], **options: Any) -> Module:
    inputs, units = weights["kernel"].shape[0], weights["recurrent_kernel"].shape[0]
    filled: Module = layer.fill(kind(inputs, units, use_bias="bias" in weights, **options), **weights)
    return filled


def _reset_after(layer: KerasLayer) -> dict[str, Any]:
    return {"reset_after": layer.option("reset_after", False)} if layer.class_name.startswith("GRU") else {}


@keras_layer(*LAYERS, call=_call_recurrent, masks=_sequence_mask)
def recurrent(layer: KerasLayer) -> Module:
    """kernel (in, gates * units), recurrent_kernel (units, gates * units), bias."""
    options = {**_activations(layer), **_reset_after(layer), **_options(layer)}
    return _made(layer, LAYERS[layer.class_name], _cell_weights(layer, inside=True), **options)


@keras_layer(*CELLS)
def cell(layer: KerasLayer) -> Module:
    """The same variables, in the cell itself."""
    layer.option("units")
    options = {**_activations(layer), **_reset_after(layer)}
    return _made(layer, CELLS[layer.class_name], _cell_weights(layer, inside=False), **options)


@keras_layer("StackedRNNCells")
def stacked_cells(layer: KerasLayer) -> Module:
    """Cells on top of each other."""
    layer.require("reverse_state_order", False)
    cells, counts = [], dict[str, int]()
    for i, raw in enumerate(layer.option("cells")):
        group = snake_case(raw["class_name"])
        counts[group] = counts.get(group, -1) + 1
        place = group + (f"_{counts[group]}" if counts[group] else "")
        inside = layer.child("cells").child(place, str(raw["config"].get("name", place)))
        cells.append(layer.convert(raw, inside, f"{layer.spec.where}.config.cells[{i}]"))
    return StackedRNNCells(cells)


@keras_layer("RNN", call=_call_recurrent, masks=_sequence_mask)
def rnn(layer: KerasLayer) -> Module:
    """Any cell that has a converter."""
    return RNN(layer.nested("cell"), **_options(layer))


@keras_layer(*CONVOLUTIONAL, call=_call_recurrent, masks=_sequence_mask)
def conv_lstm(layer: KerasLayer) -> Module:
    """kernel (*window, in, 4 * filters), recurrent_kernel (*window, filters, 4 * filters), bias (4 * filters,)."""
    layer.option("filters"), layer.option("kernel_size")
    weights = _cell_weights(layer, inside=True)
    *window, inputs, _ = weights["kernel"].shape
    module = CONVOLUTIONAL[layer.class_name](
        inputs,
        weights["recurrent_kernel"].shape[-2],
        tuple(window),
        stride=layer.option("strides", 1),
        padding=layer.require("padding", "valid", "same"),
        dilation=layer.option("dilation_rate", 1),
        use_bias="bias" in weights,
        data_format=layer.option("data_format") or "channels_last",
        **_activations(layer),
        **_options(layer),
    )
    filled: Module = layer.fill(module, **weights)
    return filled


@keras_layer(*CUDNN, call=_call_recurrent, masks=_sequence_mask)
def cudnn(layer: KerasLayer) -> Module:
    """Keras 2's layers for cuDNN, with variables in cuDNN's layout."""
    weights = layer.weights(kernel=True, recurrent_kernel=True, bias=True)
    module = CUDNN[layer.class_name](
        weights["kernel"].shape[0], weights["recurrent_kernel"].shape[0], **_options(layer)
    )
    filled: Module = layer.fill(module, **weights)
    return filled


def _both_masks(called: Called) -> Any:
    inner = called.option("layer")["config"]
    if not inner.get("return_sequences", False):
        return None
    mask = next(leaves(called.masks))
    return [mask, mask] if called.option("merge_mode", "concat") is None else [mask]


@keras_layer("Bidirectional", call=_call_recurrent, masks=_both_masks)
def bidirectional(layer: KerasLayer) -> Module:
    """Two layers; Keras 2 may have written one, whose mirror image is the other."""
    raw = layer.raw_layer("layer")
    name = str(raw["config"].get("name", "")).removeprefix("forward_")
    forward = layer.nested("layer", "forward_layer", f"forward_{name}")
    if layer.option("backward_layer") is not None:
        backward = layer.nested("backward_layer", "backward_layer", f"backward_{name}")
    else:
        config = {**raw["config"], "go_backwards": not raw["config"].get("go_backwards", False)}
        inside = layer.child("backward_layer", f"backward_{name}")
        backward = layer.convert({**raw, "config": config}, inside, f"{layer.spec.where}.config.layer")
    if not isinstance(forward, Recurrent) or not isinstance(backward, Recurrent):
        raise layer.unsupported(f"a layer of class {raw.get('class_name')}")
    return Bidirectional(forward, layer.option("merge_mode", "concat"), backward)


class Masked(Masking):
    """Keras's Masking where the mask goes its own way: gives x, with zeros at the steps that do not count."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """x (B, T, features)."""
        return super().forward(x)[0]


def _differs(called: Called) -> Any:
    return Masking(called.option("mask_value", 0.0)).forward(called.inputs)[1]


@keras_layer("Masking", masks=_differs)
def masking(layer: KerasLayer) -> Module:
    """Steps of a value."""
    return Masked(layer.option("mask_value", 0.0))
