"""Read strips of handwritten digits of any width with a network that TensorFlow trained, without TensorFlow.

    python examples/crnn/run.py

A CNN, a bidirectional LSTM and CTC. ``train.py`` next to this file trained the network and wrote the files that this
one reads.
"""

import time
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

import trtnn as nn
import trtnn.functional as F
from trtnn import tf1

HERE = Path(__file__).resolve().parent
HEIGHT = 12
BLANK = 10
"""The class that CTC puts between the digits 0 to 9."""
DIMS = {"batch": (1, 1, 8), "width": (16, 128, 512)}
Float32 = NDArray[np.float32]


class Reader(nn.Module):
    """Strips (batch, 12, width, 1), and how many columns (batch,) of each count, to logits (batch, steps, 11).

    There is a step for every two columns. Columns beyond a strip's own width, which it has when it shares a batch with
    wider ones, change nothing. The attributes are called as the variables in the checkpoint.
    """

    def __init__(self) -> None:
        self.conv1 = nn.Conv2d(1, 16, 3, padding="same")
        self.conv2 = nn.Conv2d(16, 32, 3, padding="same")
        self.bidirectional_rnn = tf1.BidirectionalDynamicRNN(tf1.BasicLSTMCell(96, 48), tf1.BasicLSTMCell(96, 48))
        self.logits = nn.Linear(96, BLANK + 1)

    def forward(
        self,
        strips: nn.Tensor = nn.Input("batch", HEIGHT, "width", 1),
        widths: nn.Tensor = nn.Input("batch", dtype="int32"),
    ) -> nn.Tensor:
        """The logits."""
        inside = F.sequence_mask(widths, strips.shape[2]).cast("float32").reshape(strips.shape[0], 1, -1, 1)
        x = F.max_pool(F.relu(self.conv1(strips)) * inside, 2, padding="same")
        x = F.max_pool(F.relu(self.conv2(x)), (2, 1), padding="same")
        batch, rows, steps, channels = x.shape
        x = x.transpose(0, 2, 1, 3).reshape(batch, steps, rows * channels)
        (forward, backward), _ = self.bidirectional_rnn(x, (widths + 1) // 2)
        return self.logits(F.concat([forward, backward]))


@attrs.frozen
class Strip:
    """A strip that training never saw: image (HEIGHT, width, 1), digits, and TensorFlow's logits (steps, 11)."""

    image: Float32
    digits: str
    logits: Float32

    @property
    def width(self) -> int:
        """How many columns it has."""
        return self.image.shape[1]


def load_strips() -> list[Strip]:
    """The held-out strips: one of every length from 3 to 40 digits."""
    with np.load(HERE / "held_out.npz") as held_out:
        pixels, widths, digits, logits = (held_out[name] for name in ("pixels", "widths", "digits", "logits"))
    images = np.split((pixels[..., np.newaxis] / 16).astype(np.float32), np.cumsum(widths)[:-1], axis=1)
    parts = np.split(logits, np.cumsum((widths + 1) // 2)[:-1])
    return [Strip(*one) for one in zip(images, digits.tolist(), parts, strict=True)]


def as_batch(strips: list[Strip]) -> tuple[Float32, NDArray[np.int32]]:
    """Strips as one array (n, HEIGHT, widest, 1), blank on the right where they are narrower, and their widths (n,)."""
    widths = np.array([strip.width for strip in strips], np.int32)
    images = [np.pad(strip.image, ((0, 0), (0, widths.max() - strip.width), (0, 0))) for strip in strips]
    return np.stack(images), widths


def decode(logits: Float32) -> str:
    """CTC's greedy reading of logits (steps, 11): the best class of every step, repetitions as one, without blanks."""
    best = logits.argmax(axis=-1).tolist()
    return "".join(str(now) for before, now in zip([BLANK, *best], best, strict=False) if now not in (before, BLANK))


def edits(got: str, want: str) -> int:
    """How many characters to insert, delete or replace to make one string of the other (Levenshtein)."""
    row = list(range(len(want) + 1))
    for i, have in enumerate(got, 1):
        diagonal, row[0] = row[0], i
        for j, need in enumerate(want, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (have != need))
    return row[-1]


def error_rate(texts: list[str], strips: list[Strip]) -> float:
    """The part of all characters that was read wrong."""
    wrong = sum(edits(text, strip.digits) for text, strip in zip(texts, strips, strict=True))
    return wrong / sum(len(strip.digits) for strip in strips)


def difference(results: list[Float32], strips: list[Strip]) -> str:
    """How far logits are from TensorFlow's."""
    absolute = max(float(np.abs(got - strip.logits).max()) for got, strip in zip(results, strips, strict=True))
    relative = absolute / max(float(np.abs(strip.logits).max()) for strip in strips)
    return f"largest difference from TensorFlow {absolute:.1e} ({relative:.1e} relative)"


def show(strip: Strip) -> None:
    """Print a strip of pixels 0..1, a character for each."""
    print()
    for row in strip.image[..., 0]:
        print("".join(" .:*#"[round(float(pixel) * 4)] for pixel in row).rstrip())


def build(model: Reader, strips: list[Strip]) -> None:
    """Build a TensorRT plan for the whole range of widths, and read some strips with the network that was built."""
    start = time.perf_counter()
    engine = model.compile(target="tensorrt-rtx", dims=DIMS)
    seconds = time.perf_counter() - start
    low, _, high = DIMS["width"]
    print(f"{engine.target}: a plan of {len(engine.plan):,} bytes for widths {low} to {high} in {seconds:.1f} s")
    results = [engine.simulate(*as_batch([strip]))[0] for strip in strips]
    widths = ", ".join(str(strip.width) for strip in strips)
    print(f"{engine.target}, simulated at widths {widths}: {difference(results, strips)}")


def main() -> None:
    """Load, compile once, read strips of every length, and prove it against what TensorFlow itself computed."""
    model = Reader()
    print(model.load_weights(HERE / "checkpoint" / "crnn.ckpt"))

    strips = load_strips()
    engine = model.compile()
    results = [engine(*as_batch([strip]))[0] for strip in strips]
    texts = [decode(logits) for logits in results]
    show(strips[7])
    print("\ndigits  width  read")
    for strip, text in list(zip(strips, texts, strict=True))[::4]:
        correction = "" if text == strip.digits else f" (is {strip.digits})"
        print(f"{len(strip.digits):6}  {strip.width:5}  {text}{correction}")
    count = sum(len(strip.digits) for strip in strips)
    print(f"\n{len(strips)} held-out strips of 3 to 40 digits, {count} in all: {error_rate(texts, strips):.2%} wrong")
    print(f"{engine.target}, one by one: {difference(results, strips)}")
    together = [logits[: len(strip.logits)] for logits, strip in zip(engine(*as_batch(strips)), strips, strict=True)]
    print(f"{engine.target}, all in one batch: {difference(together, strips)}")
    try:
        build(model, [strips[0], strips[17], strips[37]])
    except nn.errors.LibraryError as error:
        print(error)


if __name__ == "__main__":
    main()
