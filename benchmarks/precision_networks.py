"""The networks of the precision benchmarks, with random weights: what is measured does not depend on their values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np

import trtnn as nn
import trtnn.functional as F
from examples.resnet50 import ResNet50

INVERTED = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""MobileNetV2's blocks: (expansion, channels, how many, stride of the first)."""


class InvertedResidual(nn.Module):
    """MobileNetV2's block: 1x1 up, 3x3 depthwise, 1x1 down, BatchNorm after each, and a way around where it fits."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        wide = inputs * expansion
        self.expand = (
            nn.Sequential(nn.Conv2d(inputs, wide, 1, bias=False), nn.BatchNorm(wide)) if expansion > 1 else None
        )
        self.depthwise = nn.Sequential(
            nn.DepthwiseConv2d(wide, 3, stride=stride, padding="same", bias=False), nn.BatchNorm(wide)
        )
        self.project = nn.Sequential(nn.Conv2d(wide, outputs, 1, bias=False), nn.BatchNorm(outputs))
        self.around = stride == 1 and inputs == outputs

    def forward(self, x: nn.Tensor) -> nn.Tensor:
        y = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.around else y


class MobileNetV2(nn.Module):
    """Images (batch, height, width, 3) to logits (batch, 1000)."""

    def __init__(self) -> None:
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 3, stride=2, padding="same", bias=False), nn.BatchNorm(32))
        self.blocks, channels = [], 32
        for expansion, outputs, count, stride in INVERTED:
            for number in range(count):
                self.blocks.append(InvertedResidual(channels, outputs, expansion, stride if number == 0 else 1))
                channels = outputs
        self.head = nn.Sequential(nn.Conv2d(320, 1280, 1, bias=False), nn.BatchNorm(1280))
        self.logits = nn.Linear(1280, 1000)

    def forward(self, x: nn.Tensor = nn.Input("batch", 224, 224, 3)) -> nn.Tensor:
        x = F.relu6(self.stem(x))
        for block in self.blocks:
            x = block(x)
        return self.logits(F.global_average_pool(F.relu6(self.head(x))))


class EncoderLayer(nn.Module):
    """BERT's layer: attention, then two linear layers, each with a way around it and a normalization behind."""

    def __init__(self, size: int, heads: int) -> None:
        self.attention = nn.MultiHeadAttention(size, heads, size // heads)
        self.norm1, self.norm2 = nn.LayerNorm(size), nn.LayerNorm(size)
        self.up, self.down = nn.Linear(size, 4 * size), nn.Linear(4 * size, size)

    def forward(self, x: nn.Tensor) -> nn.Tensor:
        x = self.norm1(x + self.attention(x, x))
        return self.norm2(x + self.down(F.gelu(self.up(x))))


class Encoder(nn.Module):
    """The size of BERT-base's encoder: 12 layers of 768 with 12 heads, 85 million weights."""

    def __init__(self, layers: int = 12, size: int = 768, heads: int = 12) -> None:
        self.layers = [EncoderLayer(size, heads) for _ in range(layers)]

    def forward(self, x: nn.Tensor = nn.Input("batch", 128, 768)) -> nn.Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class BiLSTM(nn.Module):
    """Sequences (batch, 80, 512) through an LSTM of 512 in both directions, to 97 classes."""

    def __init__(self) -> None:
        self.lstm = nn.Bidirectional(nn.LSTM(512, 512, return_sequences=True))
        self.classes = nn.Linear(1024, 97)

    def forward(self, x: nn.Tensor = nn.Input("batch", 80, 512)) -> nn.Tensor:
        return self.classes(self.lstm(x))


@attrs.frozen
class Case:
    """A network and the shape of one sample of its input."""

    make: Callable[[], nn.Module]
    sample: tuple[int, ...]

    def model(self) -> Any:
        """The network with random weights."""
        model, rng = self.make(), np.random.default_rng(0)
        for path, parameter in model.named_parameters():
            if path.endswith("kernel"):
                values = rng.normal(0, (2 / np.prod(parameter.shape[:-1])) ** 0.5, parameter.shape)
            else:
                values = rng.uniform(0.5, 1.5, parameter.shape)
            parameter.assign(values.astype(np.float32))
        return model

    def inputs(self, count: int, seed: int = 0) -> np.ndarray:
        """Inputs (count, *sample) of unit scale."""
        return np.random.default_rng(seed).normal(size=(count, *self.sample)).astype(np.float32)


CASES = {
    "ResNet-50": Case(lambda: ResNet50(logits=True), (224, 224, 3)),
    "MobileNetV2": Case(MobileNetV2, (224, 224, 3)),
    "BERT-base encoder": Case(Encoder, (128, 768)),
    "BiLSTM 512": Case(BiLSTM, (80, 512)),
}
