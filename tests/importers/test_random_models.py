"""Random Keras models: any layers one after the other and side by side, shared, nested and merged."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given, note
from hypothesis import strategies as st
from oracle import keras

from importers.harness import check, data

k = keras()
L, ops = k.layers, k.ops
ACTIVATIONS = st.sampled_from(["linear", "relu", "tanh", "gelu", "hard_sigmoid", "silu", "softmax", "elu"])
PADDING = st.sampled_from(["same", "valid"])
Draw = Callable[..., Any]


def windows(draw: Draw, x: Any) -> dict[str, Any]:
    """A window, a stride and a padding that fit the spatial axes of x."""
    least = min(x.shape[1:-1])
    return {"strides": draw(st.integers(1, 2)), "padding": draw(PADDING)}, draw(st.integers(1, min(3, least)))


def image_layer(draw: Draw, x: Any) -> Any:
    """A layer of images."""
    sliding, window = windows(draw, x)
    filters, activation = draw(st.integers(1, 4)), draw(ACTIVATIONS)
    return draw(
        st.sampled_from(
            [
                lambda: L.Conv2D(filters, window, activation=activation, use_bias=draw(st.booleans()), **sliding)(x),
                lambda: L.DepthwiseConv2D(
                    window, depth_multiplier=draw(st.integers(1, 2)), activation=activation, **sliding
                )(x),
                lambda: L.SeparableConv2D(filters, window, activation=activation, **sliding)(x),
                lambda: L.Conv2DTranspose(filters, window, activation=activation, **sliding)(x),
                lambda: L.MaxPooling2D(window, **sliding)(x),
                lambda: L.AveragePooling2D(window, **sliding)(x),
                lambda: L.ZeroPadding2D(draw(st.integers(1, 2)))(x),
                lambda: L.UpSampling2D(2, interpolation=draw(st.sampled_from(["nearest", "bilinear"])))(x),
                lambda: L.Reshape((x.shape[1] * x.shape[2], x.shape[3]))(x),
                lambda: draw(st.sampled_from([L.GlobalAveragePooling2D, L.GlobalMaxPooling2D, L.Flatten]))()(x),
                lambda: L.GroupNormalization(-1)(x),
                lambda: L.PReLU(shared_axes=[1, 2])(x),
            ]
        )
    )()


def sequence_layer(draw: Draw, x: Any) -> Any:
    """A layer of sequences."""
    units, whole = draw(st.integers(1, 4)), draw(st.booleans())
    return draw(
        st.sampled_from(
            [
                lambda: L.Conv1D(units, min(3, x.shape[1]), padding=draw(st.sampled_from(["same", "valid", "causal"])))(
                    x
                ),
                lambda: draw(st.sampled_from([L.LSTM, L.GRU, L.SimpleRNN]))(units, return_sequences=whole)(x),
                lambda: L.Bidirectional(L.GRU(units, return_sequences=whole))(x),
                lambda: L.MultiHeadAttention(2, units)(x, x, use_causal_mask=whole),
                lambda: L.Attention()([x, x]),
                lambda: L.TimeDistributed(L.Dense(units))(x),
                lambda: L.Permute((2, 1))(x),
                lambda: draw(st.sampled_from([L.GlobalAveragePooling1D, L.GlobalMaxPooling1D, L.Flatten]))()(x),
                lambda: x[:, ::2],
                lambda: ops.mean(x, axis=1),
            ]
        )
    )()


def vector_layer(draw: Draw, x: Any) -> Any:
    """A layer of vectors."""
    units = draw(st.integers(1, 6))
    inner = k.Sequential([k.Input(x.shape[1:]), L.Dense(units, activation="relu"), L.LayerNormalization()])
    return draw(
        st.sampled_from(
            [
                lambda: L.Dense(units, activation=draw(ACTIVATIONS))(x),
                lambda: L.RepeatVector(units)(x),
                lambda: L.UnitNormalization()(x),
                lambda: inner(inner(x)) if units == x.shape[-1] else inner(x),
                lambda: ops.expand_dims(x, 1) * 0.5,
            ]
        )
    )()


def any_layer(draw: Draw, x: Any) -> Any:
    """A layer of anything."""
    return draw(
        st.sampled_from(
            [
                lambda: L.BatchNormalization(scale=draw(st.booleans()), center=draw(st.booleans()))(x),
                lambda: L.LayerNormalization()(x),
                lambda: L.Activation(draw(ACTIVATIONS))(x),
                lambda: L.LeakyReLU(0.2)(x),
                lambda: L.Dropout(0.5)(x),
                lambda: x * 2.0 - 1.0,
                lambda: ops.maximum(x, 0.1) + ops.tanh(x),
                lambda: L.Rescaling(0.5, 0.1)(x),
            ]
        )
    )()


def merged(draw: Draw, tensors: list[Any], x: Any) -> Any:
    """x with another tensor, if one fits."""
    alike = [one for one in tensors if one.shape == x.shape]
    fitting = [one for one in tensors if one.shape[:-1] == x.shape[:-1]]
    y, z = draw(st.sampled_from(alike)), draw(st.sampled_from(fitting))
    kinds = [L.Add, L.Multiply, L.Average, L.Maximum, L.Subtract]
    return draw(st.sampled_from([lambda: draw(st.sampled_from(kinds))()([x, y]), lambda: L.Concatenate()([x, z])]))()


@st.composite
def models(draw: Draw) -> Any:
    """A functional model of one or two inputs, up to 8 layers, up to three outputs."""
    shapes = draw(st.lists(st.sampled_from([(6, 5, 2), (4, 3), (5,)]), min_size=1, max_size=2))
    inputs = [k.Input(shape) for shape in shapes]
    tensors = list(inputs)
    by_rank = {2: vector_layer, 3: sequence_layer, 4: image_layer}
    for _ in range(draw(st.integers(1, 8))):
        x = draw(st.sampled_from(tensors))
        kind = draw(st.sampled_from(["own", "own", "any", "merge"]))
        if kind == "own":
            tensors.append(by_rank[len(x.shape)](draw, x))
        else:
            tensors.append(any_layer(draw, x) if kind == "any" else merged(draw, tensors, x))
    made = tensors[len(inputs) :]
    outputs = [made[-1], *draw(st.lists(st.sampled_from(made), max_size=2))]
    used = [one for one in inputs if any(_depends(out, one) for out in outputs)]
    return k.Model(used if len(used) > 1 else used[0], outputs if len(outputs) > 1 else outputs[0])


def _depends(output: Any, start: Any) -> bool:
    """Whether the output is made of the input."""
    waiting, seen = [output], set()
    while waiting:
        one = waiting.pop()
        if one is start:
            return True
        history = one._keras_history
        if id(one) not in seen and history.operation is not None:
            seen.add(id(one))
            waiting += history.operation._inbound_nodes[history.node_index].input_tensors
    return False


@given(models(), st.booleans())
def test_random_models(model: Any, simulate: bool) -> None:
    """The import gives what the model gives."""
    note("\n".join(f"{layer.name}: {type(layer).__name__}" for layer in model.layers))
    with tempfile.TemporaryDirectory() as folder:
        arrays = [data(2, *one.shape[1:], seed=i) for i, one in enumerate(model.inputs)]
        check(model, Path(folder), arrays, simulate=simulate, rtol=2e-5)
