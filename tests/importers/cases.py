"""Every layer that the importer knows, with its options: a name, how to make it, the shapes of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs
import numpy as np
from oracle import keras

layers = keras().layers
N = None  # a size that the file leaves open


@attrs.frozen
class Case:
    """One layer: ``make()``, called with ``call``. Shapes are without the batch; N is 5 and then 7."""

    title: str
    make: Callable[[], Any]
    shapes: Sequence[Sequence[int | None]]
    dtype: str = "float32"
    call: dict[str, Any] = attrs.field(factory=dict)

    def sizes(self, open_size: int) -> list[tuple[int, ...]]:
        """The shapes with a size in the place of N."""
        return [tuple(open_size if size is None else size for size in shape) for shape in self.shapes]


def case(
    kind: Any, *shapes: Sequence[int | None], dtype: str = "float32", call: dict[str, Any] | None = None, **options: Any
) -> Case:
    """A case of a class and options."""
    said = ", ".join(f"{name}={value}" for name, value in options.items())
    return Case(f"{kind.__name__}({said}){call or ''}", lambda: kind(**options), shapes, dtype, call or {})


SEQUENCE, IMAGE, VOLUME = (N, 3), (N, N, 3), (6, 5, 7, 3)
FIRST_SEQUENCE, FIRST_IMAGE, FIRST_VOLUME = (3, 8), (3, 8, 9), (3, 6, 5, 7)


def convolutions() -> Iterator[Case]:
    """Plain, transposed, depthwise and separable ones."""
    by_rank = [
        (SEQUENCE, layers.Conv1D, layers.Conv1DTranspose),
        (IMAGE, layers.Conv2D, layers.Conv2DTranspose),
        (VOLUME, layers.Conv3D, layers.Conv3DTranspose),
    ]
    for shape, conv, transpose in by_rank:
        for options in (
            {"padding": "same", "strides": 2},
            {"activation": "relu", "use_bias": False},
            {"dilation_rate": 2, "padding": "same", "activation": "tanh"},
            {"groups": 3, "filters": 6},
        ):
            yield case(conv, shape, **{"filters": 4, "kernel_size": 3, **options})
        for options in (
            {"padding": "same", "strides": 2},
            {"strides": 3, "activation": "relu", "use_bias": False},
            {"strides": 2, "output_padding": 1},
            {"dilation_rate": 2, "padding": "same"},
        ):
            yield case(transpose, shape, **{"filters": 4, "kernel_size": 3, **options})
    yield case(layers.Conv1D, SEQUENCE, filters=4, kernel_size=3, padding="causal", dilation_rate=2)
    yield case(layers.Conv2D, IMAGE, filters=4, kernel_size=(3, 2), strides=(1, 2))
    for shape, depthwise, separable in (
        (SEQUENCE, layers.DepthwiseConv1D, layers.SeparableConv1D),
        (IMAGE, layers.DepthwiseConv2D, layers.SeparableConv2D),
    ):
        for options in (
            {"padding": "same"},
            {"depth_multiplier": 2, "strides": 2, "activation": "relu"},
            {"use_bias": False, "dilation_rate": 2},
        ):
            yield case(depthwise, shape, kernel_size=3, **options)
            yield case(separable, shape, filters=4, kernel_size=3, **options)


def pools() -> Iterator[Case]:
    """Windows, adaptive, global."""
    for n, shape in ((1, SEQUENCE), (2, IMAGE), (3, VOLUME)):
        for name in ("MaxPooling", "AveragePooling"):
            kind = getattr(layers, f"{name}{n}D")
            for options in (
                {"pool_size": 2},
                {"pool_size": 3, "strides": 1, "padding": "same"},
                {"pool_size": 3, "strides": 2},
            ):
                yield case(kind, shape, **options)
        for name in ("GlobalMaxPooling", "GlobalAveragePooling"):
            kind = getattr(layers, f"{name}{n}D")
            yield case(kind, shape)
            yield case(kind, shape, keepdims=True)
    for name in ("Max", "Average"):
        yield case(getattr(layers, f"Adaptive{name}Pooling1D"), (10, 3), output_size=4)
        yield case(getattr(layers, f"Adaptive{name}Pooling2D"), (9, 8, 3), output_size=(3, 2))
        yield case(getattr(layers, f"Adaptive{name}Pooling3D"), (6, 5, 7, 2), output_size=2)


def normalizations() -> Iterator[Case]:
    """All of them."""
    for options in ({}, {"scale": False}, {"center": False, "epsilon": 0.1}, {"axis": 1}):
        yield case(layers.BatchNormalization, (4, 5), **options)
        yield case(layers.LayerNormalization, (4, 5), **options)
    yield case(layers.LayerNormalization, (4, 5), axis=[1, 2])
    yield case(layers.LayerNormalization, (4, 5), scale=False, center=False)
    yield case(layers.LayerNormalization, (4, 5), scale=False, center=False, axis=1, epsilon=0.1)
    for options in (
        {"groups": 2},
        {"groups": -1},
        {"groups": 3, "scale": False},
        {"groups": 2, "center": False, "scale": False},
        {"groups": 3, "center": False, "scale": False, "epsilon": 0.1},
    ):
        yield case(layers.GroupNormalization, (N, N, 6), **options)
    yield case(layers.UnitNormalization, (4, 5))
    yield case(layers.UnitNormalization, (4, 5), axis=[1, 2])
    yield case(layers.RMSNormalization, (4, 5))
    yield case(layers.RMSNormalization, (4, 5), epsilon=0.1)
    yield case(layers.RMSNormalization, (4, 5), axis=[1, 2])
    yield Case("SpectralNormalization(Dense)", lambda: layers.SpectralNormalization(layers.Dense(4)), [(5,)])


ACTIVATIONS = [
    "celu",
    "elu",
    "exponential",
    "gelu",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
]


def activations() -> Iterator[Case]:
    """By name, and as layers."""
    for name in ACTIVATIONS:
        yield case(layers.Activation, (3, 6), activation=name)
    yield case(layers.Dense, (6,), units=4, activation="softmax")
    yield Case("Dense(activation=LeakyReLU(0.1))", lambda: layers.Dense(4, activation=layers.LeakyReLU(0.1)), [(6,)])
    for options in (
        {},
        {"max_value": 1.0},
        {"negative_slope": 0.1},
        {"threshold": 0.5},
        {"max_value": 1.0, "negative_slope": 0.2, "threshold": 0.3},
    ):
        yield case(layers.ReLU, (3, 6), **options)
    yield case(layers.LeakyReLU, (3, 6))
    yield case(layers.LeakyReLU, (3, 6), negative_slope=0.1)
    yield case(layers.ELU, (3, 6), alpha=0.5)
    yield case(layers.PReLU, (4, 5, 6))
    yield case(layers.PReLU, (N, N, 6), shared_axes=[1, 2])
    yield case(layers.Softmax, (3, 6))
    yield case(layers.Softmax, (3, 6), axis=1)
    yield case(layers.Softmax, (3, 6), axis=[1, 2])


def merges() -> Iterator[Case]:
    """Several inputs."""
    for kind in (layers.Add, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum):
        yield case(kind, (4, 5), (4, 5), (4, 5))
    yield case(layers.Add, (4, 5), (5,))
    yield case(layers.Subtract, (4, 5), (1, 5))
    yield case(layers.Concatenate, (4, 5), (4, 3))
    yield case(layers.Concatenate, (4, 5), (2, 5), axis=1)
    yield case(layers.Dot, (4, 5), (6, 5), axes=2)
    yield case(layers.Dot, (4, 5), (5, 3), axes=(2, 1), normalize=True)
    yield case(layers.Dot, (5,), (5,), axes=1)


def reshapings() -> Iterator[Case]:
    """What moves elements."""
    yield case(layers.Flatten, (4, 5, 2))
    yield case(layers.Flatten, (4, 5, 2), data_format="channels_first")
    yield case(layers.Reshape, (4, 6), target_shape=(8, 3))
    yield case(layers.Reshape, (4, 6), target_shape=(-1, 2))
    yield case(layers.Permute, (4, 5, 6), dims=(3, 1, 2))
    yield case(layers.RepeatVector, (5,), n=3)
    for n, shape, pairs in ((1, SEQUENCE, (1, 2)), (2, IMAGE, ((1, 2), (0, 1))), (3, VOLUME, ((1, 2), (0, 1), (2, 0)))):
        yield case(getattr(layers, f"ZeroPadding{n}D"), shape, padding=pairs)
        yield case(getattr(layers, f"ZeroPadding{n}D"), shape, padding=2)
        yield case(getattr(layers, f"Cropping{n}D"), shape, cropping=pairs)
        yield case(getattr(layers, f"UpSampling{n}D"), shape, size=2)
    yield case(layers.UpSampling2D, IMAGE, size=(2, 3), interpolation="bilinear")
    yield case(layers.UpSampling2D, (5, 6, 3), size=2, interpolation="bicubic")


def dense() -> Iterator[Case]:
    """Products and tables."""
    yield case(layers.Dense, (6,), units=4)
    yield case(layers.Dense, (N, 6), units=4, use_bias=False, activation="gelu")
    yield case(layers.EinsumDense, (N, 6), equation="abc,cd->abd", output_shape=(None, 4), bias_axes="d")
    yield case(
        layers.EinsumDense, (4, 6), equation="abc,cde->abde", output_shape=(4, 2, 3), bias_axes="de", activation="relu"
    )
    yield case(layers.EinsumDense, (4, 6), equation="...x,xy->...y", output_shape=4)
    yield case(layers.Embedding, (N,), dtype="int32", input_dim=5, output_dim=3)
    yield case(layers.Embedding, (N,), input_dim=5, output_dim=3)
    yield case(layers.Identity, (4,))
    yield Case("TimeDistributed(Conv2D)", lambda: layers.TimeDistributed(layers.Conv2D(4, 3)), [(4, 6, 6, 2)])
    yield Case("TimeDistributed(Dense)", lambda: layers.TimeDistributed(layers.Dense(4, activation="relu")), [(N, 6)])


def preprocessings() -> Iterator[Case]:
    """What a model does to its inputs."""
    yield case(layers.Rescaling, (4, 3), scale=1 / 127.5, offset=-1)
    yield case(layers.Rescaling, (4, 3), dtype="uint8", scale=[0.1, 0.2, 0.3], offset=[1, 2, 3])
    yield case(layers.Normalization, (4, 3), mean=[1.0, 2.0, 3.0], variance=[1.0, 0.5, 4.0])
    yield case(layers.Normalization, (4, 3), mean=1.5, variance=2.0, axis=None, invert=True)
    for interpolation in ("bilinear", "nearest", "bicubic", "lanczos3", "area"):
        yield case(layers.Resizing, (6, 7, 3), height=4, width=9, interpolation=interpolation)
    yield case(layers.Resizing, IMAGE, height=4, width=9)
    yield case(layers.Resizing, (6, 7, 3), height=4, width=4, antialias=True)
    yield case(layers.Resizing, (6, 8, 3), height=4, width=4, crop_to_aspect_ratio=True)
    yield case(layers.Resizing, (6, 8, 3), height=4, width=4, pad_to_aspect_ratio=True, fill_value=2.0)
    yield case(layers.CenterCrop, (6, 8, 3), height=4, width=5)
    for mode in ("one_hot", "multi_hot", "count"):
        yield case(
            layers.CategoryEncoding, (1,) if mode == "one_hot" else (6,), dtype="int32", num_tokens=5, output_mode=mode
        )
    for mode in ("int", "one_hot"):
        yield case(layers.Discretization, (1,), bin_boundaries=[-0.5, 0.1, 0.7], output_mode=mode)
    yield case(layers.IntegerLookup, (6,), dtype="int64", vocabulary=[3, 1, 4])
    yield case(layers.IntegerLookup, (6,), dtype="int64", vocabulary=[3, 1, 4], mask_token=2)
    yield case(layers.IntegerLookup, (6,), dtype="int64", vocabulary=[3, 1, 4], mask_token=0, output_mode="multi_hot")
    for kind in (layers.RandomFlip, layers.RandomContrast, layers.RandomRotation):
        yield Case(kind.__name__, (lambda kind=kind: kind() if kind is layers.RandomFlip else kind(0.2)), [(6, 6, 3)])
    for kind in (
        layers.Dropout,
        layers.SpatialDropout1D,
        layers.GaussianNoise,
        layers.GaussianDropout,
        layers.AlphaDropout,
    ):
        yield Case(kind.__name__, lambda kind=kind: kind(0.3), [(4, 5)])
    yield case(layers.ActivityRegularization, (4,), l1=0.1)


def attentions() -> Iterator[Case]:
    """With and without projections."""
    yield case(layers.Attention, (4, 6), (5, 6))
    yield case(layers.Attention, (4, 6), (5, 6), use_scale=True, score_mode="concat")
    yield case(layers.Attention, (N, 6), (N, 6), call={"use_causal_mask": True}, dropout=0.2)
    yield case(layers.Attention, (4, 6), (5, 7), (5, 6), call={"return_attention_scores": True})
    yield case(layers.AdditiveAttention, (4, 6), (5, 6))
    yield case(layers.AdditiveAttention, (4, 6), (5, 6), use_scale=False)


def recurrences() -> Iterator[Case]:
    """Layers, cells, both directions."""
    for kind in (layers.LSTM, layers.GRU, layers.SimpleRNN):
        for options in (
            {},
            {"return_sequences": True, "go_backwards": True},
            {"return_sequences": True, "return_state": True},
            {"use_bias": False, "activation": "relu"},
        ):
            yield case(kind, (N, 3), units=4, **options)
        yield Case(
            f"Bidirectional({kind.__name__})",
            lambda kind=kind: layers.Bidirectional(kind(4, return_sequences=True)),
            [(N, 3)],
        )
    yield case(layers.LSTM, (N, 3), units=4, recurrent_activation="hard_sigmoid")
    yield case(layers.GRU, (N, 3), units=4, reset_after=False)
    for mode in ("sum", "mul", "ave", None):
        yield Case(
            f"Bidirectional({mode})", lambda mode=mode: layers.Bidirectional(layers.LSTM(4), merge_mode=mode), [(N, 3)]
        )
    yield Case(
        "Bidirectional(two layers)",
        lambda: layers.Bidirectional(layers.LSTM(4), backward_layer=layers.GRU(3, go_backwards=True)),
        [(N, 3)],
    )
    yield Case("Bidirectional(return_state)", lambda: layers.Bidirectional(layers.LSTM(4, return_state=True)), [(N, 3)])
    yield Case("RNN(LSTMCell)", lambda: layers.RNN(layers.LSTMCell(4), return_sequences=True), [(N, 3)])
    yield Case(
        "RNN(two cells)", lambda: layers.RNN([layers.GRUCell(4), layers.GRUCell(5), layers.SimpleRNNCell(2)]), [(N, 3)]
    )
    yield case(layers.ConvLSTM1D, (4, 6, 2), filters=3, kernel_size=3)
    yield case(layers.ConvLSTM2D, (3, 5, 6, 2), filters=3, kernel_size=3, padding="same", return_sequences=True)


CASES = [
    one
    for family in (
        convolutions,
        pools,
        normalizations,
        activations,
        merges,
        reshapings,
        dense,
        preprocessings,
        attentions,
        recurrences,
    )
    for one in family()
]


def arrays(one: Case, open_size: int, batch: int) -> list[np.ndarray]:
    """Inputs for a case."""
    from importers.harness import data

    return [data(batch, *shape, dtype=one.dtype, seed=i) for i, shape in enumerate(one.sizes(open_size))]
