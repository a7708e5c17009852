"""Preprocessing layers, merging layers and layers that move elements against Keras's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ops.harness import check
from oracle import keras

import trtnn as nn
import trtnn.functional as F
from layers.twins import data, images, listed, same
from trtnn.errors import ArgumentError, ShapeError

layers = keras().layers


@pytest.mark.parametrize(("axis", "shape"), [(-1, 6), (1, 4), ((1, 2), (4, 6)), ((), ())])
@pytest.mark.parametrize("invert", [False, True])
def test_normalization(axis: Any, shape: Any, invert: bool) -> None:
    """Statistics as weights; one number for ``axis=None`` in Keras."""
    layer, twin = nn.Normalization(shape, axis, invert=invert), layers.Normalization(axis or None, invert=invert)
    x = data(2, 4, 6)
    twin.build(x.shape)
    mean, variance = np.asarray(data(*twin.adapt_mean.shape)), np.abs(data(*twin.adapt_variance.shape, 1))[..., 0]
    twin.set_weights([mean, variance, np.asarray(1)])
    twin.finalize_state()
    layer.mean.assign(mean)
    layer.variance.assign(variance)
    check(layer, twin, [x], inputs=[nn.Input("batch", 4, 6)])


@pytest.mark.parametrize(("mean", "variance"), [(2.0, 4.0), ([1.0, 2.0, 3.0], [4.0, 0.0, 0.25])])
def test_normalization_with_numbers(mean: Any, variance: Any) -> None:
    """Statistics as arguments; a variance of 0, which Keras replaces; integers."""
    layer, twin = nn.Normalization(3, mean=mean, variance=variance), layers.Normalization(mean=mean, variance=variance)
    same(layer, twin, [data(2, 4, 3)])
    same(layer, twin, [data(2, 4, 3, dtype="int32")])


@pytest.mark.parametrize(("scale", "offset"), [(1 / 255, 0.0), (2.0, -1.0), ([0.5, 1.0, 2.0], [0.0, 1.0, -1.0])])
def test_rescaling(scale: Any, offset: Any) -> None:
    """Numbers and arrays; bytes become floats."""
    layer, twin = nn.Rescaling(scale, offset), layers.Rescaling(scale, offset)
    same(layer, twin, [data(2, 4, 5, 3)], inputs=[nn.Input("batch", "h", "w", 3)])
    same(layer, twin, [data(2, 4, 5, 3, dtype="int32", low=0, high=255).astype(np.uint8)])


@pytest.mark.parametrize("mode", ["one_hot", "multi_hot", "count"])
@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 3)])
def test_category_encoding(mode: str, shape: tuple[int, ...]) -> None:
    """Vectors and samples of several tokens, one of them twice."""
    x = data(*shape, dtype="int32", low=0, high=5)
    x[-1] = x[0]
    same(nn.CategoryEncoding(6, mode), layers.CategoryEncoding(6, mode), [x])


def test_category_weights() -> None:
    """Counts of weights instead of ones."""
    arrays = [data(4, 3, dtype="int32", low=0, high=5), data(4, 3)]
    layer, twin = nn.CategoryEncoding(6, "count"), layers.CategoryEncoding(6, "count")
    same(layer, twin, arrays, twin_call=lambda one, x, weights: one(x, count_weights=weights))


@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count"])
@pytest.mark.parametrize("boundaries", [[0.0], [-1.5, 0.0, 0.5, 2.0]])
def test_discretization(mode: str, boundaries: list[float]) -> None:
    """Numbers between the boundaries and on them; integers."""
    x = np.concatenate([data(4), np.float32([-1.5, 0.0, 0.5, 2.0])]).reshape(4, 2)
    layer, twin = nn.Discretization(boundaries, mode), layers.Discretization(boundaries, output_mode=mode)
    kind = "int64" if mode == "int" else "float32"
    check(layer, lambda x: np.asarray(twin(x)).astype(kind), [x])
    check(layer, lambda x: np.asarray(twin(x)).astype(kind), [np.array([[-2, 0], [1, 2]], np.int32)])


@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count"])
@pytest.mark.parametrize("mask", [None, 0])
@pytest.mark.parametrize("unknown", [1, 3])
def test_integer_lookup(mode: str, mask: int | None, unknown: int) -> None:
    """In the vocabulary, out of it, and masked."""
    twin = layers.IntegerLookup(vocabulary=[5, 7, -2], mask_token=mask, output_mode=mode, num_oov_indices=unknown)
    layer = nn.IntegerLookup([5, 7, -2], mask, mode, unknown)
    x = np.array([[5, 7, 9], [0, -2, 5], [-4, 11, 7]], np.int64)
    kind = "int64" if mode == "int" else "float32"
    check(layer, lambda x: np.asarray(twin(x)).astype(kind), [x])


MERGES = ["Add", "Multiply", "Average", "Maximum", "Minimum"]


@pytest.mark.parametrize("name", MERGES)
@pytest.mark.parametrize(
    "shapes", [[(2, 3, 4)] * 2, [(2, 3, 4)] * 3, [(2, 3, 4), (2, 1, 4)], [(2, 4), (2, 3, 4)]], ids=str
)
def test_merging(name: str, shapes: list[tuple[int, ...]]) -> None:
    """Two inputs and three, sizes of 1, ranks that differ: the batch axes meet, as in Keras."""
    same(
        getattr(nn, name)(),
        getattr(layers, name)(),
        [data(*s) * (1 + i) for i, s in enumerate(shapes)],
        twin_call=listed,
    )


def test_subtract_and_concatenate() -> None:
    """The first minus the second; one after the other."""
    arrays = [data(2, 3, 4), data(2, 3, 4) * 0.5]
    same(nn.Subtract(), layers.Subtract(), arrays, twin_call=listed)
    for axis in (-1, 1):
        same(nn.Concatenate(axis), layers.Concatenate(axis), arrays, twin_call=listed)


def test_reshaping() -> None:
    """Shapes, orders, repetition, with a named batch."""
    inputs = [nn.Input("batch", 4, 6)]
    calls = [data(2, 4, 6)], [data(3, 4, 6)]
    same(nn.Reshape((3, -1, 2)), layers.Reshape((3, -1, 2)), *calls, inputs=inputs)
    same(nn.Permute((2, 1)), layers.Permute((2, 1)), *calls, inputs=inputs)
    same(nn.Flatten(), layers.Flatten(), *calls, inputs=inputs)
    same(nn.RepeatVector(3), layers.RepeatVector(3), [data(2, 6)], [data(1, 6)], inputs=[nn.Input("batch", 6)])
    same(nn.Flatten(), layers.Flatten(), [data(3)])


@pytest.mark.parametrize("rank", [2, 3, 4, 5])
def test_flatten_channels_first(rank: int) -> None:
    """Keras flattens in the order of channels last."""
    x = data(2, 3, 4, 2, 5)[(slice(None),) * rank + (0,) * (5 - rank)]
    same(nn.Flatten(data_format="channels_first"), layers.Flatten(data_format="channels_first"), [x])


SPATIAL = {1: "1d", 2: "2d", 3: "3d"}


@pytest.mark.parametrize("spatial", [1, 2, 3])
@pytest.mark.parametrize(("kind", "twin"), [("MaxPool", "MaxPooling"), ("AveragePool", "AveragePooling")])
def test_pooling(spatial: int, kind: str, twin: str) -> None:
    """The layers of every rank; options are tested with the functions."""
    calls, inputs = images(channels=2, spatial=spatial)
    for window, stride, padding in ((2, None, "valid"), (3, 2, "same")):
        layer = getattr(nn, f"{kind}{spatial}d")(window, stride, padding)
        same(layer, getattr(layers, f"{twin}{spatial}D")(window, stride, padding), *calls, inputs=inputs)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("spatial", [1, 2, 3])
@pytest.mark.parametrize("kind", ["Average", "Max"])
def test_adaptive_and_global_pooling(kind: str, spatial: int, first: bool) -> None:
    """Windows that overlap, windows that do not, and one window."""
    data_format = "channels_first" if first else "channels_last"
    ((x,), _), _ = images(channels=2, spatial=spatial, first=first, sizes=(6, 5, 4))
    named = nn.Input("batch", *x.shape[1:])
    sizes = [
        (3, 5, 2),
        (4, 3, 3),
        *([(1, 1, 1)] if kind == "Average" else []),
    ]  # a maximum of all crashes TensorFlow here
    for size in (one[:spatial] for one in sizes):
        layer = getattr(nn, f"Adaptive{kind}Pool")(size, data_format)
        twin = getattr(layers, f"Adaptive{kind}Pooling{spatial}D")(size, data_format=data_format)
        same(layer, twin, [x], inputs=[named])
    for keepdims in (False, True):
        layer = getattr(nn, f"Global{kind}Pool")(keepdims, data_format)
        twin = getattr(layers, f"Global{kind}Pooling{spatial}D")(keepdims=keepdims, data_format=data_format)
        same(layer, twin, [x], inputs=[named])


def test_errors() -> None:
    """What is said about options and sizes that do not fit."""
    with pytest.raises(ArgumentError, match="Normalization: expected one size for every axis, and mean"):
        nn.Normalization(3, mean=1.0)
    with pytest.raises(ArgumentError, match=r"CategoryEncoding: expected an output_mode of one_hot, .*, got 'int'"):
        nn.CategoryEncoding(3, "int")
    with pytest.raises(ArgumentError, match="boundaries: expected one or more numbers in ascending order"):
        nn.Discretization([1.0, 0.0]).trace(nn.Input(3))
    with pytest.raises(ArgumentError, match="Permute: expected the axes 1 to 2 in any order, got"):
        nn.Permute((0, 1))
    with pytest.raises(ShapeError, match=r"adaptive pooling: expected fixed sizes of at least \(2,\), got \(w,\)"):
        nn.AdaptiveMaxPool(2).trace(nn.Input(1, "w", 3))
    assert F.__all__.count("crop") == 1
