"""Small networks to measure."""

from __future__ import annotations

from typing import Any

import numpy as np

import trtnn as nn
import trtnn.functional as F


class Block(nn.Module):
    def __init__(self) -> None:
        self.conv = nn.Conv2d(4, 4, 3, padding="same")

    def forward(self, x: Any) -> Any:
        return F.relu(self.conv(x)) + x


class Network(nn.Module):
    """Two blocks and a linear layer."""

    def __init__(self) -> None:
        self.stem = nn.Conv2d(3, 4, 3, padding="same")
        self.blocks = [Block(), Block()]
        self.fc = nn.Linear(4, 2)

    def forward(self, image: Any = nn.Input("batch", 16, 16, 3)) -> Any:
        x = F.relu(self.stem(image))
        for block in self.blocks:
            x = block(x)
        return F.softmax(self.fc(F.global_average_pool(x)))


class Cell(nn.Module):
    def __init__(self) -> None:
        self.fc = nn.Linear(4, 4)

    def forward(self, state: Any, x: Any) -> Any:
        return F.tanh(self.fc(state) + x)


class Looped(nn.Module):
    """A loop over a cell that is a module."""

    def __init__(self) -> None:
        self.cell = Cell()

    def forward(self, x: Any = nn.Input("batch", "time", 4)) -> Any:
        def step(state: Any, x_t: Any) -> Any:
            new = self.cell(state, x_t)
            return new, new

        return F.scan(step, x, F.zeros_like(x[:, 0]))[1]


def filled(model: Any) -> Any:
    """The module with random weights."""
    rng = np.random.default_rng(0)
    for parameter in model.parameters():
        parameter.assign(rng.normal(0, 0.3, parameter.shape).astype(np.float32))
    return model
