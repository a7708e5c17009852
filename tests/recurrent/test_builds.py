"""Every family of recurrent layers as a really built TensorRT-RTX plan: dynamic batch and time, and not unrolled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ops.harness import engine_for, fill, lowered

import trtnn as nn
import trtnn.functional as F
from recurrent.harness import Called
from trtnn import tf1

pytest.importorskip("tensorrt_rtx")

SEQUENCES = {"return_sequences": True, "return_state": True}


def decoder(x: nn.Tensor) -> nn.Tensor:
    """Doubles the last step until its sum is 100 or more."""
    start = F.abs(x[:, -1]) + 1.0
    return F.while_loop(lambda h: F.reduce_sum(h) < 100.0, lambda h: h * 2.0, start, max_steps=20)


class Flat(nn.Module):
    """A module of TensorFlow 1's kind, whose results are nested."""

    def __init__(self, rnn: nn.Module) -> None:
        self.rnn = rnn

    def forward(self, x: nn.Tensor, lengths: nn.Tensor) -> tuple[nn.Tensor, ...]:
        return tuple(F.concat(leaves(one)) for one in self.rnn(x, lengths))


def leaves(tree: Any) -> list[Any]:
    return [leaf for one in tree for leaf in leaves(one)] if isinstance(tree, (tuple, list)) else [tree]


FAMILIES: dict[str, Callable[[], Any]] = {
    "lstm": lambda: Called(nn.LSTM(3, 4, **SEQUENCES)),
    "lstm, lengths": lambda: Called(nn.LSTM(3, 4, **SEQUENCES), ["lengths"]),
    "lstm, mask, states": lambda: Called(nn.LSTM(3, 4, **SEQUENCES), ["mask", "state_h", "state_c"]),
    "gru": lambda: Called(nn.GRU(3, 4, **SEQUENCES), ["mask"]),
    "gru, reset before": lambda: Called(nn.GRU(3, 4, reset_after=False, go_backwards=True, **SEQUENCES), ["lengths"]),
    "simple rnn, last output": lambda: Called(nn.SimpleRNN(3, 4, activation="relu")),
    "bidirectional": lambda: Called(nn.Bidirectional(nn.LSTM(3, 4, **SEQUENCES)), ["lengths"]),
    "two layers": lambda: Called(nn.RecurrentStack(nn.LSTM(3, 4, return_sequences=True), nn.GRU(4, 2)), ["lengths"]),
    "cudnn": lambda: Called(nn.CuDNNGRU(3, 4)),
    "tf1 lstm": lambda: Flat(tf1.DynamicRNN(tf1.LSTMCell(3, 4, True, 0.5, num_proj=2, proj_clip=0.3))),
    "tf1 bidirectional": lambda: Flat(
        tf1.BidirectionalDynamicRNN(
            tf1.BasicLSTMCell(3, 4), tf1.MultiRNNCell([tf1.GRUCell(3, 4), tf1.BasicRNNCell(4, 4)])
        )
    ),
    "stacked cells": lambda: Called(nn.RNN([nn.LSTMCell(3, 4), nn.GRUCell(4, 2)], return_sequences=True), ["mask"]),
    "conv lstm 1d": lambda: Called(nn.ConvLSTM1d(2, 3, 3, return_sequences=True), ["mask"]),
    "conv lstm 2d": lambda: Called(nn.ConvLSTM2d(2, 3, 3, padding="same", go_backwards=True)),
    "while": lambda: decoder,
}


def declared(name: str, function: Any) -> list[nn.Input]:
    """Inputs with every size but the features named."""
    image = {"conv lstm 1d": ("width",), "conv lstm 2d": ("height", "width")}.get(name)
    found = [nn.Input("batch", "time", *image, 2) if image else nn.Input("batch", "time", 3)]
    kinds = {"lengths": nn.Input("batch", dtype="int32"), "mask": nn.Input("batch", "time", dtype="bool")}
    arguments = getattr(function, "arguments", ["lengths"] if isinstance(function, Flat) else [])
    return found + [kinds.get(argument, nn.Input("batch", 4)) for argument in arguments]


def arrays_for(inputs: list[nn.Input], sizes: dict[str, int]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = [[size if isinstance(size, int) else sizes[size.name] for size in one.shape] for one in inputs]
    kinds = {"int32": lambda shape: rng.integers(0, sizes["time"], shape, np.int32, endpoint=True)}
    kinds |= {"bool": lambda shape: rng.random(shape) < 0.6}
    usual = lambda shape: rng.normal(0, 1, shape).astype(np.float32)  # noqa: E731
    return [kinds.get(one.dtype.value, usual)(shape) for one, shape in zip(inputs, shapes, strict=True)]


@pytest.mark.parametrize("name", FAMILIES)
def test_plans_are_built_for_any_batch_and_time(name: str) -> None:
    """One plan for batches of 1 to 4 and 1 to 50 steps; its network gives what ONNX Runtime gives at three sizes."""
    function = FAMILIES[name]()
    if isinstance(function, nn.Module):
        fill(function)
    inputs = declared(name, function)
    graph = lowered(function, inputs)
    calls = [
        arrays_for(inputs, {"batch": batch, "time": time, "height": 5, "width": 6})
        for batch, time in ((2, 7), (1, 1), (4, 50))
    ]
    plan, other = (engine_for(graph, target, calls) for target in ("tensorrt-rtx", "onnxruntime"))
    assert plan.network.definition.num_layers < 250
    for arrays in calls:
        got, want = plan.simulate(*arrays), other(*arrays)
        for one, another in zip(*(each if isinstance(each, tuple) else (each,) for each in (got, want)), strict=True):
            np.testing.assert_allclose(one, another, atol=1e-5)


def network_layers(layer: nn.Module, steps: int | str) -> int:
    from trtnn.backends.tensorrt.emit import emit
    from trtnn.backends.tensorrt.library import load
    from trtnn.passes.recurrent import lower_recurrent

    fill(layer)
    graph = lower_recurrent(lowered(layer, [nn.Input("batch", steps, 3)]))
    return int(emit(graph, load("tensorrt-rtx")).definition.num_layers)


def test_layers_do_not_grow_with_time() -> None:
    """Flat in the number of steps, linear in the number of layers."""
    per_steps = {steps: network_layers(nn.LSTM(3, 4), steps) for steps in (1, 10, 1000)}
    assert len(set(per_steps.values())) == 1, per_steps
    depths = [
        network_layers(nn.RecurrentStack(*(nn.LSTM(3, 3, return_sequences=True) for _ in range(depth))), "time")
        for depth in (1, 2, 3, 4)
    ]
    assert depths[3] - depths[2] == depths[2] - depths[1] == depths[1] - depths[0] <= 45, depths
