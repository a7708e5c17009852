"""`functional.scan` and `functional.while_loop`: the loops of users, against plain Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import trtnn as nn
import trtnn.functional as F
from recurrent.harness import check
from trtnn.errors import ArgumentError, DTypeError, ShapeError, TraceError

X = nn.Input("batch", "time", 3)


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(0, 1, shape).astype(np.float32)


@settings(max_examples=15)
@given(
    rank=st.integers(2, 4),
    axis=st.integers(0, 3),
    reverse=st.booleans(),
    values=st.integers(0, 2),
    seed=st.integers(0, 99),
)
def test_scan(rank: int, axis: int, reverse: bool, values: int, seed: int) -> None:
    """Any axis, both directions, two sequences, two states, and any number of values."""
    axis %= rank

    def run(step: Any, xs: Any, initial: Any) -> Any:
        """What `scan` does, in NumPy."""
        state, results = initial, []
        order = range(xs[0].shape[axis])
        for t in reversed(order) if reverse else order:
            state, result = step(state, tuple(np.take(x, t, axis) for x in xs))
            results.append(result)
        stacked = [np.stack(one[::-1] if reverse else one, axis) for one in zip(*results, strict=True)]
        return (*state, *stacked)

    def step_with(where: Any) -> Any:
        def step(state: Any, slices: Any) -> Any:
            total, last = state
            a, b = slices
            total = total * 0.5 + a * b
            return (total, where(a > b, a, last)), (total - b, a + b)[:values]

        return step

    def ours(x: nn.Tensor, y: nn.Tensor, start: nn.Tensor) -> Any:
        (total, last), results = F.scan(step_with(F.where), (x, y), (start, start), axis=axis, reverse=reverse)
        return (total, last, *results)

    shapes = [(2, 3, 4, 2)[:rank], (1, 5, 2, 3)[:rank]]
    calls = [[numbers(*s, seed=seed), numbers(*s, seed=seed + 1), numbers(*s[:axis], *s[axis + 1 :])] for s in shapes]
    names = [f"dim_{i}" for i in range(rank)]
    inputs = [nn.Input(*names), nn.Input(*names), nn.Input(*names[:axis], *names[axis + 1 :])]
    check(ours, lambda x, y, start: run(step_with(np.where), (x, y), (start, start)), *calls, inputs=inputs)


def test_scan_without_a_sequence() -> None:
    """A number of steps that is computed from a size, and captured tensors."""

    def ours(x: nn.Tensor) -> Any:
        scale = x.mean((1, 2)).reshape(-1, 1)
        return F.scan(lambda h, _: (h * scale + 1.0, h), None, x[:, 0], length=x.shape[1] * 2)

    def reference(x: np.ndarray) -> Any:
        scale, h, values = x.mean((1, 2))[:, None], x[:, 0], []
        for _ in range(2 * x.shape[1]):
            values.append(h)
            h = h * scale + 1
        return h, np.stack(values, 1)

    check(ours, reference, [numbers(2, 3, 3)], [numbers(1, 5, 3)], inputs=[X])


def test_a_tensor_from_outside_may_be_the_first_operand() -> None:
    """What an operation belongs to is the innermost loop of all its operands."""

    def ours(x: nn.Tensor) -> Any:
        limit = x.mean(1)
        return F.scan(lambda h, x_t: (F.minimum(limit, h + x_t), None), x, x[:, 0])[0]

    def reference(x: np.ndarray) -> Any:
        limit, h = x.mean(1), x[:, 0]
        for t in range(x.shape[1]):
            h = np.minimum(limit, h + x[:, t])
        return h

    check(ours, reference, [numbers(2, 4, 3)], inputs=[X])


def test_nested_loops_and_parameters() -> None:
    """A scan inside a scan, both with weights of the model's layers."""

    class Model(nn.Module):
        def __init__(self) -> None:
            self.inner, self.outer = nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x: nn.Tensor = X) -> nn.Tensor:
            def row(h: nn.Tensor, x_t: nn.Tensor) -> Any:
                def again(g: nn.Tensor, _: None) -> Any:
                    return F.tanh(self.inner(g) + x_t), None

                h = F.relu(self.outer(h)) + F.scan(again, None, x_t, length=2)[0]
                return h, h

            return F.scan(row, x, x[:, 0])[1]

    model = Model()
    rng = np.random.default_rng(0)
    for parameter in model.parameters():
        parameter.assign(rng.normal(0, 0.5, parameter.shape))
    (a, b), (c, d) = ((one.kernel.data, one.bias.data) for one in (model.inner, model.outer))

    def reference(x: np.ndarray) -> np.ndarray:
        h, values = x[:, 0], []
        for t in range(x.shape[1]):
            g = x[:, t]
            for _ in range(2):
                g = np.tanh(g @ a + b + x[:, t])
            h = np.maximum(h @ c + d, 0) + g
            values.append(h)
        return np.stack(values, 1)

    check(model, reference, [numbers(2, 3, 3)], [numbers(1, 5, 3)], inputs=[X])


