"""Loops and conditionals: against Keras's LSTM, and against the same loops written in Python."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hand_network import HandNetwork, in_every_listing, random, trt  # noqa: F401
from hypothesis import given
from hypothesis import strategies as st
from oracle import assert_close, keras, randomize

from trtnn.backends.tensorrt.simulate import Simulation
from trtnn.errors import GraphError, UnsupportedError


def add(net: HandNetwork, a: Any, b: Any, kind: str = "SUM") -> Any:
    return net.network.add_elementwise(a, b, getattr(trt.ElementWiseOperation, kind)).get_output(0)


def activate(net: HandNetwork, x: Any, kind: str) -> Any:
    return net.network.add_activation(x, getattr(trt.ActivationType, kind)).get_output(0)


def multiply(net: HandNetwork, a: Any, b: Any) -> Any:
    none = trt.MatrixOperation.NONE
    return net.network.add_matrix_multiply(a, none, b, none).get_output(0)


def lstm(units: int, features: int, weights: list[np.ndarray], reverse: bool = False) -> HandNetwork:
    """Keras's LSTM (gates i, f, c, o) over (batch, time, features), batch and time dynamic."""
    kernel, recurrent, bias = weights
    net = HandNetwork()
    network = net.network
    x = net.input("x", (-1, -1, features))
    shape = network.add_shape(x).get_output(0)
    batch = network.add_gather(shape, net.constant([0], np.int64), 0).get_output(0)
    steps = network.add_gather(shape, net.constant(1, np.int64), 0).get_output(0)
    projected = add(net, multiply(net, x, net.constant(kernel[None])), net.constant(bias[None, None]))
    size = network.add_concatenation([batch, net.constant([units], np.int64)])
    size.axis = 0
    start = network.add_slice(net.constant(np.zeros((1, 1), np.float32)), (0, 0), (1, 1), (0, 0))
    start.set_input(2, size.get_output(0))
    loop = network.add_loop()
    loop.add_trip_limit(steps, trt.TripLimit.COUNT)
    step = loop.add_iterator(projected, 1, reverse).get_output(0)
    hidden, cell = (loop.add_recurrence(start.get_output(0)) for _ in range(2))
    gates = add(net, step, multiply(net, hidden.get_output(0), net.constant(recurrent)))
    i, f, c, o = (
        activate(net, _part(net, gates, start.get_output(0), units * part, units), "TANH" if part == 2 else "SIGMOID")
        for part in range(4)
    )
    new_cell = add(net, add(net, f, cell.get_output(0), "PROD"), add(net, i, c, "PROD"))
    new_hidden = add(net, o, activate(net, new_cell, "TANH"), "PROD")
    hidden.set_input(1, new_hidden)
    cell.set_input(1, new_cell)
    sequence = loop.add_loop_output(new_hidden, trt.LoopOutput.REVERSE if reverse else trt.LoopOutput.CONCATENATE, 1)
    sequence.set_input(1, steps)
    net.mark(sequence.get_output(0), "sequence")
    net.mark(loop.add_loop_output(hidden.get_output(0), trt.LoopOutput.LAST_VALUE).get_output(0), "hidden")
    net.mark(loop.add_loop_output(cell.get_output(0), trt.LoopOutput.LAST_VALUE).get_output(0), "cell")
    return net


def _part(net: HandNetwork, gates: Any, like: Any, first: int, units: int) -> Any:
    layer = net.network.add_slice(gates, (0, first), (1, units), (1, 1))
    layer.set_input(2, net.network.add_shape(like).get_output(0))
    return layer.get_output(0)


@pytest.mark.parametrize("reverse", [False, True])
def test_lstm_is_keras_lstm(reverse):
    layer = keras().layers.LSTM(6, return_sequences=True, return_state=True, go_backwards=reverse)
    x = random(3, 7, 4)
    layer.build(x.shape)
    randomize(layer, np.random.default_rng(1))
    net = lstm(6, 4, layer.get_weights(), reverse)
    got = net.simulate(x=x)
    sequence, hidden, cell = (array.numpy() for array in layer(x))
    assert_close(got["sequence"], sequence[:, ::-1] if reverse else sequence)
    assert_close(got["hidden"], hidden)
    assert_close(got["cell"], cell)
    net.build(x=((1, 1, 4), (3, 7, 4), (8, 200, 4)))


def test_a_long_loop_is_fast():
    net = lstm(32, 16, [random(16, 128), random(32, 128) / 6, random(128)])
    simulation = Simulation.of(trt, net.network)
    x = random(1, 200, 16)
    began = time.perf_counter()
    simulation.run({"x": x})
    assert time.perf_counter() - began < 2


