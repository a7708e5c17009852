"""TensorFlow 1's cells and dynamic_rnn, in one and both directions, against TensorFlow's own, by checkpoint names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import tensorflow

import trtnn as nn
from recurrent.harness import Case, cases, check
from recurrent.tf1_graphs import Recorded, quiet_cell
from trtnn import tf1


class Flat(nn.Module):
    """A module on x, lengths and states, with its nested results side by side; ``nest`` puts states in place."""

    def __init__(self, rnn: nn.Module, lengths: bool, nest: Callable[[Any], Any]) -> None:
        self.rnn, self.lengths, self.nest = rnn, lengths, nest

    def forward(self, x: nn.Tensor, *operands: nn.Tensor) -> Any:
        lengths, states = (operands[0], operands[1:]) if self.lengths else (None, operands)
        return tuple(leaves(self.rnn(x, lengths, *(self.nest(list(states)) if states else ()))))


def leaves(tree: Any) -> list[Any]:
    return [leaf for one in tree for leaf in leaves(one)] if isinstance(tree, (tuple, list)) else [tree]


def check_against_tf1(case: Case, ours: nn.Module, build: Any, sizes: list[int], nest: Any) -> None:
    masked = case.masking == "lengths"
    recorded = Recorded(build, case.inputs, sizes if case.states else [], masked, case.seed)
    report = ours.load_weights(recorded.weights())
    assert report.complete and not report.unexpected, report
    calls = [case.arrays(call, sizes) for call in case.calls]
    check(Flat(ours, masked, nest), recorded, *calls, inputs=case.declared(sizes))


def lstm_options(draw: Any, units: int) -> dict[str, Any]:
    return {
        "use_peepholes": draw(st.booleans()),
        "cell_clip": draw(st.sampled_from([None, 0.3])),
        "num_proj": draw(st.sampled_from([None, units + 1])),
        "proj_clip": draw(st.sampled_from([None, 0.2])),
        "forget_bias": draw(st.sampled_from([1.0, 0.0, 2.5])),
    }


@settings(max_examples=16)
@given(case=cases(masking=("", "lengths")), data=st.data())
def test_lstm_cell(case: Case, data: st.DataObject) -> None:
    """Peepholes, clips, projection and forget bias in any combination."""
    options = lstm_options(data.draw, case.units)
    ours = tf1.DynamicRNN(tf1.LSTMCell(case.inputs, case.units, **options))

    def build(x: Any, lengths: Any, *states: Any) -> Any:
        cell = quiet_cell("LSTMCell", case.units, **options)
        return dynamic_rnn(cell, x, lengths, quiet_cell("LSTMStateTuple", *states) if states else None)

    sizes = [case.units, options["num_proj"] or case.units]
    check_against_tf1(case, ours, build, sizes, lambda states: [tuple(states)])


@pytest.mark.parametrize("kind", ["GRUCell", "BasicRNNCell"])
@settings(max_examples=8)
@given(case=cases(masking=("", "lengths")))
def test_cells_of_one_state(kind: str, case: Case) -> None:
    ours = tf1.DynamicRNN(getattr(tf1, kind)(case.inputs, case.units))

    def build(x: Any, lengths: Any, *states: Any) -> Any:
        return dynamic_rnn(quiet_cell(kind, case.units), x, lengths, states[0] if states else None)

    check_against_tf1(case, ours, build, [case.units], lambda states: states)


@settings(max_examples=10)
@given(case=cases(masking=("", "lengths")), bias=st.sampled_from([1.0, 0.5]))
def test_bidirectional(case: Case, bias: float) -> None:
    """The backward direction turns every row at its own length."""
    ours = tf1.BidirectionalDynamicRNN(*(tf1.BasicLSTMCell(case.inputs, case.units, bias) for _ in range(2)))

    def build(x: Any, lengths: Any, *states: Any) -> Any:
        starts = [quiet_cell("LSTMStateTuple", *states[i : i + 2]) for i in (0, 2)] if states else [None, None]
        directions = [quiet_cell("BasicLSTMCell", case.units, bias) for _ in range(2)]
        return tensorflow().compat.v1.nn.bidirectional_dynamic_rnn(
            *directions, x, lengths, *starts, dtype=tensorflow().float32
        )

    check_against_tf1(case, ours, build, [case.units] * 4, lambda states: [tuple(states[:2]), tuple(states[2:])])


@settings(max_examples=8)
@given(case=cases(masking=("", "lengths")))
def test_multi_rnn_cell(case: Case) -> None:
    """Three different cells on top of each other, under the names cell_0 to cell_2."""
    units, inner = case.units, case.units + 1
    ours = tf1.DynamicRNN(
        tf1.MultiRNNCell(
            [
                tf1.LSTMCell(case.inputs, units, num_proj=inner),
                tf1.GRUCell(inner, units),
                tf1.BasicRNNCell(units, inner),
            ]
        )
    )

    def build(x: Any, lengths: Any, *states: Any) -> Any:
        stacked = [("LSTMCell", units, {"num_proj": inner}), ("GRUCell", units, {}), ("BasicRNNCell", inner, {})]
        cell = quiet_cell("MultiRNNCell", [quiet_cell(kind, size, **options) for kind, size, options in stacked])
        start = (quiet_cell("LSTMStateTuple", *states[:2]), *states[2:]) if states else None
        return dynamic_rnn(cell, x, lengths, start)

    sizes = [units, inner, units, inner]
    check_against_tf1(case, ours, build, sizes, lambda states: [(tuple(states[:2]), *states[2:])])


def dynamic_rnn(cell: Any, x: Any, lengths: Any, state: Any = None) -> Any:
    return tensorflow().compat.v1.nn.dynamic_rnn(cell, x, lengths, state, dtype=tensorflow().float32)


class Steps(nn.Module):
    """Cells called step by step inside a scan, as a decoder does."""

    def __init__(self, *cells: Any) -> None:
        self.cells = tf1.MultiRNNCell(cells)

    def forward(self, x: nn.Tensor) -> nn.Tensor:
        def step(state: Any, x_t: nn.Tensor) -> Any:
            output, state = self.cells(x_t, state)
            return state, output

        zero = nn.functional.broadcast_to(x[:, 0, :1] * 0.0, (x.shape[0], 4))
        return nn.functional.scan(step, x, ((zero, zero), zero, zero))[1]


def test_cells_step_by_step() -> None:
    """What a cell computes in one step is what its layer computes for all of them."""
    ours = Steps(tf1.LSTMCell(3, 4, use_peepholes=True, num_proj=4), tf1.GRUCell(4, 4), tf1.BasicRNNCell(4, 4))

    def build(x: Any, lengths: Any) -> Any:
        stacked = [
            quiet_cell("LSTMCell", 4, use_peepholes=True, num_proj=4),
            quiet_cell("GRUCell", 4),
            quiet_cell("BasicRNNCell", 4),
        ]
        return dynamic_rnn(quiet_cell("MultiRNNCell", stacked), x, None)[0]

    recorded = Recorded(build, 3, [], False, 0)
    ours.load_weights(recorded.weights(), name_map=[("^cells", "rnn/multi_rnn_cell")])
    x = np.random.default_rng(0).normal(0, 1, (2, 5, 3)).astype(np.float32)
    check(ours, lambda x: recorded(x)[0], [x], inputs=[nn.Input("batch", "time", 3)])


@pytest.mark.parametrize("names", [("kernel", "bias"), ("weights", "biases")])
def test_checkpoint_names(tmp_path: Path, names: tuple[str, str]) -> None:
    """A checkpoint of TensorFlow's own, and one with the names that TensorFlow had before 1.2."""

    class Encoder(nn.Module):
        def __init__(self) -> None:
            self.directions = tf1.BidirectionalDynamicRNN(tf1.BasicLSTMCell(3, 4), tf1.BasicLSTMCell(3, 4))

        def forward(self, x: nn.Tensor = nn.Input("batch", "time", 3)) -> nn.Tensor:
            return nn.functional.concat(self.directions(x)[0])

    def build(x: Any, lengths: Any) -> Any:
        both = [quiet_cell("BasicLSTMCell", 4) for _ in range(2)]
        return tensorflow().compat.v1.nn.bidirectional_dynamic_rnn(*both, x, dtype=tensorflow().float32)

    recorded = Recorded(build, 3, [], False, 0)
    source: Any = recorded.save(str(tmp_path / "model.ckpt"))
    if names[0] != "kernel":
        renamed = {"kernel": names[0], "bias": names[1]}
        found = recorded.weights().items()
        source = {"/".join([*name.split("/")[:-1], renamed[name.split("/")[-1]]]): data for name, data in found}
    model = Encoder()
    report = model.load_weights(source)
    assert report.complete
    assert f"bidirectional_rnn/bw/basic_lstm_cell/{names[0]}" in str(report)
    x = np.random.default_rng(0).normal(0, 1, (2, 5, 3)).astype(np.float32)
    got = model.compile(target="onnxruntime", quiet=True)(x)
    np.testing.assert_allclose(got, np.concatenate(recorded(x)[:2], -1), atol=2e-6)
