"""Summaries of modules and engines."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

import trtnn as nn
import trtnn.functional as F
from trtnn.errors import DimError
from trtnn.graph.ops import Op
from trtnn.text import with_prefix


class Small(nn.Module):
    def __init__(self):
        self.conv = nn.Conv2d(1, 4, 3, padding="same")
        self.norm = nn.BatchNorm(4)
        self.fc = nn.Linear(4, 2)

    def forward(self, image=nn.Input("batch", 8, "width", 1)):
        x = F.relu(self.norm(self.conv(image)))
        return F.softmax(self.fc(F.global_average_pool(x)))


MODULE = """\
Small
module  class      output                   parameters  weights  largest tensor  FLOPs
--------------------------------------------------------------------------------------
conv    Conv2d     f32[batch, 8, width, 4]          40    160 B               ?      ?
norm    BatchNorm  f32[batch, 8, width, 4]          16     64 B               ?      ?
(root)  Small      f32[batch, 2]                     0                        ?      ?
fc      Linear     f32[batch, 2]                    10     40 B             8 B     18
--------------------------------------------------------------------------------------
66 parameters, 264 B
28 FLOPs at batch=1, a multiplication and an addition counted as 2
not counted: what depends on width; ask for summary(width=...)"""
SIZED = """\
module  class      output                   parameters  weights  largest tensor   FLOPs
---------------------------------------------------------------------------------------
conv    Conv2d     f32[batch, 8, width, 4]          40    160 B         2.05 kB  9.73 k
norm    BatchNorm  f32[batch, 8, width, 4]          16     64 B         2.05 kB  1.02 k
(root)  Small      f32[batch, 2]                     0                  2.05 kB  1.04 k
fc      Linear     f32[batch, 2]                    10     40 B            16 B      36
---------------------------------------------------------------------------------------
66 parameters, 264 B
11.83 kFLOPs at batch=2, width=8, a multiplication and an addition counted as 2"""


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (10**6, "1.00 MB"), (2.5e15, "2,500.00 TB")]
)
def test_numbers_have_decimal_prefixes(value, text):
    assert with_prefix(value, "B") == text


def test_a_module_needs_no_weights():
    assert str(Small().summary()) == MODULE


def test_sizes_of_named_dims():
    assert str(Small().summary(batch=2, width=8)).endswith(SIZED)
    assert str(Small().summary(dims={"batch": 2, "width": 8})).endswith(SIZED)
    image = nn.Input(nn.Dim("batch", 1, 2, 4), 8, nn.Dim("width", 4, 8, 9), 1)
    assert Small().summary(image).closing[-1].startswith("11.83 kFLOPs at batch=2, width=8,")


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"height": 3}, r"height: expected one of the named dims: batch, width, got 'height'"),
        ({"batch": 0}, r"batch: expected a size of at least 1, got 0"),
        ({"batch": "8"}, r"batch: expected a size of at least 1, got '8'"),
    ],
)
def test_sizes_that_make_no_sense(sizes, said):
    with pytest.raises(DimError, match=said):
        Small().summary(**sizes)


def test_modules_that_run_inside_of_loops_have_rows():
    class Looped(nn.Module):
        def __init__(self):
            self.cell = nn.Linear(4, 4)

        def forward(self, x=nn.Input(2, 5, 4)):
            return F.scan(lambda state, x_t: (self.cell(state) + x_t, None), x, F.zeros_like(x[:, 0]))[0]

    rows = {row[0]: row for row in Looped().summary().rows}
    assert rows["cell"][1:4] == ("Linear", "f32[2, 4]", "20")
    assert rows["cell"][-1] == str(5 * (2 * 2 * 4 * 4 + 2 * 4))


def test_operations_that_are_not_counted_are_named():
    @attrs.frozen(eq=False)
    class Mystery(Op):
        def infer(self, x):
            return x

    class Model(nn.Module):
        def forward(self, x=nn.Input(2, 3)):
            return x.tracer.apply(Mystery(), x)

    assert Model().summary().closing[-1] == "not counted: mystery"


def test_an_engine_shows_its_casts():
    model = Small()
    for parameter in model.parameters():
        parameter.assign(np.ones(parameter.shape, np.float32))
    summary = model.compile(quiet=True, fp16=True).summary()
    rows = {row[0]: row for row in summary.rows}
    assert "norm" not in rows, "folded into the convolution"
    assert "conv" in rows["conv"][1]
    casts = sum(int(row[3] or 0) for row in summary.rows)
    assert casts > 0 and summary.closing[0].endswith(f"{casts} casts")
    assert "float16" in summary.title


def test_an_engine_from_a_file_has_the_summary_that_it_had(tmp_path):
    model = Small()
    for parameter in model.parameters():
        parameter.assign(np.ones(parameter.shape, np.float32))
    engine = model.compile(target="onnxruntime")
    engine.save(tmp_path / "small.onnx")
    loaded = nn.Engine.load(tmp_path / "small.onnx").summary()
    assert loaded == engine.summary()
    assert loaded.title.startswith("Engine(Small, onnxruntime,")
