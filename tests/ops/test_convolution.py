"""Convolution layers and functions against TensorFlow."""

from __future__ import annotations

import pytest
import strategies as own
from hypothesis import given
from hypothesis import strategies as st
from oracle import tensorflow

import trtnn as nn
import trtnn.functional as F
from ops.harness import check, fill
from ops.references import convolution

tf = tensorflow()
LAYERS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def layer_for(case: own.ConvCase) -> nn.Module:
    """The layer with random weights."""
    windows = case.windows
    layer = LAYERS[windows.spatial](
        case.inputs,
        case.outputs,
        windows.window,
        stride=windows.stride,
        padding=windows.padding,
        dilation=windows.dilation,
        groups=case.groups,
        bias=case.bias,
        data_format=case.data_format,
    )
    fill(layer)
    return layer


def inputs_for(case: own.ConvCase, *leading: int | str, sizes: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """The input's shape in the case's data format."""
    first = case.data_format == "channels_first"
    return (*leading, case.inputs, *sizes) if first else (*leading, *sizes, case.inputs)


@pytest.mark.parametrize("spatial", [1, 2, 3])
@given(st.data())
def test_convolution(spatial: int, data: st.DataObject) -> None:
    """The layer with fixed sizes, and the same layer with named dims called with several."""
    case = data.draw(own.convolutions(spatial))
    layer = layer_for(case)
    bias = None if layer.bias is None else layer.bias.data
    reference = convolution(case, layer.kernel.data, bias)
    calls = [
        [own.random_array(inputs_for(case, case.batch + i, sizes=sizes), seed=i)]
        for i, sizes in enumerate(case.windows.sizes)
    ]
    check(layer, reference, calls[0])
    named = tuple("dhw"[-spatial:])
    check(layer, reference, *calls, inputs=[nn.Input(*inputs_for(case, "batch", sizes=named))])


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_kernel_and_bias_computed_in_the_network(spatial: int, data_format: str) -> None:
    """The function with a kernel that is an input, doubled; TensorFlow's layout in both data formats."""
    ones, sizes = (1,) * spatial, (5, 6, 4)[:spatial]
    case = own.ConvCase(own.Windows((3, 2, 2)[:spatial], ones, ones, "same", (sizes,)), 2, 3, 1, True, data_format, 2)
    x = own.random_array(inputs_for(case, 2, sizes=sizes))
    kernel, bias = own.random_array(case.kernel_shape, seed=1), own.random_array((3,), seed=2)
    function = (F.conv1d, F.conv2d, F.conv3d)[spatial - 1]

    def network(x: nn.Tensor, kernel: nn.Tensor, bias: nn.Tensor) -> nn.Tensor:
        return function(x, kernel * 2, bias + 1, padding="SAME", data_format=data_format)

    check(network, lambda x, kernel, bias: convolution(case, kernel * 2, bias + 1)(x), [x, kernel, bias])


def test_one_padding_per_axis_and_pairs() -> None:
    """Padding is (height, width), each before and after."""
    x, kernel = own.random_array((1, 5, 6, 2)), own.random_array((3, 2, 2, 3))
    for padding, pairs in (((2, 0), [(2, 2), (0, 0)]), (((0, 2), (1, 0)), [(0, 2), (1, 0)])):
        explicit = [(0, 0), *pairs, (0, 0)]
        check(
            lambda x, padding=padding: F.conv2d(x, kernel, padding=padding),
            lambda x, explicit=explicit: tf.nn.conv2d(x, kernel, 1, explicit),
            [x],
        )
