"""Layers about shapes: shuffles, slices, padding, concatenation, against NumPy and ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from hand_network import HandNetwork, in_every_listing, random, trt  # noqa: F401
from hypothesis import given
from hypothesis import strategies as st

from trtnn.errors import GraphError


def shuffle(x: np.ndarray, *, dynamic: bool = True, tensor_dims: tuple = (), **settings: object) -> np.ndarray:
    net = HandNetwork()
    layer = net.network.add_shuffle(net.input("x", (-1,) * x.ndim if dynamic else x.shape))
    for name, value in settings.items():
        setattr(layer, name, value)
    inputs = {"x": x}
    if tensor_dims:
        layer.set_input(1, net.input("dims", (len(tensor_dims),), np.int64))
        inputs["dims"] = np.array(tensor_dims, np.int64)
    net.mark(layer.get_output(0))
    return net.simulate(**inputs)


@given(st.permutations(range(4)), st.permutations(range(3)))
def test_transpose_reshape_transpose(first, second):
    x = random(2, 3, 4, 5)
    between = x.transpose(first)
    want = between.reshape(between.shape[0], -1, 5 if between.shape[2] == 5 else 1).transpose(second)
    last = want.shape[second.index(2)]
    got = shuffle(x, first_transpose=first, reshape_dims=(0, -1, last), second_transpose=second)
    np.testing.assert_array_equal(got, want)


def test_transpose_alone():
    x = random(2, 3, 4)
    np.testing.assert_array_equal(shuffle(x, first_transpose=(2, 0, 1)), x.transpose(2, 0, 1))


def test_reshape_by_a_tensor():
    x = random(2, 3, 4)
    np.testing.assert_array_equal(shuffle(x, tensor_dims=(4, 6)), x.reshape(4, 6))
    np.testing.assert_array_equal(shuffle(x, tensor_dims=(0, -1)), x.reshape(2, 12))


def test_zero_can_mean_an_empty_dimension():
    assert shuffle(random(2, 0), zero_is_placeholder=False, reshape_dims=(0, 5)).shape == (0, 5)


def test_shape_is_int64():
    net = HandNetwork()
    net.mark(net.network.add_shape(net.input("x", (-1, 3, -1))).get_output(0))
    got = net.simulate(x=random(2, 3, 5))
    assert got.dtype == np.int64
    assert got.tolist() == [2, 3, 5]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_concatenation(axis):
    parts = [random(*[n if place == axis else 2 for place in range(3)]) for n in (1, 3, 2)]
    net = HandNetwork()
    inputs = [net.input(name, part.shape) for name, part in zip("abc", parts, strict=True)]
    layer = net.network.add_concatenation(inputs)
    layer.axis = axis
    net.mark(layer.get_output(0))
    np.testing.assert_array_equal(
        net.simulate_and_build(**dict(zip("abc", parts, strict=True))), np.concatenate(parts, axis)
    )


def test_squeeze_and_unsqueeze():
    x = random(1, 3, 1, 4)
    net = HandNetwork()
    image = net.input("x", (-1, 3, 1, 4))
    axes = net.constant([2], np.int64)
    net.mark(net.network.add_squeeze(image, axes).get_output(0), "squeezed")
    net.mark(net.network.add_squeeze(image, None).get_output(0), "all")
    net.mark(net.network.add_unsqueeze(image, net.constant([0, -1], np.int64)).get_output(0), "unsqueezed")
    got = net.simulate(x=x)
    np.testing.assert_array_equal(got["squeezed"], x[:, :, 0])
    np.testing.assert_array_equal(got["all"], x[:, :, 0])
    np.testing.assert_array_equal(got["unsqueezed"], x[None, ..., None])


@given(st.tuples(*[st.integers(-2, 3)] * 4))
def test_padding_and_trimming(pads):
    x = random(1, 2, 5, 6)
    net = HandNetwork()
    net.mark(net.network.add_padding_nd(net.input("x", (1, 2, 5, 6)), pads[:2], pads[2:]).get_output(0))
    grown = np.pad(x, [(0, 0), (0, 0), *((max(a, 0), max(b, 0)) for a, b in zip(pads[:2], pads[2:], strict=True))])
    cut = [slice(max(-a, 0), n + min(b, 0)) for a, b, n in zip(pads[:2], pads[2:], grown.shape[2:], strict=True)]
    np.testing.assert_array_equal(net.simulate(x=x), grown[:, :, *cut])


def sliced(
    x: np.ndarray,
    start: tuple,
    size: tuple,
    stride: tuple,
    mode: str = "STRICT_BOUNDS",
    fill: float | None = None,
    tensors: bool = False,
    axes: tuple | None = None,
) -> np.ndarray:
    net = HandNetwork()
    inputs = {"x": x}
    layer = net.network.add_slice(net.input("x", x.shape), start, size, stride)
    layer.mode = getattr(trt.SampleMode, mode)
    if tensors:
        for index, (name, values) in enumerate({"start": start, "size": size, "stride": stride}.items(), start=1):
            layer.set_input(index, net.input(name, (len(values),), np.int64))
            inputs[name] = np.array(values, np.int64)
    if fill is not None:
        layer.set_input(4, net.constant(fill, np.float32))
    if axes is not None:
        layer.axes = axes
    net.mark(layer.get_output(0))
    return net.simulate(**inputs)


@given(st.booleans(), st.integers(-3, 3), st.integers(1, 3), st.integers(0, 2))
def test_slice_inside(tensors, step, count, first):
    x = random(9, 4)
    start = first if step >= 0 else 8 - first
    want = x[[start + step * i for i in range(count)]][:, 1:3]
    np.testing.assert_array_equal(sliced(x, (start, 1), (count, 2), (step, 1), tensors=tensors), want)


@given(
    st.sampled_from(["CLAMP", "REFLECT", "WRAP", "FILL"]),
    st.tuples(*[st.integers(0, 3)] * 4),
    st.one_of(st.none(), st.just(7.0)),
)
def test_slice_as_padding(mode, pads, fill):
    x = random(4, 5)
    widths = list(zip(pads[:2], pads[2:], strict=True))
    numpy_mode = {"CLAMP": "edge", "REFLECT": "reflect", "WRAP": "wrap", "FILL": "constant"}[mode]
    value = {"constant_values": fill or 0.0} if mode == "FILL" else {}
    want = np.pad(x, widths, mode=numpy_mode, **value)
    got = sliced(x, (-pads[0], -pads[1]), want.shape, (1, 1), mode, fill if mode == "FILL" else None)
    np.testing.assert_array_equal(got, want)


def test_slice_of_some_axes():
    x = random(4, 5, 6)
    np.testing.assert_array_equal(sliced(x, (2,), (3,), (1,), axes=(1,)), x[:, 2:5])


def test_slice_out_of_bounds():
    with pytest.raises(GraphError, match=r"the SLICE layer cannot be evaluated: axis 0 has 4 elements, asked for 4"):
        sliced(random(4), (2,), (3,), (1,), tensors=True)
