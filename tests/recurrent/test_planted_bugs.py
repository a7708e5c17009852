"""The comparisons see bugs: each one planted here must turn a comparison with TensorFlow red."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ops.harness import fill
from oracle import tensorflow

import trtnn as nn
import trtnn.functional as F
from recurrent.harness import Called, Case, Sizes, check, check_against_keras, keras_layer
from recurrent.tf1_graphs import Recorded, quiet_cell
from trtnn import tf1
from trtnn.backends.onnxruntime import recurrent as native
from trtnn.functional import cells
from trtnn.graph import ops as g
from trtnn.layers import tf1 as tf1_layers
from trtnn.passes import recurrent as loops

CASE = Case((Sizes(3, 4),), inputs=3, units=4, masking="lengths", states=False, seed=1)


def check_keras(kind: str = "LSTM") -> None:
    layer = getattr(nn, kind)(3, 4, return_sequences=True)
    fill(layer)
    check_against_keras(CASE, layer, keras_layer(kind, layer, 4, 3, return_sequences=True), [])


def check_tf1() -> None:
    """A bidirectional LSTM with lengths."""
    ours = tf1.BidirectionalDynamicRNN(tf1.BasicLSTMCell(3, 4), tf1.BasicLSTMCell(3, 4))

    def build(x: Any, lengths: Any) -> Any:
        both = [quiet_cell("BasicLSTMCell", 4) for _ in range(2)]
        return tensorflow().compat.v1.nn.bidirectional_dynamic_rnn(*both, x, lengths, dtype=np.float32)[0]

    recorded = Recorded(build, 3, [], True, 0)
    ours.load_weights(recorded.weights())
    concatenated = Called(_Outputs(ours), ["lengths"])
    check(concatenated, lambda *arrays: np.concatenate(recorded(*arrays), -1), CASE.arrays(CASE.calls[0], []))


class _Outputs(nn.Module):
    def __init__(self, rnn: nn.Module) -> None:
        self.rnn = rnn

    def forward(self, x: nn.Tensor, lengths: nn.Tensor) -> nn.Tensor:
        return F.concat(self.rnn(x, lengths)[0])


def swapped_gates(x: nn.Tensor, parts: Any, axis: int = -1) -> Any:
    """`split` that gives the first two parts of four the wrong way round."""
    found = F.split(x, parts, axis)
    return [found[1], found[0], *found[2:]] if len(found) == 4 else found


def scan_from_the_end(*arguments: Any, valid: Any = None, **options: Any) -> Any:
    """`masked_scan` whose backward direction is not aware of the lengths: it counts every step."""
    step, x, initial, counted = arguments
    return cells_scan(step, x, initial, None if options["reverse"] else counted, **options)


cells_scan = loops.masked_scan
BUGS: dict[str, tuple[Callable[[], None], Any, str, Any, str]] = {
    "gates swapped in the step": (check_keras, cells, "split", swapped_gates, "tensorrt-rtx"),
    "gates in ONNX's order": (check_keras, native, "GATES", {**native.GATES, g.LSTM: (0, 1, 2, 3)}, "onnxruntime"),
    "z and r swapped": (lambda: check_keras("GRU"), native, "GATES", {**native.GATES, g.GRU: (1, 0, 2)}, "onnxruntime"),
    "no forget bias": (check_tf1, tf1_layers.np, "repeat", lambda a, n: np.zeros(len(a) * n, a.dtype), "onnxruntime"),
    "gates i, j, f, o as they are": (check_tf1, tf1_layers, "_reordered", lambda weight, order: weight, "onnxruntime"),
    "backward by time, not by length": (check_tf1, loops, "masked_scan", scan_from_the_end, "tensorrt-rtx"),
    "the last output is not repeated": (check_keras, native, "_repeat_last", lambda both, *_: both, "onnxruntime"),
}


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    comparison, where, attribute, bug, target = BUGS[name]
    comparison()
    monkeypatch.setattr(where, attribute, bug)
    with pytest.raises(AssertionError, match=f"{target}, call 0: relative error"):
        comparison()
