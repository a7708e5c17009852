"""BatchNorm folding: folded where that is exact, and only there. TensorFlow evaluates the graph as it was traced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import strategies as own
from hypothesis import given
from hypothesis import strategies as st
from ops.harness import check, fill, lowered, results, static_inputs, traced

import trtnn as nn
import trtnn.functional as F
from passes.counting import count, operations
from passes.evaluate import evaluate
from passes.networks import Apply
from trtnn.graph import Graph
from trtnn.graph.ops import BatchNorm, Binary
from trtnn.graph.verify import verify
from trtnn.passes import fold_constants, remove_dead, to_channels_first

X = own.random_array((2, 7, 8, 4), seed=1)


def check_folded(module: nn.Module, *, norms: int, x: np.ndarray = X, inputs: Any = None) -> Graph:
    """Demands the numbers of the graph as it was traced, on every target, and so many BatchNorms in the lowered one.

    Returns the lowered graph.
    """
    whole = traced(module, inputs or static_inputs([x]))

    def reference(x: np.ndarray) -> Any:
        results = evaluate(whole, [x])
        return results[0] if whole.returns == "tensor" else tuple(results)

    graph = check(module, reference, [x], inputs=inputs)
    assert count(graph, BatchNorm) == norms, str(graph)
    return graph


def sequence(*steps: Any) -> nn.Module:
    """The steps one after the other, with random weights."""
    module = nn.Sequential(*steps)
    fill(module)
    return module


def change(parameter: nn.Parameter | None, factor: Any) -> None:
    """Multiplies a weight."""
    assert parameter is not None and parameter.data is not None
    parameter.assign(np.float32(parameter.data * np.float32(factor)))


CONVOLUTIONS: dict[str, Callable[..., nn.Module]] = {
    "plain": lambda **options: nn.Conv2d(4, 4, 3, **options),
    "without bias": lambda **options: nn.Conv2d(4, 4, 3, bias=False, **options),
    "grouped": lambda **options: nn.Conv2d(4, 4, (2, 3), groups=2, **options),
    "depthwise": lambda **options: nn.Conv2d(4, 4, 3, groups=4, **options),
    "strided": lambda **options: nn.Conv2d(4, 4, 3, stride=2, **options),
    "dilated": lambda **options: nn.Conv2d(4, 4, 3, dilation=2, **options),
}
PADDINGS = ["same", "valid", 1, ((0, 1), (1, 0))]


@pytest.mark.parametrize("padding", PADDINGS, ids=str)
@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_convolution_then_norm(kind: str, padding: Any) -> None:
    """The padding does not matter behind the convolution."""
    graph = check_folded(sequence(CONVOLUTIONS[kind](padding=padding), nn.BatchNorm(4)), norms=0)
    assert operations(graph) == ["transpose", "conv", "transpose"]


@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_norm_then_unpadded_convolution(kind: str) -> None:
    graph = check_folded(sequence(nn.BatchNorm(4), CONVOLUTIONS[kind]()), norms=0)
    assert operations(graph) == ["transpose", "conv", "transpose"]


@pytest.mark.parametrize("padding", ["same", 1, ((0, 1), (1, 0))], ids=str)
@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_norm_then_padded_convolution_stays(kind: str, padding: Any) -> None:
    """A padded zero would get the shift too."""
    check_folded(sequence(nn.BatchNorm(4), CONVOLUTIONS[kind](padding=padding)), norms=1)


@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_norm_without_shift_then_padded_convolution(kind: str) -> None:
    module = sequence(nn.BatchNorm(4), CONVOLUTIONS[kind](padding="same"))
    change(module[0].beta, 0)
    change(module[0].moving_mean, 0)
    check_folded(module, norms=0)


def test_same_padding_that_pads_nothing() -> None:
    """A window of 1, and one that a stride fits exactly, see no padding; with named sizes only the first is known."""
    check_folded(sequence(nn.BatchNorm(4), nn.Conv2d(4, 5, 1, padding="same")), norms=0)
    halving = sequence(nn.BatchNorm(4), nn.Conv2d(4, 5, 2, stride=2, padding="same"))
    check_folded(halving, norms=0, x=own.random_array((1, 6, 8, 4)))
    named = [nn.Input("batch", "height", "width", 4)]
    check_folded(halving, norms=1, inputs=named)
    check_folded(sequence(nn.BatchNorm(4), nn.Conv2d(4, 5, 1, padding="same")), norms=0, inputs=named)


def fold_nothing(module: nn.Module, x: np.ndarray) -> Graph:
    """The graph as backends take it, but for the folding."""
    return verify(remove_dead(fold_constants(to_channels_first(traced(module, static_inputs([x]))))))


@pytest.mark.parametrize("spatial", [1, 3])
def test_other_ranks(spatial: int) -> None:
    """The same with and without folding."""
    layer = nn.Conv1d if spatial == 1 else nn.Conv3d
    x = own.random_array((2, *(5, 6, 4)[:spatial], 4))
    module = sequence(nn.BatchNorm(4), layer(4, 3, 2), nn.BatchNorm(3))
    folded = lowered(module, static_inputs([x]))
    assert operations(folded) == ["transpose", "conv", "transpose"]
    graph = fold_nothing(module, x)
    assert count(graph, BatchNorm) == 2
    check(module, lambda x: results(graph, "onnxruntime", [[x]])[0], [x])


def test_channels_first() -> None:
    x = own.random_array((2, 4, 7, 8))
    steps = [nn.Conv2d(4, 6, 3, padding="same", data_format="channels_first"), nn.BatchNorm(6, axis=1)]
    graph = check_folded(sequence(*steps), norms=0, x=x)
    assert operations(graph) == ["conv"]


def test_norm_along_another_axis_stays() -> None:
    """Along the height it is not one number per channel."""
    check_folded(sequence(nn.Conv2d(4, 4, 3, padding="same"), nn.BatchNorm(7, axis=1)), norms=1)


def test_both_sides_and_chains() -> None:
    """Norms in a row, before and behind, and between two convolutions."""
    check_folded(sequence(nn.Conv2d(4, 3, 3), nn.BatchNorm(3), nn.BatchNorm(3)), norms=0)
    check_folded(sequence(nn.BatchNorm(4), nn.BatchNorm(4), nn.Conv2d(4, 3, 3)), norms=0)
    check_folded(
        sequence(nn.BatchNorm(4), nn.Conv2d(4, 4, 3), nn.BatchNorm(4), nn.Conv2d(4, 2, 2), nn.BatchNorm(2)), norms=0
    )


def test_norm_behind_an_activation_then_padded_convolution_stays() -> None:
    """DenseNet's order: neither side can take it."""
    check_folded(
        sequence(nn.Conv2d(4, 4, 1), F.relu, nn.BatchNorm(4), F.relu, nn.Conv2d(4, 4, 3, padding="same")), norms=1
    )