def counting(start: int, stop: int | None, least: int | None, length: int = 6) -> HandNetwork:
    """Collects a counter that doubles, for at most ``stop`` iterations and while it is less than ``least``."""
    net = HandNetwork()
    loop = net.network.add_loop()
    state = loop.add_recurrence(net.input("start", (), np.int32))
    if stop is not None:
        loop.add_trip_limit(net.constant(stop, np.int32), trt.TripLimit.COUNT)
    if least is not None:
        loop.add_trip_limit(add(net, state.get_output(0), net.constant(least, np.int32), "LESS"), trt.TripLimit.WHILE)
    doubled = add(net, state.get_output(0), state.get_output(0))
    state.set_input(1, doubled)
    for kind in ("CONCATENATE", "REVERSE"):
        output = loop.add_loop_output(doubled, getattr(trt.LoopOutput, kind), 0)
        output.set_input(1, net.constant(length, np.int64))
        net.mark(output.get_output(0), kind)
    net.mark(loop.add_loop_output(state.get_output(0), trt.LoopOutput.LAST_VALUE).get_output(0), "last")
    return net


@given(st.integers(1, 9), st.one_of(st.none(), st.integers(0, 6)), st.integers(0, 100))
def test_counts_and_conditions(start, stop, least):
    net = counting(start, 6 if stop is None else stop, None if stop is None else least)
    want, value = [], start
    while len(want) < (6 if stop is None else stop) and (stop is None or value < least):
        value *= 2
        want.append(value)
    got = net.simulate(start=np.array(start, np.int32))
    assert got["CONCATENATE"][: len(want)].tolist() == want
    assert got["REVERSE"][: len(want)].tolist() == want[::-1]
    assert got["last"] == value


def test_while_alone():
    got = counting(1, None, 20).simulate(start=np.array(3, np.int32))
    assert got["CONCATENATE"][:3].tolist() == [6, 12, 24]
    assert got["last"] == 24


def test_what_no_iteration_wrote_is_not_a_number():
    net = HandNetwork()
    loop = net.network.add_loop()
    loop.add_trip_limit(net.constant(2, np.int32), trt.TripLimit.COUNT)
    part = loop.add_iterator(net.input("x", (2, 3)), 0).get_output(0)
    output = loop.add_loop_output(part, trt.LoopOutput.CONCATENATE, 1)
    output.set_input(1, net.constant(4, np.int64))
    net.mark(output.get_output(0))
    x = random(2, 3)
    got = net.simulate(x=x)
    np.testing.assert_array_equal(got[:, :2], x.T)
    assert np.isnan(got[:, 2:]).all()


def test_loops_of_one_name_within_each_other():
    """The inner loop's iterator comes from the outer one, its body uses the outer state, and both have one name."""
    net = HandNetwork()
    x = net.input("x", (3, 4))
    outer, inner = net.network.add_loop(), net.network.add_loop()
    outer.name = inner.name = "loop"
    outer.add_trip_limit(net.constant(3, np.int32), trt.TripLimit.COUNT)
    row = outer.add_iterator(x, 0).get_output(0)
    total = outer.add_recurrence(net.constant(0, np.float32))
    inner.add_trip_limit(net.constant(4, np.int32), trt.TripLimit.COUNT)
    element = inner.add_iterator(row, 0).get_output(0)
    product = inner.add_recurrence(net.constant(1, np.float32))
    product.set_input(1, add(net, add(net, product.get_output(0), element, "PROD"), total.get_output(0)))
    row_product = inner.add_loop_output(product.get_output(0), trt.LoopOutput.LAST_VALUE).get_output(0)
    total.set_input(1, add(net, total.get_output(0), row_product))
    net.mark(outer.add_loop_output(total.get_output(0), trt.LoopOutput.LAST_VALUE).get_output(0))
    values = random(3, 4)
    want = np.float32(0)
    for row_values in values:
        state = np.float32(1)
        for value in row_values:
            state = state * value + want
        want = want + state
    assert_close(net.simulate(x=values), want)


def test_states_advance_together():
    """Fibonacci: one state's update is the other state itself."""
    net = HandNetwork()
    loop = net.network.add_loop()
    loop.add_trip_limit(net.constant(9, np.int32), trt.TripLimit.COUNT)
    first, second = (loop.add_recurrence(net.constant(value, np.int32)) for value in (1, 0))
    first.set_input(1, add(net, first.get_output(0), second.get_output(0)))
    second.set_input(1, first.get_output(0))
    for name, state in (("first", first), ("second", second)):
        net.mark(loop.add_loop_output(state.get_output(0), trt.LoopOutput.LAST_VALUE).get_output(0), name)
    assert net.simulate() == {"first": 55, "second": 34}


def conditional(net: HandNetwork, condition: Any, x: Any) -> Any:
    """-x if the condition holds, else the square root of x."""
    branch = net.network.add_if_conditional()
    branch.set_condition(condition)
    gate = branch.add_input(x).get_output(0)
    when_true = net.network.add_unary(gate, trt.UnaryOperation.NEG).get_output(0)
    when_false = net.network.add_unary(gate, trt.UnaryOperation.SQRT).get_output(0)
    return branch.add_output(when_true, when_false).get_output(0)


