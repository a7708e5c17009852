"""Non-maximum suppression in the middle of a detector: a custom op in NumPy whose result has as many rows as it finds.

    python examples/custom_ops/detector.py

Keeping the best of overlapping boxes cannot be written in functions of a fixed size, so the op has a reference and no
decomposition: the ONNX Runtime engine runs what stands before it and what stands behind it as two sessions. The
detector looks for bright squares; its weights are written by hand, so nothing needs to be trained.
"""

import numpy as np

import trtnn as nn
import trtnn.functional as F
from trtnn.errors import LibraryError, ShapeError, UnsupportedError
from trtnn.graph import DType, TensorType

SIDE = 5  # of the squares, in pixels
COLOURS = ("red", "green", "blue")


@nn.custom_op("examples::non_maximum_suppression")
class NonMaximumSuppression:
    """The places of the boxes to keep, best first: int64 (kept,).

    boxes (n, 4) are (top, left, bottom, right), scores (n,). A box goes when its score is below ``least``, or when a
    better one that stays covers more than ``overlap`` of what the two cover together.
    """

    overlap: float = 0.3
    least: float = 0.5
    limit: int = 100
    sizes = (nn.Dim("kept", max=100),)

    def infer(self, boxes: TensorType, scores: TensorType) -> TensorType:
        """Raises ShapeError unless there is one score for each box."""
        if boxes.rank != 2 or boxes.shape[1] != 4 or scores.shape != boxes.shape[:1]:
            raise ShapeError(expected="boxes (n, 4) and scores (n,)", got=f"{boxes} and {scores}")
        return TensorType(DType.int64, (self.sizes[0].symbol,))

    def reference(self, boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Greedily, best first."""
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        waiting = np.argsort(-scores, kind="stable")
        waiting = waiting[scores[waiting] >= self.least]
        kept = []
        while waiting.size and len(kept) < self.limit:
            best, waiting = waiting[0], waiting[1:]
            kept.append(best)
            low, high = np.maximum(boxes[best, :2], boxes[waiting, :2]), np.minimum(boxes[best, 2:], boxes[waiting, 2:])
            common = np.prod(np.maximum(high - low, 0), axis=1)
            waiting = waiting[common <= self.overlap * (areas[best] + areas[waiting] - common)]
        return np.array(kept, np.int64)


class Detector(nn.Module):
    """An image (1, height, width, 3) to boxes (kept, 4), their scores (kept,) and the scores of their classes (kept,
    3)."""

    def __init__(self) -> None:
        self.colours = nn.Conv2d(3, 3, SIDE, padding="same", bias=False)
        self.keep = NonMaximumSuppression()
        self.classify = nn.Linear(3, 3)

    def forward(
        self, image: nn.Tensor = nn.Input(1, nn.Dim("height", max=64), nn.Dim("width", max=64), 3)
    ) -> dict[str, nn.Tensor]:
        """Every pixel is the middle of a box, as bright as the mean of its square."""
        features = self.colours(image)
        _, height, width, channels = features.shape
        rows = F.broadcast_to(F.arange(image, height, "float32").reshape(-1, 1), (height, width)).reshape(-1, 1)
        columns = F.broadcast_to(F.arange(image, width, "float32").reshape(1, -1), (height, width)).reshape(-1, 1)
        half = SIDE / 2
        boxes = F.concat([rows + 0.5 - half, columns + 0.5 - half, rows + 0.5 + half, columns + 0.5 + half])
        scores = F.reduce_max(features, -1).reshape(-1)
        kept = self.keep(boxes, scores)
        found = F.take(features.reshape(-1, channels), kept)
        return {
            "boxes": F.take(boxes, kept),
            "scores": F.take(scores, kept),
            "classes": F.softmax(self.classify(found)),
        }


def detector() -> Detector:
    """The detector: a mean over squares, colour by colour, and a classifier that takes the brightest."""
    kernel = np.zeros((SIDE, SIDE, 3, 3))
    kernel[..., range(3), range(3)] = 1 / SIDE**2
    model = Detector()
    model.load_weights({"colours.kernel": kernel, "classify.kernel": 20 * np.eye(3), "classify.bias": np.zeros(3)})
    return model


def squares(places: list[tuple[int, int, int]], height: int = 20, width: int = 48) -> np.ndarray:
    """A dark, noisy image with a square around each (row, column), of each colour."""
    image = np.random.default_rng(0).uniform(0, 0.2, (1, height, width, 3)).astype(np.float32)
    for row, column, colour in places:
        image[0, row - 2 : row + 3, column - 2 : column + 3, colour] = 1
    return image


def show(image: np.ndarray, found: dict[str, np.ndarray]) -> None:
    """Print the image, with the boxes' corners, and a line for each box."""
    picture = [[" .:-=+*#"[int(pixel * 7)] for pixel in row] for row in image[0].max(-1)]
    for top, left, bottom, right in found["boxes"].astype(int):
        for row, column in ((top, left), (top, right - 1), (bottom - 1, left), (bottom - 1, right - 1)):
            if 0 <= row < len(picture) and 0 <= column < len(picture[0]):
                picture[row][column] = "+"
    print("\n".join("".join(row) for row in picture))
    for box, score, classes in zip(*found.values(), strict=True):
        print(f"  {COLOURS[classes.argmax()]:6} {score:.2f} at {', '.join(f'{edge:g}' for edge in box)}")
    print(f"{len(found['boxes'])} boxes\n")


def main() -> None:
    """Detect three squares, then none, with one engine; then see what TensorRT says."""
    model = detector()
    engine = model.compile(target="onnxruntime")
    print(engine, "\n")
    for places in ([(5, 8, 0), (12, 40, 1), (14, 20, 2)], []):
        image = squares(places)
        show(image, engine(image))
    try:
        model.compile(target="tensorrt-rtx")
    except (UnsupportedError, LibraryError) as error:
        print(error)


if __name__ == "__main__":
    main()
