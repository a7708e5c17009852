"""GoogLeNet (Inception v1) with local response normalization: Szegedy et al., "Going deeper with convolutions", 2014.

    python examples/backbones/googlenet.py WEIGHTS

WEIGHTS is a Keras file or a TensorFlow checkpoint with layers named like those of the paper: "conv1_7x7", then
"inception_3a_1x1", "inception_3a_3x3_reduce" and so on, "classifier".
"""

import sys

import trtnn as nn
import trtnn.functional as F

BLOCKS = {
    "3a": (192, 64, 96, 128, 16, 32, 32),
    "3b": (256, 128, 128, 192, 32, 96, 64),
    "4a": (480, 192, 96, 208, 16, 48, 64),
    "4b": (512, 160, 112, 224, 24, 64, 64),
    "4c": (512, 128, 128, 256, 24, 64, 64),
    "4d": (512, 112, 144, 288, 32, 64, 64),
    "4e": (528, 256, 160, 320, 32, 128, 128),
    "5a": (832, 256, 160, 320, 32, 128, 128),
    "5b": (832, 384, 192, 384, 48, 128, 128),
}
"""Channels in; out of 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5 and the projection after pooling: table 1 of the paper."""


class Inception(nn.Module):
    """Four ways through a block, side by side: 1x1, 3x3, 5x5, and pooling."""

    def __init__(
        self, name: str, channels: int, one: int, reduce3: int, three: int, reduce5: int, five: int, pool: int
    ):
        self.one = nn.Conv2d(channels, one, 1, name=f"{name}_1x1")
        self.reduce3 = nn.Conv2d(channels, reduce3, 1, name=f"{name}_3x3_reduce")
        self.three = nn.Conv2d(reduce3, three, 3, padding="same", name=f"{name}_3x3")
        self.reduce5 = nn.Conv2d(channels, reduce5, 1, name=f"{name}_5x5_reduce")
        self.five = nn.Conv2d(reduce5, five, 5, padding="same", name=f"{name}_5x5")
        self.project = nn.Conv2d(channels, pool, 1, name=f"{name}_pool_proj")

    def forward(self, x: nn.Tensor) -> nn.Tensor:
        """(batch, height, width, channels) to (batch, height, width, one + three + five + pool)."""
        return F.concat(
            [
                F.relu(self.one(x)),
                F.relu(self.three(F.relu(self.reduce3(x)))),
                F.relu(self.five(F.relu(self.reduce5(x)))),
                F.relu(self.project(F.max_pool(x, 3, stride=1, padding="same"))),
            ]
        )


class GoogLeNet(nn.Module):
    """Images (batch, height, width, 3) to logits (batch, classes); without the heads that only help training."""

    def __init__(self, classes: int = 1000):
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding="same", name="conv1_7x7")
        self.reduce2 = nn.Conv2d(64, 64, 1, name="conv2_3x3_reduce")
        self.conv2 = nn.Conv2d(64, 192, 3, padding="same", name="conv2_3x3")
        # The paper's LRN divides alpha by the window; TensorFlow's does not.
        self.norm = nn.LocalResponseNorm(radius=2, bias=1.0, alpha=1e-4 / 5, beta=0.75)
        self.blocks = {name: Inception(f"inception_{name}", *sizes) for name, sizes in BLOCKS.items()}
        self.classifier = nn.Linear(1024, classes)

    def forward(self, image: nn.Tensor = nn.Input("batch", 224, 224, 3)) -> nn.Tensor:
        """The logits."""
        x = self.norm(self._shrunk(F.relu(self.conv1(image))))
        x = F.relu(self.conv2(F.relu(self.reduce2(x))))
        x = self._shrunk(self.norm(x))
        for name, block in self.blocks.items():
            x = block(x)
            if name in ("3b", "4e"):
                x = self._shrunk(x)
        return self.classifier(F.global_average_pool(x))

    @staticmethod
    def _shrunk(x: nn.Tensor) -> nn.Tensor:
        return F.max_pool(x, 3, stride=2, padding="same")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    network = GoogLeNet()
    print(network.load_weights(sys.argv[1]))
    print(network.compile())