@pytest.mark.parametrize("padding", PADDINGS, ids=str)
def test_through_average_pooling(padding: Any) -> None:
    """Padding is left out of the mean, so the mean of an affine is the affine of the mean."""
    pool = Apply(lambda x: F.average_pool(x, 3, 2, padding))
    check_folded(sequence(nn.Conv2d(4, 4, 3, padding="same"), pool, nn.BatchNorm(4)), norms=0)


@pytest.mark.parametrize("padding", PADDINGS, ids=str)
def test_through_maximum_pooling_only_when_the_scale_is_positive(padding: Any) -> None:
    pool = Apply(lambda x: F.max_pool(x, 3, 2, padding))
    check_folded(sequence(nn.Conv2d(4, 4, 3, padding="same"), pool, nn.BatchNorm(4)), norms=0)
    for sign in ([1, -1, 1, 1], [0, 1, 1, 1]):
        module = sequence(nn.Conv2d(4, 4, 3, padding="same"), pool, nn.BatchNorm(4))
        change(module[2].gamma, sign)
        check_folded(module, norms=1)


def test_linear_then_norm() -> None:
    graph = check_folded(sequence(nn.Linear(4, 5), nn.BatchNorm(5)), norms=0)
    assert operations(graph) == ["mat_mul", "add"]
    check_folded(sequence(nn.Linear(4, 5, bias=False), nn.BatchNorm(5)), norms=0, x=own.random_array((3, 4)))


def test_norm_then_linear() -> None:
    graph = check_folded(sequence(nn.BatchNorm(4), nn.Linear(4, 5)), norms=0, x=own.random_array((3, 4)))
    assert count(graph, Binary) <= 2
    check_folded(sequence(nn.BatchNorm(4), nn.Linear(4, 5, bias=False)), norms=0)


class TransposedProduct(nn.Module):
    """A product with a matrix that is stored (out, in), between two BatchNorms."""

    def __init__(self) -> None:
        self.before, self.after = nn.BatchNorm(4), nn.BatchNorm(5)
        self.kernel = nn.Parameter((5, 4))

    def forward(self, x: nn.Tensor) -> nn.Tensor:
        return self.after(F.matmul(self.before(x), self.kernel, transpose_y=True))


def test_norms_around_a_transposed_matrix() -> None:
    module = TransposedProduct()
    fill(module)
    check_folded(module, norms=0, x=own.random_array((3, 4)))


