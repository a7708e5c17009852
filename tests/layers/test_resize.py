"""Resizing, enlarging, cropping and padding against Keras's layers and ``tf.image``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ops.harness import check
from ops.references import channels_last
from oracle import keras, tensorflow

import trtnn as nn
import trtnn.functional as F
from layers.twins import data, images, same
from trtnn.errors import ArgumentError, ShapeError
from trtnn.functional.resampling import is_on_the_edge, nearest_places

layers = keras().layers
tf = tensorflow()
MATRIX_METHODS = ["bicubic", "lanczos3", "lanczos5", "area"]


@pytest.mark.parametrize("method", ["nearest", "bilinear"])
@pytest.mark.parametrize("size", [(7, 5), (3, 2), (14, 10), (1, 1), (9, 4), (20, 17)])
def test_resizing(size: tuple[int, int], method: str) -> None:
    """Larger, smaller, one and the other, with named sizes."""
    calls, inputs = images(channels=3, spatial=2, sizes=(7, 5))
    same(nn.Resizing(*size, method), layers.Resizing(*size, method), *calls, inputs=inputs)


@pytest.mark.parametrize("method", ["bilinear", "bicubic", "lanczos3", "lanczos5", "area"])
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("size", [(7, 5), (3, 2), (9, 13), (1, 20)])
def test_resizing_by_matrices(size: tuple[int, int], antialias: bool, method: str) -> None:
    """The methods that no target has, for fixed sizes."""
    layer, twin = (one(*size, method, antialias=antialias) for one in (nn.Resizing, layers.Resizing))
    same(layer, twin, [data(2, 7, 5, 3)], inputs=[nn.Input("batch", 7, 5, 3)])


@pytest.mark.parametrize("coordinates", ["asymmetric", "align_corners", "half_pixel"])
@pytest.mark.parametrize("method", ["nearest", "bilinear"])
@pytest.mark.parametrize("size", [(3, 2), (14, 9), (1, 1)])
def test_coordinates_of_tensorflow_1(size: tuple[int, int], method: str, coordinates: str) -> None:
    """TensorFlow 1's kernels with and without ``align_corners``, and with half-pixel centres."""
    kernel = {"nearest": tf.raw_ops.ResizeNearestNeighbor, "bilinear": tf.raw_ops.ResizeBilinear}[method]
    options = {"align_corners": coordinates == "align_corners", "half_pixel_centers": coordinates == "half_pixel"}
    calls, inputs = images(channels=2, spatial=2, sizes=(7, 5))
    check(
        lambda x: F.resize(x, size, method, coordinates=coordinates),
        lambda x: kernel(images=x, size=size, **options),
        *calls,
        inputs=inputs,
    )


EDGES = [(14, 23, "half_pixel"), (12, 37, "half_pixel"), (15, 25, "asymmetric"), (18, 31, "align_corners")]


def raw_nearest(size: int, resized: int, coordinates: str) -> np.ndarray:
    """The elements that TensorFlow's kernel picks."""
    options = {"align_corners": coordinates == "align_corners", "half_pixel_centers": coordinates == "half_pixel"}
    x = np.arange(size, dtype=np.float32).reshape(1, 1, size, 1)
    return tf.raw_ops.ResizeNearestNeighbor(images=x, size=(1, resized), **options).numpy().reshape(-1).astype(np.int64)


@pytest.mark.parametrize("coordinates", ["half_pixel", "asymmetric", "align_corners"])
def test_nearest_places(coordinates: str) -> None:
    """TensorFlow computes places in float32: the same for all pairs of sizes up to 40, and exact off the edges."""
    delicate = 0
    for size in range(1, 41):
        for resized in range(1, 41):
            want = raw_nearest(size, resized, coordinates)
            np.testing.assert_array_equal(nearest_places(size, resized, coordinates), want, f"{size} to {resized}")
            delicate += is_on_the_edge(size, resized, coordinates)
    assert 100 < delicate < 800


@pytest.mark.parametrize(("size", "resized", "coordinates"), EDGES)
def test_nearest_on_the_edge(size: int, resized: int, coordinates: str) -> None:
    """Where a place falls between two elements, the targets pick as TensorFlow does."""
    assert is_on_the_edge(size, resized, coordinates)
    want = raw_nearest(size, resized, coordinates)
    x = data(1, size, 2, 3)
    check(lambda x: F.resize(x, (resized, 2), "nearest", coordinates=coordinates), lambda x: x[:, want], [x])


@pytest.mark.parametrize("aspect", ["crop_to_aspect_ratio", "pad_to_aspect_ratio"])
@pytest.mark.parametrize("size", [(4, 4), (8, 3), (3, 9), (7, 5)])
def test_aspect_ratio(size: tuple[int, int], aspect: str) -> None:
    """The middle part, or a border around the image; with named sizes too."""
    options = {aspect: True} | ({"fill_value": 0.5} if aspect.startswith("pad") else {})
    calls, inputs = images(channels=2, spatial=2, sizes=(7, 5))
    same(nn.Resizing(*size, **options), layers.Resizing(*size, **options), *calls, inputs=inputs)


