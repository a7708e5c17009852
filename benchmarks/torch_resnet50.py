"""ResNet-50 as a PyTorch user writes it, with a Keras model's layer names, and weights taken over from one."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

STACKS = ((2, 64, 3, 1), (3, 128, 4, 2), (4, 256, 6, 2), (5, 512, 3, 2))
"""(stack, filters, blocks, stride of its first block), numbered as in Keras."""


class ConvNorm(nn.Module):
    """Convolution with a bias, then BatchNorm with Keras's epsilon; NCHW."""

    def __init__(self, channels: int, filters: int, size: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, filters, size, stride, padding=size // 2)
        self.bn = nn.BatchNorm2d(filters, eps=1.001e-5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) to (batch, filters, height / stride, width / stride)."""
        return self.bn(self.conv(x))

    def take_over(self, model: Any, name: str) -> None:
        """Copy the weights of Keras's ``<name>_conv`` and ``<name>_bn``."""
        kernel, bias = (weight.numpy() for weight in model.get_layer(f"{name}_conv").weights)
        gamma, beta, mean, variance = (weight.numpy() for weight in model.get_layer(f"{name}_bn").weights)
        sources = (kernel.transpose(3, 2, 0, 1), bias, gamma, beta, mean, variance)
        bn = self.bn
        targets = (self.conv.weight, self.conv.bias, bn.weight, bn.bias, bn.running_mean, bn.running_var)
        for target, source in zip(targets, sources, strict=True):
            target.data.copy_(torch.from_numpy(source))


class Block(nn.Module):
    """A bottleneck; with a stride or a change of channels its shortcut has a convolution too."""

    def __init__(self, channels: int, filters: int, stride: int, first: bool) -> None:
        super().__init__()
        self.shortcut = ConvNorm(channels, 4 * filters, 1, stride) if first else nn.Identity()
        self.conv1 = ConvNorm(channels, filters, 1, stride)
        self.conv2 = ConvNorm(filters, filters, 3)
        self.conv3 = ConvNorm(filters, 4 * filters, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) to (batch, 4 * filters, height / stride, width / stride)."""
        y = torch.relu(self.conv1(x))
        y = self.conv3(torch.relu(self.conv2(y)))
        return torch.relu(self.shortcut(x) + y)


class ResNet50(nn.Module):
    """Images (batch, 3, height, width) to logits (batch, 1000), with a Keras ResNet50's weights."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.stem = ConvNorm(3, 64, 7, stride=2)
        self.stem.take_over(model, "conv1")
        blocks, channels = [], 64
        for stack, filters, count, stride in STACKS:
            for index in range(count):
                block = Block(channels, filters, stride if index == 0 else 1, first=index == 0)
                parts = [block.conv1, block.conv2, block.conv3]
                for number, part in [(0, block.shortcut)] * (index == 0) + list(enumerate(parts, 1)):
                    part.take_over(model, f"conv{stack}_block{index + 1}_{number}")
                blocks.append(block)
                channels = 4 * filters
        self.blocks = nn.Sequential(*blocks)
        self.predictions = nn.Linear(2048, 1000)
        dense = model.get_layer("predictions")
        self.predictions.weight.data.copy_(torch.from_numpy(dense.kernel.numpy().T))
        self.predictions.bias.data.copy_(torch.from_numpy(dense.bias.numpy()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The logits."""
        x = nn.functional.max_pool2d(torch.relu(self.stem(x)), 3, 2, padding=1)
        return self.predictions(self.blocks(x).mean(dim=(2, 3)))
