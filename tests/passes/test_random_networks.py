"""Random networks mean the same before and after every pass, and on every target."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from ops.harness import TARGETS, compare, results, traced

from passes.evaluate import evaluate
from passes.networks import RandomNetwork, networks
from trtnn.graph import Graph
from trtnn.graph.verify import verify
from trtnn.passes import fold_batchnorm, fold_constants, lower, merge_transposes, remove_dead, to_channels_first

PASSES = {
    one.__name__: one for one in (remove_dead, to_channels_first, merge_transposes, fold_constants, fold_batchnorm)
}


def assert_same(graph: Graph, calls: Any, wanted: list[list[np.ndarray]], what: str) -> None:
    """Demands that the graph gives the results; TensorFlow evaluates it."""
    for arrays, want in zip(calls, wanted, strict=True):
        try:
            compare(tuple(evaluate(graph, arrays)), tuple(want))
        except AssertionError as error:
            raise AssertionError(f"after {what}: {error}\n{graph}") from None


@pytest.mark.parametrize("name", PASSES)
@given(network=networks())
def test_one_pass_changes_no_result(name: str, network: RandomNetwork) -> None:
    """A pass alone, on the graph as it was traced, with named sizes."""
    graph = traced(network.module, network.inputs(dynamic=True))
    wanted = [evaluate(graph, arrays) for arrays in network.calls]
    assert_same(verify(PASSES[name](graph)), network.calls, wanted, name)


@pytest.mark.parametrize("dynamic", [False, True])
@given(network=networks())
def test_lowering_changes_no_result(dynamic: bool, network: RandomNetwork) -> None:
    """All passes in their order, checked after each, and then every target."""
    graph = traced(network.module, network.inputs(dynamic))
    calls = network.calls if dynamic else network.calls[:1]
    wanted = [evaluate(graph, arrays) for arrays in calls]

    def check(graph: Graph) -> Graph:
        assert_same(verify(graph), calls, wanted, "a pass")
        return graph

    lowered = lower(graph, check)
    for target in TARGETS:
        for got, want in zip(results(lowered, target, calls), wanted, strict=True):
            compare(got if isinstance(got, tuple) else (got,), tuple(want))


@given(networks())
def test_lowering_is_complete(network: RandomNetwork) -> None:
    """A second run of the passes finds nothing left to do."""
    graph = lower(traced(network.module, network.inputs(dynamic=True)), verify)
    again = lower(graph, verify)
    assert [node.op.name for node in again.nodes] == [node.op.name for node in graph.nodes]