@pytest.mark.parametrize("most, start", [(50, 1.0), (3, 1.0), (50, 1000.0)])
def test_while_loop(most: int, start: float) -> None:
    """Ends by its condition, by ``max_steps``, or before the first step."""

    def ours(x: nn.Tensor) -> Any:
        limit = F.reduce_max(F.abs(x)) * 50.0
        count = F.dim_values(x, (1,)).reshape(())
        last = F.while_loop(
            lambda state: F.reduce_sum(state["h"]) < limit,
            lambda state: {"h": state["h"] * 1.5 + 1.0, "count": state["count"] + 1},
            {"h": x[:, 0] + start, "count": count},
            max_steps=most,
        )
        return last["h"], last["count"]

    def reference(x: np.ndarray) -> Any:
        limit, h, count = np.abs(x).max() * np.float32(50), x[:, 0] + np.float32(start), np.int64(1)
        while count <= most and h.sum() < limit:
            h, count = h * np.float32(1.5) + np.float32(1), count + 1
        return h, count

    check(ours, reference, [numbers(2, 3, 3)], [numbers(1, 5, 3)], inputs=[X])


def test_loop_of_onnx() -> None:
    """What the standard's test_loop11 computes: running sums of 1 to 5 that start from -2."""

    def ours(x: nn.Tensor) -> Any:
        def step(total: nn.Tensor, x_t: nn.Tensor) -> Any:
            total = total + x_t.reshape(1)
            return total, total

        return F.scan(step, x, x[:1] * 0.0 - 2.0, axis=0)

    sums = np.array([[-1], [1], [4], [8], [13]], np.float32)
    check(ours, lambda x: (sums[-1], sums), [np.array([1, 2, 3, 4, 5], np.float32)])


def test_a_loop_reads_well() -> None:
    graph = str(trace(lambda x: F.scan(lambda h, x_t: (h + x_t, h), x, x[:, 0])[1]))
    assert "= scan(%reshape, %x) states=1 sequences=1 axis=1 length=time : f32[batch, 3], f32[batch, time, 3]" in graph
    assert "    graph step(%state_0: f32[batch, 3], %slice_0: f32[batch, 3])" in graph
    assert "      %add = add(%state_0, %slice_0) : f32[batch, 3]  # test_loops.py:" in graph


def trace(function: Callable[..., Any]) -> Any:
    class Model(nn.Module):
        def forward(self, x: nn.Tensor = X) -> Any:
            return function(x)

    return Model().trace()


def test_errors() -> None:
    with pytest.raises(ShapeError, match=r"keeps its state's type f32\[batch, 3\], got f32\[batch, 1\]; broadcast"):
        trace(lambda x: F.scan(lambda h, x_t: (h[:, :1], h), x, x[:, 0]))
    with pytest.raises(TraceError, match=r"a step that returns \(state, value\); the value may be None, got Tensor"):
        trace(lambda x: F.scan(lambda h, x_t: h + x_t, x, x[:, 0]))
    with pytest.raises(TraceError, match="expected a step that returns 1 states, got 2"):
        trace(lambda x: F.scan(lambda h, x_t: ((h, h), None), x, x[:, 0]))
    with pytest.raises(ArgumentError, match="scan: expected a sequence, or length=, got neither"):
        trace(lambda x: F.scan(lambda h, _: (h, h), None, x[:, 0]))
    with pytest.raises(DTypeError, match=r"expected a condition that is one bool, bool\[\]"):
        trace(lambda x: F.while_loop(lambda h: h < 1.0, lambda h: h, x[:, 0], max_steps=3))
