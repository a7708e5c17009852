"""VGG-16, after Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014.

    python examples/backbones/vgg16.py WEIGHTS

WEIGHTS is what ``keras.applications.VGG16().save("vgg16.keras")`` wrote, or any file with Keras's names for its layers.
"""

import sys

import trtnn as nn
import trtnn.functional as F

STACKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Filters and convolutions of every stack; a pooling of 2 follows each."""


class VGG16(nn.Module):
    """Images (batch, size, size, 3) to logits (batch, classes); the size is fixed by the first dense layer."""

    def __init__(self, classes: int = 1000, size: int = 224):
        self.stacks, channels = [], 3
        for stack, (filters, count) in enumerate(STACKS, 1):
            sizes = [channels, *[filters] * count]
            self.stacks.append(
                [
                    nn.Conv2d(sizes[i], filters, 3, padding="same", name=f"block{stack}_conv{i + 1}")
                    for i in range(count)
                ]
            )
            channels = filters
        self.fc1 = nn.Linear((size // 32) ** 2 * channels, 4096)
        self.fc2 = nn.Linear(4096, 4096)
        self.predictions = nn.Linear(4096, classes)

    def forward(self, image: nn.Tensor = nn.Input("batch", 224, 224, 3)) -> nn.Tensor:
        """The logits."""
        x = image
        for stack in self.stacks:
            for conv in stack:
                x = F.relu(conv(x))
            x = F.max_pool(x, 2)
        x = F.relu(self.fc2(F.relu(self.fc1(F.flatten(x)))))
        return self.predictions(x)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    network = VGG16()
    print(network.load_weights(sys.argv[1]))
    print(network.compile())
