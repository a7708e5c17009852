"""Convolutions for ONNX Runtime on CUDA: another form, the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import trtnn as nn
import trtnn.functional as F
from trtnn.backends.onnxruntime.cuda.convolutions import for_cuda
from trtnn.backends.onnxruntime.engine import build
from trtnn.engine import Choice
from trtnn.graph import DType, Graph
from trtnn.graph import ops as g
from trtnn.graph.verify import verify
from trtnn.passes import lower
from trtnn.passes.dead import remove_dead
from trtnn.passes.half import to_half

RNG = np.random.default_rng(0)


class Images(nn.Module):
    """Convolutions with groups, without a bias, and with one that is computed."""

    def __init__(self) -> None:
        self.stem, self.grouped = nn.Conv2d(3, 16, 3, stride=2, padding="same"), nn.Conv2d(16, 16, 3, groups=4)
        self.kernel, self.last = nn.Parameter((1, 1, 16, 16)), nn.Conv2d(16, 4, 1, bias=False)

    def forward(self, x: nn.Tensor = nn.Input("batch", "height", 12, 3)) -> nn.Tensor:
        means = F.mean(x, axis=(0, 1, 2, 3)) * np.ones(16, np.float32)
        x = F.relu(self.grouped(F.relu(self.stem(x))))
        return self.last(F.conv(x, self.kernel, means))


def lowered(half: bool) -> Graph:
    model, rng = Images(), np.random.default_rng(1)
    for parameter in model.parameters():
        parameter.assign(rng.normal(0, 0.3, parameter.shape).astype(np.float32))
    graph = lower(model.trace())
    return remove_dead(to_half(graph, DType.float16)[0]) if half else graph


def run(graph: Graph, x: np.ndarray) -> Any:
    return build(graph, Choice("onnxruntime", "to compare"), [{}])(x)


@pytest.mark.parametrize("half", [False, True])
def test_the_result_is_the_same(half: bool) -> None:
    graph = lowered(half)
    changed = for_cuda(graph)
    verify(changed)
    for shape in ((1, 9, 12, 3), (2, 30, 12, 3)):
        x = RNG.normal(size=shape).astype(np.float32)
        np.testing.assert_allclose(
            run(changed, x), run(graph, x), rtol=2e-3 if half else 1e-6, atol=1e-2 if half else 1e-6
        )


@pytest.mark.parametrize("half", [False, True])
def test_constant_biases_stand_apart(half: bool) -> None:
    changed = for_cuda(lowered(half))
    convolutions = {node.output.name.split(".")[0]: node for node in changed.nodes if isinstance(node.op, g.Conv)}
    operands = {name: len(node.inputs) for name, node in convolutions.items()}
    assert operands == {"stem": 2, "grouped": 2, "conv": 3, "last": 2}
    subtractions = [node for node in changed.nodes if isinstance(node.op, g.Binary) and node.op.kind == "subtract"]
    assert [node.inputs[1].type.shape for node in subtractions] == [(1, 16, 1, 1)] * 2
    assert len(for_cuda(changed).nodes) == len(changed.nodes)


def test_convolutions_in_loops_too() -> None:
    class Loop(nn.Module):
        def __init__(self) -> None:
            self.conv = nn.Conv2d(4, 4, 3, padding="same")

        def forward(self, x: nn.Tensor = nn.Input("batch", 6, 6, 4)) -> nn.Tensor:
            return F.scan(lambda state, _: (F.tanh(self.conv(state)), F.sum(state, axis=(1, 2, 3))), x, x)[0]

    model = Loop()
    for parameter in model.parameters():
        parameter.assign(RNG.normal(0, 0.3, parameter.shape).astype(np.float32))
    graph = lower(model.trace())
    changed, x = for_cuda(graph), RNG.normal(size=(2, 6, 6, 4)).astype(np.float32)
    assert "subtract" in str(changed)
    np.testing.assert_allclose(run(changed, x), run(graph, x), rtol=1e-5, atol=1e-6)
