"""Padding fusion: zeros around an image go into the operation behind them, where that means the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import strategies as own
from hypothesis import given
from hypothesis import strategies as st
from ops.harness import fill, static_inputs, traced
from oracle import assert_close

import trtnn as nn
import trtnn.functional as F
from passes.counting import count
from passes.evaluate import evaluate
from passes.networks import Apply
from trtnn.graph import Graph, verify
from trtnn.graph.ops import Conv, Pad
from trtnn.passes.dead import remove_dead
from trtnn.passes.padding import fuse_padding

X = own.random_array((2, 9, 8, 3))
AROUND = ((0, 0), (1, 1), (1, 1), (0, 0))
pairs = st.tuples(st.integers(0, 2), st.integers(0, 2))


def fused(function: Callable[..., Any], inputs: list[nn.Input] | None = None) -> Graph:
    """The graph after the pass, which must compute what it did before, for the array X."""
    before = traced(function, static_inputs([X]) if inputs is None else inputs)
    after = verify(remove_dead(verify(fuse_padding(before))))
    assert_close(evaluate(after, [X])[0], evaluate(before, [X])[0], 1e-6)
    return after


@given(
    height=pairs,
    width=pairs,
    step=st.sampled_from([(1, 1), (2, 1), (3, 1), (1, 2)]),
    padding=st.sampled_from(["same", "valid", ((1, 0), (0, 1))]),
    channels_first=st.booleans(),
)
def test_a_convolution_takes_zeros_over(
    height: tuple[int, int], width: tuple[int, int], step: tuple[int, int], padding: Any, channels_first: bool
) -> None:
    stride, dilation = step  # TensorFlow, the oracle, has no convolution with both
    data_format = "channels_first" if channels_first else "channels_last"
    layer = nn.Conv2d(3, 4, 3, stride, padding, dilation, data_format=data_format)
    fill(layer)
    around = ((0, 0), (0, 0), height, width) if channels_first else ((0, 0), height, width, (0, 0))
    order = (0, 3, 1, 2) if channels_first else (0, 1, 2, 3)
    graph = fused(Apply(lambda x, layer: layer(F.pad(F.transpose(x, order), around)), layer))
    conv = next(node.op for node in graph.nodes if isinstance(node.op, Conv))
    if padding == "valid":
        assert count(graph, Pad) == 0
        assert conv.padding == (height, width)


@pytest.mark.parametrize(
    "before", [F.relu, F.relu6, F.sigmoid, lambda x: F.clip(x, 0, 3)], ids=["relu", "relu6", "sigmoid", "clip"]
)
def test_a_maximum_of_what_is_not_negative_takes_zeros_over(before: Callable[[nn.Tensor], nn.Tensor]) -> None:
    graph = fused(lambda x: F.max_pool(F.pad(before(x), AROUND), 3, 2))
    assert count(graph, Pad) == 0


def test_sizes_may_be_dynamic() -> None:
    layer = nn.Conv2d(3, 4, 3, 2)
    fill(layer)
    inputs = [nn.Input("batch", "height", "width", 3)]
    graph = fused(Apply(lambda x, layer: layer(F.pad(x, AROUND)), layer), inputs)
    assert count(graph, Pad) == 0


STAY: dict[str, Callable[[nn.Tensor], nn.Tensor]] = {
    "a maximum of negative numbers": lambda x: F.max_pool(F.pad(x - 10, AROUND), 3, 2),
    "an average": lambda x: F.average_pool(F.pad(F.relu(x), AROUND), 3, 2),
    "a leaky activation": lambda x: F.max_pool(F.pad(F.leaky_relu(x - 10), AROUND), 3, 2),
    "a clip from below zero": lambda x: F.max_pool(F.pad(F.clip(x - 10, -20, 3), AROUND), 3, 2),
    "a window in the zeros alone": lambda x: F.max_pool(F.pad(F.relu(x), ((0, 0), (2, 2), (2, 2), (0, 0))), 2),
    "another number": lambda x: F.max_pool(F.pad(F.relu(x), AROUND, value=1.0), 3, 2),
    "a reflection": lambda x: F.max_pool(F.pad(F.relu(x), AROUND, "reflect"), 3, 2),
    "channels too": lambda x: F.max_pool(F.pad(F.relu(x), ((0, 0), (1, 1), (1, 1), (0, 1))), 3, 2),
    "samples too": lambda x: F.max_pool(F.pad(F.relu(x), ((1, 0), (1, 1), (1, 1), (0, 0))), 3, 2),
}


@pytest.mark.parametrize("name", STAY)
def test_what_would_change_the_result_stays(name: str) -> None:
    assert count(fused(STAY[name]), Pad) == 1


def test_a_pad_with_another_use_stays_for_that() -> None:
    layer = nn.Conv2d(3, 3, 3)
    fill(layer)

    def both(x: nn.Tensor, layer: nn.Module) -> nn.Tensor:
        padded = F.pad(x, AROUND)
        return F.concat([F.flatten(layer(padded)), F.flatten(padded)])

    graph = fused(Apply(both, layer))
    assert count(graph, Pad) == 1


def test_the_result_of_a_planted_bug_would_be_seen() -> None:
    """The oracle of this file: a maximum over negative numbers depends on what it is padded with."""
    zeros, minus_infinity = (
        evaluate(traced(function, static_inputs([X])), [X])[0]
        for function in (STAY["a maximum of negative numbers"], lambda x: F.max_pool(x - 10, 3, 2, 1))
    )
    assert np.abs(zeros - minus_infinity).max() > 1
