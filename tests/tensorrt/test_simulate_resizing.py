"""Resizing and grid sampling, against TensorFlow and ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hand_network import HandNetwork, in_every_listing, random, trt  # noqa: F401
from hypothesis import given
from hypothesis import strategies as st
from onnx_oracle import onnx_operation
from oracle import assert_close, tensorflow

extents = st.tuples(*[st.integers(1, 9)] * 2)


def resize(x: np.ndarray, size: tuple, mode: str, transformation: str, **settings: Any) -> np.ndarray:
    net = HandNetwork()
    layer = net.network.add_resize(net.input("x", x.shape))
    layer.shape = (*x.shape[:-2], *size)
    layer.resize_mode = getattr(trt.InterpolationMode, mode)
    layer.coordinate_transformation = getattr(trt.ResizeCoordinateTransformation, transformation)
    for name, value in settings.items():
        setattr(layer, name, value)
    net.mark(layer.get_output(0))
    return net.simulate(x=x)


@given(st.sampled_from(["nearest", "bilinear"]), extents, extents)
def test_half_pixel_is_tensorflow_2s(method, before, after):
    x = random(1, 2, *before)
    mode, rounding = {"nearest": ("NEAREST", "FLOOR"), "bilinear": ("LINEAR", "HALF_UP")}[method]
    # TensorFlow's nearest is floor((i + 0.5) n / o): the half-pixel coordinate plus a half, rounded down.
    rounding = "HALF_UP" if method == "nearest" else rounding
    got = resize(x, after, mode, "HALF_PIXEL", nearest_rounding=getattr(trt.ResizeRoundMode, rounding))
    want = tensorflow().image.resize(x.transpose(0, 2, 3, 1), after, method).numpy().transpose(0, 3, 1, 2)
    assert_close(got, want)


@given(st.sampled_from(["nearest_neighbor", "bilinear"]), st.booleans(), extents, extents)
def test_tensorflow_1s(method, align_corners, before, after):
    x = random(1, 2, *before)
    function = getattr(tensorflow().compat.v1.image, f"resize_{method}")
    want = function(x.transpose(0, 2, 3, 1), after, align_corners).numpy().transpose(0, 3, 1, 2)
    rounding = trt.ResizeRoundMode.HALF_UP if align_corners else trt.ResizeRoundMode.FLOOR
    got = resize(
        x, after, "LINEAR" if method == "bilinear" else "NEAREST", "ALIGN_CORNERS" if align_corners else "ASYMMETRIC",
        nearest_rounding=rounding, selector_for_single_pixel=trt.ResizeSelector.UPPER,
    )  # fmt: skip
    assert_close(got, want)


ROUNDING = {"HALF_UP": "round_prefer_ceil", "HALF_DOWN": "round_prefer_floor", "FLOOR": "floor", "CEIL": "ceil"}
TRANSFORMATIONS = {"HALF_PIXEL": "half_pixel", "ASYMMETRIC": "asymmetric", "ALIGN_CORNERS": "align_corners"}


@pytest.mark.parametrize("rounding", ROUNDING)
@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
def test_rounding(rounding, transformation):
    x = random(1, 1, 4, 6)
    for size in [(8, 3), (2, 12), (4, 9)]:
        got = resize(x, size, "NEAREST", transformation, nearest_rounding=getattr(trt.ResizeRoundMode, rounding))
        want = onnx_operation(
            "Resize", x, None, None, np.array([1, 1, *size], np.int64), mode="nearest",
            nearest_mode=ROUNDING[rounding], coordinate_transformation_mode=TRANSFORMATIONS[transformation],
        )  # fmt: skip
        np.testing.assert_array_equal(got, want)


@given(
    st.sampled_from(["LINEAR", "CUBIC"]), st.sampled_from(sorted(TRANSFORMATIONS)), st.booleans(),
    st.tuples(*[st.integers(4, 6)] * 2), st.tuples(*[st.integers(2, 9)] * 2),
)  # fmt: skip
def test_interpolation(mode, transformation, excludes, before, after):
    x = random(1, 2, *before)
    excludes = excludes and mode == "CUBIC"
    got = resize(x, after, mode, transformation, exclude_outside=excludes, cubic_coeff=-0.5)
    want = onnx_operation(
        "Resize", x, None, None, np.array([1, 2, *after], np.int64), mode=mode.lower(), exclude_outside=int(excludes),
        cubic_coeff_a=-0.5, coordinate_transformation_mode=TRANSFORMATIONS[transformation],
    )  # fmt: skip
    assert_close(got, want)


def test_by_scales_and_by_a_tensor():
    x = random(1, 2, 4, 5)
    net = HandNetwork()
    image = net.input("x", (1, 2, -1, -1))
    scaled = net.network.add_resize(image)
    scaled.scales = [1, 1, 2, 2]
    shaped = net.network.add_resize(image)
    shaped.set_input(1, net.input("size", (4,), np.int64))
    net.mark(scaled.get_output(0), "scaled")
    net.mark(shaped.get_output(0), "shaped")
    got = net.simulate(x=x, size=np.array([1, 2, 8, 10]))
    np.testing.assert_array_equal(got["scaled"], x.repeat(2, 2).repeat(2, 3))
    np.testing.assert_array_equal(got["shaped"], got["scaled"])


def test_a_static_shape_is_built():
    net = HandNetwork()
    layer = net.network.add_resize(net.input("x", (1, 2, 4, 5)))
    layer.shape, layer.resize_mode = (1, 2, 8, 10), trt.InterpolationMode.LINEAR
    net.mark(layer.get_output(0))
    assert net.simulate_and_build(x=random(1, 2, 4, 5)).shape == (1, 2, 8, 10)


SAMPLING = {"LINEAR": "linear", "NEAREST": "nearest"}
BORDERS = {"FILL": "zeros", "CLAMP": "border", "REFLECT": "reflection"}


@pytest.mark.parametrize("rank", [2, 3])
@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("interpolation", SAMPLING)
def test_grid_sample(interpolation, border, aligned, rank):
    x, grid = random(2, 3, *(4, 5, 3)[:rank]), 1.2 * random(2, *(6, 2, 2)[:rank], rank)
    net = HandNetwork()
    layer = net.network.add_grid_sample(net.input("x", x.shape), net.input("grid", grid.shape))
    layer.interpolation_mode = getattr(trt.InterpolationMode, interpolation)
    layer.sample_mode, layer.align_corners = getattr(trt.SampleMode, border), aligned
    net.mark(layer.get_output(0))
    want = onnx_operation(
        "GridSample", x, grid, mode=SAMPLING[interpolation], padding_mode=BORDERS[border], align_corners=int(aligned)
    )
    assert_close(net.simulate_and_build(x=x, grid=grid), want)