def test_a_convolution_with_another_user_keeps_its_result() -> None:
    """What lies between is an output too, or is used a second time."""
    convolution = nn.Conv2d(4, 4, 3, padding="same")
    check_folded(parallel(lambda x, conv, norm: both(conv(x), norm, F.relu), convolution, nn.BatchNorm(4)), norms=1)
    check_folded(
        parallel(lambda x, conv, norm: both(conv(x), norm, lambda y: y), convolution, nn.BatchNorm(4)), norms=1
    )


def parallel(function: Callable[..., Any], *parts: nn.Module) -> nn.Module:
    """A function of the input and of parts with random weights."""
    module = Apply(function, *parts)
    fill(module)
    return module


def both(x: nn.Tensor, one: Callable[..., Any], other: Callable[..., Any]) -> tuple[nn.Tensor, nn.Tensor]:
    """Two functions of one tensor."""
    return one(x), other(x)


def test_residual_sum_then_norm_stays() -> None:
    convolution = nn.Conv2d(4, 4, 3, padding="same")
    check_folded(parallel(lambda x, conv, norm: norm(conv(x) + x), convolution, nn.BatchNorm(4)), norms=1)


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_norm_with_two_users(padding: str) -> None:
    """Forwards, each takes it up for himself; one that cannot keeps it."""
    users = nn.Conv2d(4, 3, 3), nn.Conv2d(4, 5, 3, padding=padding)
    module = parallel(lambda x, norm, one, other: both(norm(x), one, other), nn.BatchNorm(4), *users)
    check_folded(module, norms=int(padding == "same"))


def test_a_convolution_used_twice_gets_weights_for_each_norm() -> None:
    convolution = nn.Conv2d(4, 4, 3, padding="same")
    module = parallel(
        lambda x, conv, one, other: one(conv(x)) + other(conv(F.relu(x))), convolution, nn.BatchNorm(4), nn.BatchNorm(4)
    )
    check_folded(module, norms=0)


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_rescaling_before_the_first_convolution(padding: str) -> None:
    """Keras's preprocessing, (0..255) to (-1..1): into the convolution when nothing is padded."""
    x = own.random_array((2, 8, 8, 3), low=0, high=255)
    graph = check_folded(sequence(lambda x: x / 127.5 - 1, nn.Conv2d(3, 4, 3, padding=padding)), norms=0, x=x)
    assert count(graph, Binary) == (0 if padding == "valid" else 2)
    scaled = check_folded(sequence(lambda x: x * (1 / 255), nn.Conv2d(3, 4, 3, padding=padding)), norms=0, x=x)
    assert count(scaled, Binary) == 0


def test_preprocessing_per_channel() -> None:
    """Mean and deviation of the colours, as arrays."""
    mean, deviation = np.float32([123.7, 116.3, 103.5]), np.float32([58.4, 57.1, 57.4])
    x = own.random_array((2, 8, 8, 3), low=0, high=255)
    graph = check_folded(sequence(lambda x: (x - mean) / deviation, nn.Conv2d(3, 4, 3), F.relu), norms=0, x=x)
    assert count(graph, Binary) == 0


def test_arithmetic_that_is_not_one_number_per_channel_stays() -> None:
    """One number per row, a number that the input is taken from, and a division of a number."""
    rows = own.random_array((7, 1, 1))
    for step in (lambda x: x * rows, lambda x: 1 - x, lambda x: 2 / (x * x + 1)):
        graph = check_folded(sequence(step, nn.Conv2d(4, 3, 3)), norms=0)
        assert count(graph, Binary) >= 1


def test_names_and_epsilon_survive() -> None:
    """The folded weights keep their parameters' names, and a small variance makes the epsilon count."""
    module = sequence(nn.Conv2d(4, 4, 3, bias=False), nn.BatchNorm(4))
    change(module[1].moving_variance, 1e-4)
    graph = check_folded(module, norms=0)
    assert "function.0.kernel" in str(graph)


@given(st.data())
def test_any_convolution_between_norms(data: st.DataObject) -> None:
    """BatchNorm, convolution, BatchNorm: the second always goes into it, the first when nothing is padded."""
    case = data.draw(own.convolutions(2))
    windows = case.windows
    layer = nn.Conv2d(
        case.inputs,
        case.outputs,
        windows.window,
        windows.stride,
        windows.padding,
        windows.dilation,
        case.groups,
        case.bias,
    )
    x = own.random_array((case.batch, *windows.sizes[0], case.inputs))
    module = sequence(nn.BatchNorm(case.inputs), layer, nn.BatchNorm(case.outputs))
    graph = lowered(module, static_inputs([x]))
    left = count(graph, BatchNorm)
    assert left <= 1
    if windows.pairs is not None:
        assert left == int(any(amount for pair in windows.pairs for amount in pair))
    check_folded(module, norms=left, x=x)
