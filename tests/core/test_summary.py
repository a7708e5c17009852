"""Summaries of modules and engines."""

from __future__ import annotations

import numpy as np

import trtnn as nn
import trtnn.functional as F


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
module  class      output                   parameters
------------------------------------------------------
conv    Conv2d     f32[batch, 8, width, 4]  40
norm    BatchNorm  f32[batch, 8, width, 4]  16
(root)  Small      f32[batch, 2]            0
fc      Linear     f32[batch, 2]            10
------------------------------------------------------
66 parameters, 0.00 MB"""


def test_a_module_needs_no_weights():
    assert str(Small().summary()) == MODULE


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