def test_resizing_channels_first_and_integers() -> None:
    """(N, C, H, W), and bytes, which become floats."""
    layer = nn.Resizing(5, 9, data_format="channels_first")
    calls, inputs = images(channels=3, spatial=2, first=True)
    same(layer, layers.Resizing(5, 9, data_format="channels_first"), *calls, inputs=inputs)
    pixels = data(2, 6, 4, 3, dtype="int32", low=0, high=255)
    for size, method in (((3, 2), "bilinear"), ((5, 9), "nearest")):  # no result lies half-way between two integers
        same(nn.Resizing(*size, method), layers.Resizing(*size, method), [pixels.astype(np.uint8)])


def test_bytes_that_overshoot_stay_bytes() -> None:
    """Bicubic resampling goes beyond 0 and 255 at an edge between the two."""
    edge = np.repeat(np.uint8([0, 255]), 3).reshape(1, 6, 1, 1) * np.ones((1, 1, 2, 1), np.uint8)
    beyond = layers.Resizing(13, 2, "bicubic")(edge.astype(np.float32)).numpy()
    assert beyond.min() < -1 and beyond.max() > 256
    check(nn.Resizing(13, 2, "bicubic"), lambda x: np.clip(np.rint(beyond), 0, 255).astype(np.uint8), [edge])


@pytest.mark.parametrize(
    ("layer", "twin", "spatial", "factors"),
    [
        (nn.UpSampling1d, layers.UpSampling1D, 1, 3),
        (nn.UpSampling2d, layers.UpSampling2D, 2, (2, 3)),
        (nn.UpSampling3d, layers.UpSampling3D, 3, (2, 1, 3)),
    ],
)
def test_upsampling(layer: type, twin: type, spatial: int, factors: Any) -> None:
    """Every element repeated."""
    calls, inputs = images(channels=2, spatial=spatial, sizes=(4, 3, 2))
    same(layer(factors), twin(factors), *calls, inputs=inputs)


@pytest.mark.parametrize("method", ["bilinear", "bicubic", "lanczos3"])
def test_upsampling_interpolation(method: str) -> None:
    """Keras resizes for anything but "nearest"."""
    layer, twin = nn.UpSampling2d((2, 3), method), layers.UpSampling2D((2, 3), interpolation=method)
    calls, inputs = images(channels=2, spatial=2)
    dynamic = method == "bilinear"
    same(layer, twin, *(calls if dynamic else calls[:1]), inputs=inputs if dynamic else None)


def test_upsampling_channels_first() -> None:
    """(N, C, H, W)."""
    layer = nn.UpSampling2d(2, data_format="channels_first")
    calls, inputs = images(channels=3, spatial=2, first=True)
    same(layer, layers.UpSampling2D(2, data_format="channels_first"), *calls, inputs=inputs)


@pytest.mark.parametrize("size", [(4, 4), (7, 5), (3, 2), (6, 1)])
def test_center_crop(size: tuple[int, int]) -> None:
    """Even and odd rests."""
    calls, inputs = images(channels=2, spatial=2, sizes=(7, 5))
    same(nn.CenterCrop(*size), layers.CenterCrop(*size), *calls, inputs=inputs)


@pytest.mark.parametrize("size", [(9, 4), (5, 8), (12, 12)])
def test_center_crop_of_a_small_image(size: tuple[int, int]) -> None:
    """Keras resizes what does not cover the crop."""
    same(nn.CenterCrop(*size), layers.CenterCrop(*size), [data(2, 7, 5, 3)])
    first = {"data_format": "channels_first"}
    same(nn.CenterCrop(*size, **first), layers.CenterCrop(*size, **first), [data(2, 3, 7, 5)])


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize(
    ("spatial", "pairs"),
    [(1, 2), (1, (1, 2)), (2, 1), (2, (1, 2)), (2, ((1, 0), (2, 1))), (3, ((0, 1), (1, 0), (1, 1)))],
)
def test_zero_padding_and_cropping(spatial: int, pairs: Any, first: bool) -> None:
    """All forms in which the amounts may be given."""
    calls, inputs = images(channels=2, spatial=spatial, first=first)
    for name in ("ZeroPadding", "Cropping"):
        layer, twin = getattr(nn, f"{name}{spatial}d"), getattr(layers, f"{name}{spatial}D")
        options = {"data_format": "channels_first"} if first else {}
        if spatial == 1 and first and name == "Cropping":  # Keras has no data format here
            same(layer(pairs, **options), twin(pairs), *calls, inputs=inputs, twin_call=_moved)
        else:
            same(layer(pairs, **options), twin(pairs, **options), *calls, inputs=inputs)


def _moved(layer: Any, x: Any) -> Any:
    return channels_last(layer, "channels_first")(x)


def test_errors() -> None:
    """What is said about options and sizes that do not fit."""
    with pytest.raises(ShapeError, match="resize: expected fixed sizes for 'bicubic', got h to 4 on axis 1"):
        nn.Resizing(4, 4, "bicubic").trace(nn.Input(1, "h", 4, 3))
    with pytest.raises(ArgumentError, match="resize: expected a method of nearest, bilinear"):
        nn.Resizing(4, 4, "gaussian").trace(nn.Input(1, 8, 8, 3))
    with pytest.raises(ArgumentError, match="Resizing: expected crop_to_aspect_ratio or pad_to_aspect_ratio, got both"):
        nn.Resizing(4, 4, crop_to_aspect_ratio=True, pad_to_aspect_ratio=True)
    with pytest.raises(ArgumentError, match=r"ZeroPadding2d: expected an int, 2 ints, or 2 \(before, after\) pairs"):
        nn.ZeroPadding2d((1, 2, 3))
