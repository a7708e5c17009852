"""Networks that the precision tests share."""

from __future__ import annotations

from typing import Any

import numpy as np
from ops.harness import fill

import trtnn as nn
import trtnn.functional as F


class Residual(nn.Module):
    """Two convolutions beside a third one, added; maxima, a concatenation and a linear layer behind them."""

    def __init__(self, channels: int = 8) -> None:
        self.first = nn.Conv2d(3, channels, 3, padding="same")
        self.bn = nn.BatchNorm(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding="same")
        self.shortcut = nn.Conv2d(3, channels, 1)
        self.head = nn.Linear(2 * channels, 5)

    def forward(self, image: nn.Tensor = nn.Input("batch", 8, 8, 3)) -> nn.Tensor:
        x = self.second(F.relu(self.bn(self.first(image))))
        x = F.relu(x + self.shortcut(image))
        x = F.concat([F.max_pool(x, 2), F.average_pool(x, 2)], -1)
        return self.head(F.global_average_pool(x))


class Attention(nn.Module):
    """One head of self-attention whose logits are beyond float16 before they are scaled, and a layer normalization of
    large values."""

    def __init__(self, size: int = 16) -> None:
        self.norm = nn.LayerNorm(size)
        self.query, self.key, self.value = (nn.Linear(size, size) for _ in range(3))
        self.scale = 1e-4

    def forward(self, x: nn.Tensor = nn.Input("batch", 5, 16)) -> nn.Tensor:
        y = self.norm(x)
        logits = F.matmul(self.query(y) * 100.0, self.key(y) * 100.0, transpose_y=True)
        return F.matmul(F.softmax(logits * self.scale), self.value(y))


class Loud(nn.Module):
    """A linear layer whose results are beyond float16, between two harmless ones."""

    def __init__(self) -> None:
        self.before = nn.Linear(6, 8)
        self.loud = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)
        self.after = nn.Linear(8, 3)

    def forward(self, x: nn.Tensor = nn.Input("batch", 6)) -> nn.Tensor:
        return self.after(self.norm(self.loud(F.relu(self.before(x)))))


def filled(module: nn.Module, seed: int = 0) -> Any:
    """The module with random weights."""
    fill(module, seed)
    return module


def loud() -> Loud:
    """`Loud` with weights that float16 holds, and that make its middle layer overflow."""
    model = filled(Loud())
    kernel = np.asarray(model.loud.kernel.data)
    model.loud.kernel.assign(kernel * np.float32(6e4 / np.abs(kernel).max()))
    return model


def images(count: int, seed: int = 0, size: int = 8) -> np.ndarray:
    """Images (count, size, size, 3) of about unit scale."""
    return np.random.default_rng(seed).normal(size=(count, size, size, 3)).astype(np.float32)
