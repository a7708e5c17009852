"""Constant folding and dead code: what can be computed before the network runs is, and what nobody uses is gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import strategies as own
from hypothesis import given
from ops.harness import check, fill, lowered, static_inputs
from oracle import tensorflow

import trtnn as nn
import trtnn.functional as F
from passes.counting import operations
from passes.networks import Apply, RandomNetwork, networks
from trtnn.graph import Graph
from trtnn.graph.ops import Broadcast, Constant
from trtnn.passes.constants import LARGEST_GROWTH

tf = tensorflow()
X = own.random_array((3, 4))
HELD = own.random_array((3, 4), seed=1, low=0.1, high=0.9)
INTS = own.random_array((3, 4), "int32", seed=2, low=-9, high=9)
FLAGS = own.random_array((3, 4), "bool")


def constant(x: nn.Tensor, array: np.ndarray) -> nn.Tensor:
    """The array as a tensor of the network."""
    return x.tracer.constant(array)


UNARY: dict[str, Any] = {
    **{
        name: getattr(tf.math, name)
        for name in ("abs", "ceil", "exp", "floor", "log", "negative", "reciprocal", "round")
    },
    **{
        name: getattr(tf.math, name)
        for name in ("rsqrt", "sign", "sqrt", "square", "sin", "cos", "tan", "asin", "acos")
    },
    **{name: getattr(tf.math, name) for name in ("atan", "sinh", "cosh", "asinh", "acosh", "atanh")},
}
BINARY: dict[str, Any] = {
    "add": tf.add,
    "subtract": tf.subtract,
    "multiply": tf.multiply,
    "divide": tf.divide,
    "floor_divide": tf.math.floordiv,
    "mod": tf.math.floormod,
    "power": tf.pow,
    "maximum": tf.maximum,
    "minimum": tf.minimum,
}
OTHERS: dict[str, tuple[Callable[..., Any], Callable[..., Any], np.ndarray]] = {
    "reshape": (lambda x: x.reshape(4, -1).reshape(3, 4), lambda x: x.reshape(3, 4), HELD),
    "transpose": (lambda x: x.transpose().reshape(3, 4), lambda x: x.T.reshape(3, 4), HELD),
    "concat": (lambda x: F.concat([x, x], 0)[2:5], lambda x: np.concatenate([x, x])[2:5], HELD),
    "slice": (lambda x: x[::-1, 1::2].reshape(1, 6)[:, :4], lambda x: x[::-1, 1::2].reshape(1, 6)[:, :4], HELD),
    "slice to the front": (lambda x: x[2::-2, ::-1][:, :4][:1], lambda x: x[2::-2, ::-1][:1], HELD),
    "take": (lambda x: F.take(x, np.array([2, 0, 2])), lambda x: x[[2, 0, 2]], HELD),
    "cast": (lambda x: (10 * x).cast("int32").cast("float32"), lambda x: np.trunc(10 * x), HELD),
    "broadcast": (lambda x: F.broadcast_to(x[:1], (3, 4)), lambda x: np.broadcast_to(x[:1], (3, 4)), HELD),
    "where": (lambda x: F.where(x > 0.5, x, -x), lambda x: np.where(x > 0.5, x, -x), HELD),
    "logical": (
        lambda x: F.where((x < 0.5) & ~(x < 0.2), x, 1.0),
        lambda x: np.where((x < 0.5) & (x >= 0.2), x, 1),
        HELD,
    ),
    "reduce": (
        lambda x: x.sum(0, True) + x.mean(1, True) + x.max() - x.min(0),
        lambda x: x.sum(0) + x.mean(1, keepdims=True) + x.max() - x.min(0),
        HELD,
    ),
    "product": (lambda x: F.reduce_prod(x, 1, True), lambda x: x.prod(1, keepdims=True), HELD),
    "integers": (lambda x: (x // 4 * 10 + x % 4).cast("float32"), lambda x: x // 4 * 10 + x % 4, INTS),
    "sums of integers": (lambda x: F.reduce_sum(x, 0, True).cast("float32"), lambda x: x.sum(0), INTS),
    "bools": (lambda x: (x ^ x[::-1]).cast("float32"), lambda x: (x ^ x[::-1]) * 1, FLAGS),
}


def check_folds(function: Callable[[nn.Tensor], nn.Tensor], reference: np.ndarray) -> None:
    """Demands that all of the function of constants is computed: one sum is left, with the right numbers."""
    graph = check(lambda x: x + function(x), lambda x: x + np.asarray(reference, np.float32), [X])
    assert operations(graph) == ["add"], str(graph)


@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str) -> None:
    held = HELD + 1 if name == "acosh" else HELD
    check_folds(lambda x: getattr(F, name)(constant(x, held)), UNARY[name](held))


@pytest.mark.parametrize("name", BINARY)
def test_binary(name: str) -> None:
    other = own.random_array((4,), seed=3)
    check_folds(lambda x: getattr(F, name)(constant(x, HELD), other), BINARY[name](HELD, other))


@pytest.mark.parametrize("name", OTHERS)
def test_other_operations(name: str) -> None:
    function, reference, held = OTHERS[name]
    check_folds(lambda x: function(constant(x, held)), reference(held))


def test_parameters_fold_too() -> None:
    """Weight normalization: the weight that the network uses is computed once."""

    class Normalized(nn.Module):
        def __init__(self) -> None:
            self.kernel, self.scale = nn.Parameter((4, 5)), nn.Parameter((5,))

        def forward(self, x: nn.Tensor) -> nn.Tensor:
            kernel = x.tracer.lift(self.kernel)
            return x @ (kernel * F.rsqrt(F.reduce_sum(kernel * kernel, 0)) * self.scale)

    module = Normalized()
    fill(module)

    def reference(x: np.ndarray) -> Any:
        return tf.matmul(x, tf.math.l2_normalize(module.kernel.data, 0) * module.scale.data)

    assert operations(check(module, reference, [X])) == ["mat_mul"]


def test_a_stretched_constant_is_not_stored_large() -> None:
    """What would grow the network is left for the target to do."""
    rows = LARGEST_GROWTH // 16 + 2
    x = own.random_array((rows, 4))
    row = own.random_array((1, 4))
    graph = lowered(lambda x: F.concat([x, F.broadcast_to(constant(x, row), (rows, 4))]), static_inputs([x]))
    assert operations(graph) == ["broadcast", "concat"]


def foldable(graph: Graph) -> list[str]:
    """Operations whose operands are all constants, but for those that are left to the target."""
    held = {node.output for node in graph.nodes if isinstance(node.op, Constant)}
    left = [node for node in graph.nodes if node.inputs and held.issuperset(node.inputs)]
    return [node.op.name for node in left if not isinstance(node.op, Broadcast)]


@given(networks())
def test_nothing_foldable_and_nothing_dead_is_left(network: RandomNetwork) -> None:
    for dynamic in (False, True):
        graph = lowered(network.module, network.inputs(dynamic))
        assert foldable(graph) == []
        used = {value for node in graph.nodes for value in node.inputs} | graph.output_values()
        assert [str(node.output) for node in graph.nodes if node.output not in used] == []


def test_what_nobody_uses_is_gone_but_not_the_inputs() -> None:
    """A branch that is not returned, and the weights of it."""

    def wasteful(x: nn.Tensor, y: nn.Tensor, layer: nn.Module) -> nn.Tensor:
        layer(x)
        F.exp(y)
        return x * 2

    module = Apply(lambda x, layer: wasteful(x, x, layer), nn.Linear(4, 50))
    fill(module)
    graph = check(module, lambda x: x * 2, [X])
    assert operations(graph) == ["multiply"]
    assert not any(
        node.op.name == "constant" and node.output.type.rank == 2 and 50 in node.output.type.shape
        for node in graph.nodes
    )
    two = check(lambda x, y: x + 1, lambda x, y: x + 1, [X, HELD])
    assert len(two.inputs) == 2


def test_outputs_that_are_inputs_or_constants() -> None:
    """A network may return what it was given, the same tensor twice, and numbers."""
    check(lambda x: (x, x, x * 1), lambda x: (x, x, x), [X])
    check(lambda x: (x + 1, constant(x, HELD)), lambda x: (x + 1, HELD), [X])
    check(lambda x: x, lambda x: x, [X])
