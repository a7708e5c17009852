"""Networks with custom ops between TensorFlow's, on ONNX Runtime and in the simulator, against TensorFlow with the same
op written there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import strategies as own
from hypothesis import given, settings
from hypothesis import strategies as st
from ops.harness import fill
from oracle import assert_close, assert_depends_on_input, tensorflow

import trtnn as nn
import trtnn.functional as F
from trtnn.backends.onnxruntime.segmented import SegmentedEngine
from trtnn.backends.tensorrt.library import available
from trtnn.graph import verify
from trtnn.passes import lower

from .ops import BiasSwish, PositiveRows, ReferenceSwish, swish, tf_swish

UNITS = 5


class Mixed(nn.Module):
    """Convolution, op, LSTM over the rows, op, dense."""

    def __init__(self, op: Callable[[nn.Tensor], nn.Tensor], width: int, channels: int, filters: int) -> None:
        self.conv = nn.Conv2d(channels, filters, 3, padding="same")
        self.lstm = nn.LSTM(width * filters, UNITS, return_sequences=True)
        self.head = nn.Linear(UNITS, 3)
        self.op = op

    def forward(self, image: nn.Tensor) -> nn.Tensor:
        x = self.op(self.conv(image))
        rows = x.reshape(x.shape[0], x.shape[1], x.shape[2] * x.shape[3])
        return self.head(self.op(self.lstm(rows)))


def reference(model: Mixed, beta: float) -> Callable[[np.ndarray], np.ndarray]:
    """The same in TensorFlow, step by step."""
    tf = tensorflow()
    kernel, recurrent, bias = (parameter.data for parameter in model.lstm.parameters())

    def run(image: np.ndarray) -> np.ndarray:
        x = tf_swish(tf.nn.conv2d(image, model.conv.kernel.data, 1, "SAME") + model.conv.bias.data, beta)
        rows = tf.reshape(x, (*image.shape[:2], -1))
        h, c = (tf.zeros((len(image), UNITS)) for _ in range(2))
        outputs = []
        for step in range(image.shape[1]):
            i, f, g, o = tf.split(rows[:, step] @ kernel + h @ recurrent + bias, 4, 1)
            c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
            h = tf.sigmoid(o) * tf.tanh(c)
            outputs.append(h)
        y = tf_swish(tf.stack(outputs, 1), beta)
        return np.asarray(y @ model.head.kernel.data + model.head.bias.data)

    return run


@settings(max_examples=12)
@given(batch=st.integers(1, 3), height=own.sizes, width=own.sizes, channels=own.channels, seed=own.seeds)
def test_both_forms_on_onnxruntime(batch: int, height: int, width: int, channels: int, seed: int) -> None:
    for op in (lambda x: swish(x, beta=1.5), ReferenceSwish(beta=1.5)):
        model = Mixed(op, width, channels, 4)
        fill(model, seed)
        declared = nn.Input("batch", "height", width, channels)
        lower(verify(model.trace({"image": declared})), verify)
        engine = model.compile({"image": declared}, target="onnxruntime")
        assert isinstance(engine, SegmentedEngine) == isinstance(op, ReferenceSwish)
        run = reference(model, 1.5)
        for size in (batch, batch + 1):
            image = own.random_array((size, height, width, channels), seed=seed)
            assert_close(engine(image), run(image), 1e-5)


@pytest.mark.skipif(not available("tensorrt-rtx"), reason="needs TensorRT-RTX")
@settings(max_examples=6)
@given(height=st.integers(2, 6), width=own.sizes, seed=own.seeds)
def test_the_decomposition_in_the_simulator(height: int, width: int, seed: int) -> None:
    model = Mixed(lambda x: swish(x, beta=0.7), width, 2, 3)
    fill(model, seed)
    declared = nn.Input("batch", nn.Dim("height", max=8), width, 2)
    engine: Any = model.compile({"image": declared}, target="tensorrt-rtx", optimization_level=0)
    image = own.random_array((2, height, width, 2), seed=seed)
    assert_close(engine.simulate(image), reference(model, 0.7)(image), 1e-5)


def test_the_oracle_follows_its_input() -> None:
    model = Mixed(ReferenceSwish(), 6, 2, 3)
    fill(model)
    assert_depends_on_input(
        reference(model, 1.0), own.random_array((1, 5, 6, 2), seed=1), own.random_array((1, 5, 6, 2), seed=2)
    )


class Counting(nn.Module):
    """What stands before and behind an op that keeps some rows, with sizes of its input in a later segment."""

    def __init__(self, channels: int) -> None:
        self.dense = nn.Linear(channels, 3)

    def forward(self, x: nn.Tensor) -> Any:
        rows, places = PositiveRows()(F.tanh(x))
        fewer, _ = PositiveRows()(rows - 0.2)
        total = F.reduce_sum(fewer, 0, keepdims=True)
        return {
            "dense": self.dense(rows),
            "places": places * 2,
            "stretched": F.broadcast_to(total, (x.shape[0], x.shape[-1])),
            "counts": F.dim_values(x, (rows.shape[0], fewer.shape[0] + 1)),
            "same": x,
        }


@given(batch=st.integers(1, 4), width=own.sizes, channels=own.channels, seed=own.seeds, shift=st.sampled_from([0, -9]))
def test_sizes_that_an_op_makes(batch: int, width: int, channels: int, seed: int, shift: int) -> None:
    """Two ops one after the other, each with a size of its own, that of nothing included."""
    model = Counting(channels)
    fill(model, seed)
    declared = {"x": nn.Input("batch", "width", channels)}
    lower(verify(model.trace(declared)), verify)
    x = own.random_array((batch, width, channels), seed=seed) + np.float32(shift)
    found = model.compile(declared, target="onnxruntime")(x)
    bent = np.tanh(x.astype(np.float64)).reshape(-1, channels)
    places = np.flatnonzero(np.tanh(x).reshape(-1, channels).sum(1) > 0)
    rows = bent[places]
    fewer = (rows - 0.2)[(rows - 0.2).sum(1) > 0]
    np.testing.assert_array_equal(found["places"], places * 2)
    np.testing.assert_array_equal(found["counts"], [len(rows), len(fewer) + 1])
    np.testing.assert_array_equal(found["same"], x)
    assert not np.shares_memory(found["same"], x)
    np.testing.assert_allclose(found["dense"], rows @ model.dense.kernel.data + model.dense.bias.data, atol=1e-5)
    np.testing.assert_allclose(found["stretched"], np.broadcast_to(fewer.sum(0), (batch, channels)), atol=1e-4)


def test_all_forms_agree() -> None:
    x, bias = own.random_array((2, 3, 4, 5), seed=1), own.random_array((5,), seed=2)
    report = nn.custom.check(BiasSwish(beta=2.0), x, bias)
    assert [row.form for row in report.rows] == ["reference in float64", "reference", "decomposition"]
    assert report.rows[0].error < 1e-14
    assert str(report).startswith("tests::bias_swish(beta=2.0) against its decomposition in float64\n  reference in")
