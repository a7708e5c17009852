"""Classify handwritten digits with a network that TensorFlow trained; TensorFlow need not be installed.

    python examples/digits/run.py

``train.py`` next to this file trained the network and wrote the files that this one reads.
"""

import time
from pathlib import Path

import numpy as np

import trtnn as nn
import trtnn.functional as F

HERE = Path(__file__).resolve().parent


class Digits(nn.Module):
    """Images (batch, 8, 8, 1) to logits (batch, 10). The attributes are called as the variables in the checkpoint."""

    def __init__(self) -> None:
        self.conv1 = nn.Conv2d(1, 16, 3, padding="same")
        self.bn1 = nn.BatchNorm(16, eps=1e-3)
        self.conv2 = nn.Conv2d(16, 32, 3, stride=2, padding="same")
        self.bn2 = nn.BatchNorm(32, eps=1e-3)
        self.fc1 = nn.Linear(2 * 2 * 32, 64)
        self.logits = nn.Linear(64, 10)

    def forward(self, image: nn.Tensor = nn.Input("batch", 8, 8, 1)) -> nn.Tensor:
        """The logits."""
        x = F.relu(self.bn1(self.conv1(image)))
        x = F.relu(self.bn2(self.conv2(x)))
        x = F.max_pool(x, 2)
        x = F.relu(self.fc1(F.flatten(x)))
        return self.logits(x)


def show(images: np.ndarray, predicted: np.ndarray) -> None:
    """Print images (n, 8, 8, 1) of values 0..1 side by side, under the digits they were taken for."""
    print("\n" + "   ".join(f"{digit!s:16}" for digit in predicted).rstrip())
    for rows in images[..., 0].swapaxes(0, 1):
        print("   ".join("".join(" .:*#"[round(float(pixel) * 4)] * 2 for pixel in row) for row in rows).rstrip())
    print()


def compare(what: str, logits: np.ndarray, wanted: np.ndarray) -> None:
    """Print how far logits are from TensorFlow's."""
    difference = np.abs(logits - wanted).max()
    relative = difference / np.abs(wanted).max()
    print(f"{what}: largest difference from TensorFlow {difference:.1e} ({relative:.1e} relative)")


def main() -> None:
    """Load, compile, classify, and prove it against what TensorFlow itself computed."""
    model = Digits()
    print(model.load_weights(HERE / "checkpoint" / "digits.ckpt"))

    held_out = np.load(HERE / "held_out.npz")
    images, labels, wanted = held_out["images"], held_out["labels"], held_out["logits"]
    engine = model.compile()
    logits = engine(images)
    predicted = logits.argmax(axis=1)
    show(images[:5], predicted[:5])
    print(f"held-out accuracy: {np.mean(predicted == labels):.2%} of {len(labels)} images")
    compare(engine.target, logits, wanted)

    start = time.perf_counter()
    try:
        engine = model.compile(target="tensorrt-rtx", dims={"batch": (1, 8, 32)})
    except nn.errors.LibraryError as error:
        print(error)
    else:
        print(f"{engine.target}: a plan of {len(engine.plan):,} bytes in {time.perf_counter() - start:.1f} s")
        compare(f"{engine.target}, simulated", engine.simulate(images[:32]), wanted[:32])


if __name__ == "__main__":
    main()
