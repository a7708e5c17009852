"""Counting operations: by hand for each rule, and the known figures of known networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest
from backbones.vgg16 import VGG16
from resnet50 import ResNet50

import trtnn as nn
import trtnn.functional as F
from trtnn.graph import Graph, TensorType, ops
from trtnn.graph.ops import Op
from trtnn.measure.flops import count_flops, flops_of
from trtnn.trace import trace

IMAGE = nn.Input(2, 8, 6, 4)
ROWS = nn.Input(2, 5, 4)


class Function(nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def forward(self, **tensors: Any) -> Any:
        return self.function(*tensors.values())


def graph_of(function: Callable[..., Any], *inputs: nn.Input) -> Graph:
    return trace(Function(function), {f"x{i}": one for i, one in enumerate(inputs)})


def total(graph: Graph, **sizes: int) -> int | None:
    counts = [one.flops for one in count_flops(graph, sizes)]
    return None if None in counts else sum(one for one in counts if one is not None)


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


CASES = {
    "conv, same": (lambda x: F.conv2d(x, ones(3, 3, 4, 5), padding="same"), IMAGE, 2 * (2 * 8 * 6 * 5) * 3 * 3 * 4),
    "conv, strides": (lambda x: F.conv2d(x, ones(3, 3, 4, 5), stride=2), IMAGE, 2 * (2 * 3 * 2 * 5) * 3 * 3 * 4),
    "conv, bias": (
        lambda x: F.conv2d(x, ones(1, 1, 4, 5), ones(5)),
        IMAGE,
        2 * (2 * 8 * 6 * 5) * 4 + 2 * 8 * 6 * 5,
    ),
    "conv, groups": (
        lambda x: F.conv2d(x, ones(3, 3, 2, 6), groups=2, padding="same"),
        IMAGE,
        2 * (2 * 8 * 6 * 6) * 3 * 3 * 2,
    ),
    "matrix product": (lambda x: x @ ones(4, 7), ROWS, 2 * (2 * 5 * 7) * 4),
    "local response norm": (lambda x: F.local_response_norm(x, 2), IMAGE, 2 * 8 * 6 * 4 * (5 + 5)),
    "pooling": (lambda x: F.max_pool(x, 2, 2), IMAGE, (2 * 4 * 3 * 4) * 4),
    "relu": (F.relu, ROWS, 2 * 5 * 4),
    "exp": (F.exp, ROWS, 2 * 5 * 4),
    "sum of two": (lambda x: x + x, ROWS, 2 * 5 * 4),
    "sum of all": (lambda x: F.reduce_sum(x, (1, 2)), ROWS, 2 * 5 * 4),
    "softmax": (F.softmax, ROWS, 5 * 2 * 5 * 4),
    "transpose": (lambda x: x.transpose(1, 0, 2), ROWS, 0),
    "integers": (lambda x: x + x, nn.Input(3, dtype="int32"), 0),
    "comparison": (lambda x: x > x, ROWS, 2 * 5 * 4),
}


@pytest.mark.parametrize("case", CASES)
def test_rules(case: str) -> None:
    function, declared, expected = CASES[case]
    assert total(graph_of(function, declared)) == expected


def test_a_transposed_convolution_counts_as_the_convolution_it_undoes() -> None:
    model = nn.ConvTranspose2d(4, 5, 3, stride=2, bias=False)
    assert total(model.trace(IMAGE)) == 2 * (2 * 8 * 6 * 4) * 3 * 3 * 5


@pytest.mark.parametrize(
    ("layer", "gates", "others"), [(nn.LSTM, 4, 8 + 5 + 4), (nn.GRU, 3, 6 + 3 + 1 + 4), (nn.SimpleRNN, 1, 3)]
)
def test_recurrent_layers(layer: Any, gates: int, others: int) -> None:
    """Two products of matrices per step and gate, and so many operations per step and unit."""
    model = layer(4, 6)
    products = 2 * gates * 6 * (4 + 6)
    found = [one.flops for one in count_flops(model.trace(ROWS), {}) if one.flops]
    assert max(found) == 2 * 5 * (products + others * 6)


def test_a_loop_counts_its_steps() -> None:
    def network(x: Any) -> Any:
        return F.scan(lambda h, x_t: (h @ ones(4, 4) + x_t, None), x, F.zeros_like(x[:, 0]))[0]

    graph = graph_of(network, nn.Input("batch", "time", 4))
    one_step = 2 * (3 * 4) * 4 + 3 * 4
    assert total(graph, batch=3, time=7) == 7 * one_step
    inside = [one for one in count_flops(graph, {"batch": 3, "time": 7}) if one.depth == 1]
    assert sum(one.flops or 0 for one in inside) == 7 * one_step


def test_a_loop_in_a_loop_counts_the_steps_of_both() -> None:
    def rows(h: Any, block: Any) -> Any:
        return F.scan(lambda h, row: (h * row, None), block, h)[0], None

    graph = graph_of(lambda x: F.scan(rows, x, F.zeros_like(x[:, 0, 0]))[0], nn.Input(2, 3, 5, 4))
    assert total(graph) == 3 * 5 * (2 * 4)


def test_a_loop_with_a_condition_counts_all_the_steps_that_it_may_take() -> None:
    def network(x: Any) -> Any:
        return F.while_loop(lambda h: F.reduce_max(h, (0, 1)) < 100.0, lambda h: h * 2.0, x, max_steps=6)

    counts = [one for one in count_flops(graph_of(network, nn.Input(2, 3)), {}) if one.depth]
    assert sum(one.flops or 0 for one in counts) == 6 * (6 + 1 + 6)


def test_what_depends_on_an_unknown_size_is_not_counted() -> None:
    counts = count_flops(graph_of(lambda x: (F.relu(x), F.relu(x[:, 0])), nn.Input("batch", "time", 4)), {"batch": 2})
    found = {str(one.node.outputs[0].type): one.flops for one in counts if one.node.op.name == "relu"}
    assert found == {"f32[batch, time, 4]": None, "f32[batch, 4]": 8}


def test_an_operation_without_a_rule_is_not_counted() -> None:
    @attrs.frozen(eq=False)
    class Mystery(Op):
        def infer(self, x: TensorType) -> TensorType:  # type: ignore[override]
            return x

    assert total(graph_of(lambda x: x.tracer.apply(Mystery(), x), ROWS)) is None


def test_every_operation_of_the_graph_has_a_rule() -> None:
    unknown = flops_of.dispatch(Op)
    kinds = [kind for kind in vars(ops).values() if isinstance(kind, type) and issubclass(kind, Op) and kind is not Op]
    users_own = {ops.Custom, ops.TensorRTPlugin}
    assert {kind for kind in kinds if flops_of.dispatch(kind) is unknown} == users_own


@pytest.mark.parametrize(
    ("model", "low", "high"),
    [(ResNet50(logits=True), 7.7e9, 8.2e9), (VGG16(), 30.9e9, 31.1e9)],
    ids=["ResNet-50", "VGG16"],
)
def test_known_networks(model: nn.Module, low: float, high: float) -> None:
    """3.87 G multiplications with an addition each for Keras's ResNet-50, whose strides are in the 1x1 convolutions,
    and 15.47 G for VGG16; without weights."""
    found = total(model.trace(), batch=1)
    assert found is not None
    assert low < found < high
    assert total(model.trace(), batch=8) == 8 * found