@pytest.mark.parametrize("taken", [True, False])
def test_only_the_chosen_branch_runs(taken):
    net = HandNetwork()
    net.mark(conditional(net, net.input("c", (), np.bool_), net.input("x", (3,))))
    x = np.abs(random(3))
    seen = []
    simulation = Simulation.of(trt, net.network)
    got = simulation.run({"c": np.array(taken), "x": x}, lambda name, array: seen.append(name))["y"]
    np.testing.assert_array_equal(got, -x if taken else np.sqrt(x))
    unary = [name for name in seen if "Unary" in name]
    assert len(unary) == 1


def test_a_conditional_in_a_loop():
    net = HandNetwork()
    loop = net.network.add_loop()
    loop.add_trip_limit(net.constant(4, np.int32), trt.TripLimit.COUNT)
    x = loop.add_iterator(net.input("x", (4,)), 0).get_output(0)
    flag = loop.add_iterator(net.input("c", (4,), np.bool_), 0).get_output(0)
    output = loop.add_loop_output(conditional(net, flag, x), trt.LoopOutput.CONCATENATE, 0)
    output.set_input(1, net.constant(4, np.int64))
    net.mark(output.get_output(0))
    x, flags = np.abs(random(4)), np.array([True, False, False, True])
    np.testing.assert_array_equal(net.simulate(x=x, c=flags), np.where(flags, -x, np.sqrt(x)))


def test_a_state_that_grows_is_refused():
    net = HandNetwork()
    loop = net.network.add_loop()
    loop.add_trip_limit(net.constant(2, np.int32), trt.TripLimit.COUNT)
    state = loop.add_recurrence(net.constant(np.zeros((1, 3), np.float32)))
    state.set_input(1, add(net, state.get_output(0), net.input("x", (-1, 3))))
    net.mark(loop.add_loop_output(state.get_output(0), trt.LoopOutput.LAST_VALUE).get_output(0))
    with pytest.raises(GraphError, match=r"expected shape \(1, 3\), which TensorRT infers, got \(2, 3\); broadcast"):
        net.simulate(x=random(2, 3))


def test_an_iterator_that_ends_early_is_refused():
    net = HandNetwork()
    loop = net.network.add_loop()
    loop.add_trip_limit(net.input("n", (), np.int32), trt.TripLimit.COUNT)
    state = loop.add_recurrence(net.constant(0, np.float32))
    state.set_input(1, add(net, state.get_output(0), loop.add_iterator(net.input("x", (-1,)), 0).get_output(0)))
    net.mark(loop.add_loop_output(state.get_output(0), trt.LoopOutput.LAST_VALUE).get_output(0))
    with pytest.raises(GraphError, match="iteration 3 is past the end of x; expected at most 3 iterations, got 5"):
        net.simulate(n=np.array(5, np.int32), x=random(3))


def test_a_recurrence_without_an_update_is_refused():
    net = HandNetwork()
    loop = net.network.add_loop()
    loop.add_trip_limit(net.constant(2, np.int32), trt.TripLimit.COUNT)
    state = loop.add_recurrence(net.constant(0, np.float32))
    state.name = "state"
    net.mark(loop.add_loop_output(state.get_output(0), trt.LoopOutput.LAST_VALUE).get_output(0))
    with pytest.raises(GraphError, match=r"state: the recurrence has no update; set_input\(1, update\)"):
        net.simulate()


def test_a_condition_that_reads_an_iterator_is_refused():
    net = HandNetwork()
    loop = net.network.add_loop()
    loop.name = "search"
    part = loop.add_iterator(net.input("x", (2,)), 0).get_output(0)
    loop.add_trip_limit(add(net, part, net.constant(0, np.float32), "GREATER"), trt.TripLimit.WHILE)
    output = loop.add_loop_output(part, trt.LoopOutput.CONCATENATE, 0)
    output.set_input(1, net.constant(2, np.int64))
    net.mark(output.get_output(0))
    with pytest.raises(UnsupportedError, match="search: the simulator has no loop whose condition reads an iterator"):
        net.simulate(x=random(2))


def test_the_last_value_of_anything_else_is_refused():
    net = HandNetwork()
    loop = net.network.add_loop()
    loop.add_trip_limit(net.constant(2, np.int32), trt.TripLimit.COUNT)
    part = loop.add_iterator(net.input("x", (2,)), 0).get_output(0)
    net.mark(loop.add_loop_output(part, trt.LoopOutput.LAST_VALUE).get_output(0))
    with pytest.raises(GraphError, match="LAST_VALUE takes the output of a recurrence of the same loop"):
        net.simulate(x=random(2))
