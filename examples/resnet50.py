"""ResNet-50 with the weights of a Keras checkpoint; TensorFlow need not be installed.

    python examples/resnet50.py CHECKPOINT [IMAGE.npy]

CHECKPOINT is what ``tf.train.Checkpoint(model=keras.applications.ResNet50()).write("resnet50.ckpt")`` wrote, or a
SavedModel folder. IMAGE is (height, width, 3), preprocessed as for Keras (BGR, the means subtracted); without one,
noise is classified.
"""

import sys
import time

import numpy as np

import trtnn as nn
import trtnn.functional as F

STACKS = ((2, 64, 3, 1), (3, 128, 4, 2), (4, 256, 6, 2), (5, 512, 3, 2))
"""(number, filters, blocks, stride of the first block) of every stack, as Keras counts them."""


class ConvNorm(nn.Module):
    """Keras's ``<name>_conv`` and ``<name>_bn``: a convolution with a bias, then BatchNorm."""

    def __init__(
        self, name: str, channels: int, filters: int, size: int, stride: int = 1, padding: int | str = "valid"
    ):
        self.conv = nn.Conv2d(channels, filters, size, stride, padding, name=f"{name}_conv")
        self.bn = nn.BatchNorm(filters, eps=1.001e-5, name=f"{name}_bn")

    def forward(self, x: nn.Tensor) -> nn.Tensor:
        """(batch, height, width, channels) to (batch, height', width', filters)."""
        return self.bn(self.conv(x))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut, which has a convolution in the first block of a stack."""

    def __init__(self, name: str, channels: int, filters: int, stride: int, first: bool):
        self.shortcut = ConvNorm(f"{name}_0", channels, 4 * filters, 1, stride) if first else None
        self.reduce = ConvNorm(f"{name}_1", channels, filters, 1, stride)
        self.conv = ConvNorm(f"{name}_2", filters, filters, 3, padding="same")
        self.expand = ConvNorm(f"{name}_3", filters, 4 * filters, 1)

    def forward(self, x: nn.Tensor) -> nn.Tensor:
        """(batch, height, width, channels) to (batch, height / stride, width / stride, 4 * filters)."""
        y = F.relu(self.reduce(x))
        y = self.expand(F.relu(self.conv(y)))
        return F.relu((self.shortcut(x) if self.shortcut else x) + y)


class ResNet50(nn.Module):
    """Images (batch, height, width, 3) to probabilities, or logits, (batch, classes)."""

    def __init__(self, classes: int = 1000, logits: bool = False):
        self.stem = ConvNorm("conv1", 3, 64, 7, stride=2, padding=3)
        self.blocks, channels = [], 64
        for stack, filters, blocks, stride in STACKS:
            for i in range(blocks):
                name = f"conv{stack}_block{i + 1}"
                self.blocks.append(Bottleneck(name, channels, filters, stride if i == 0 else 1, first=i == 0))
                channels = 4 * filters
        self.predictions = nn.Linear(channels, classes)
        self.logits = logits

    def forward(self, image: nn.Tensor = nn.Input("batch", 224, 224, 3)) -> nn.Tensor:
        """The probabilities or the logits."""
        x = F.relu(self.stem(image))
        x = F.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))  # Keras pads with 0 here, where max_pool itself would with -inf
        x = F.max_pool(x, 3, stride=2)
        for block in self.blocks:
            x = block(x)
        x = self.predictions(F.global_average_pool(x))
        return x if self.logits else F.softmax(x)


def main(checkpoint: str, image: str | None = None) -> None:
    """Load, compile, and print the five likeliest classes and the milliseconds of a call."""
    model = ResNet50()
    start = time.perf_counter()
    report = model.load_weights(checkpoint)
    loaded = time.perf_counter()
    pixels = np.random.default_rng(0).normal(0, 60, (224, 224, 3)) if image is None else np.load(image)
    engine = model.compile(inputs=nn.Input("batch", *pixels.shape))
    compiled = time.perf_counter()
    print(report.headline)
    print(f"loaded in {(loaded - start) * 1e3:.0f} ms, compiled in {(compiled - loaded) * 1e3:.0f} ms")

    batch = pixels[None].astype(np.float32)
    (probabilities,) = engine(batch)
    for index in probabilities.argsort()[:-6:-1]:
        print(f"class {index:4}: {probabilities[index]:.2%}")

    times = []
    for _ in range(10):
        start = time.perf_counter()
        engine(batch)
        times.append(time.perf_counter() - start)
    print(f"{engine.target}, batch 1: {np.median(times) * 1e3:.1f} ms")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
