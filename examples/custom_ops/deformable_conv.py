"""Deformable convolution, for which TensorRT's users write plugins, as a custom op with a decomposition.

    python examples/custom_ops/deformable_conv.py

Every tap of the window reads the image at a place of its own, which the network computes: the grid's place plus an
offset, between pixels, times a weight. (Zhu et al., Deformable ConvNets v2, 2019, equation 1.)
"""

import sys
from pathlib import Path

import numpy as np

import trtnn as nn
import trtnn.functional as F
from trtnn.errors import LibraryError, ShapeError
from trtnn.graph import TensorType

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # as in bias_swish.py
from custom_ops.deformable_conv_kernels import KERNELS

CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))


@nn.custom_op("examples::deformable_conv")
class DeformableConv:
    """x (n, h, w, c), offsets (n, oh, ow, 2 * taps) and weights (n, oh, ow, taps), kernel (kh, kw, c, out), to (n, oh,
    ow, out), all NHWC.

    ``taps`` = kh * kw, row by row; of each tap the offsets have (dy, dx) in pixels. Outside the image is zero, and
    ``padding`` pixels around it are visited, as by a convolution.
    """

    stride: int = 1
    padding: int = 1

    def infer(self, x: TensorType, offsets: TensorType, weights: TensorType, kernel: TensorType) -> TensorType:
        """The type of the result. Raises ShapeError when the operands do not fit each other."""
        kh, kw, channels, out = kernel.shape
        sizes = tuple(
            (size + 2 * self.padding - k) // self.stride + 1 for size, k in zip(x.shape[1:3], (kh, kw), strict=True)
        )
        places = (x.shape[0], *sizes)
        for name, operand, count in (("offsets", offsets, 2 * kh * kw), ("weights", weights, kh * kw)):
            if operand.shape != (*places, count):
                raise ShapeError(name, expected=str((*places, count)), got=str(operand.shape))
        if x.shape[3] != channels:
            raise ShapeError("kernel", expected=f"{x.shape[3]} channels, as x has", got=str(channels))
        return TensorType(x.dtype, (*places, out))

    def decompose(self, x: nn.Tensor, offsets: nn.Tensor, weights: nn.Tensor, kernel: nn.Tensor) -> nn.Tensor:
        """Gathers the four pixels around every place, and multiplies the patches with the kernel."""
        n, h, w, c = x.shape
        kh, kw, _, out = kernel.shape
        taps = kh * kw
        _, oh, ow, _ = weights.shape
        pixels, images = x.reshape(-1, c), F.arange(x, n).reshape(-1, 1, 1, 1)
        ky, kx = (each.reshape(-1).astype(np.float32) - self.padding for each in np.mgrid[:kh, :kw])
        grid_y = F.arange(x, oh, "float32").reshape(1, -1, 1, 1) * float(self.stride) + ky
        grid_x = F.arange(x, ow, "float32").reshape(1, 1, -1, 1) * float(self.stride) + kx
        pairs = offsets.reshape(n, oh, ow, taps, 2)
        places_y, places_x = grid_y + pairs[..., 0], grid_x + pairs[..., 1]
        top, left = F.floor(places_y), F.floor(places_x)
        last = F.dim_values(x, (h, w)).cast("float32") - 1.0
        patches = 0.0
        for down, right in CORNERS:
            row, column = top + float(down), left + float(right)
            share = (1.0 - F.abs(places_y - row)) * (1.0 - F.abs(places_x - column))
            inside = (row >= 0.0) & (row <= last[0]) & (column >= 0.0) & (column <= last[1])
            row = F.minimum(F.maximum(row, 0.0), last[0]).cast("int64")
            column = F.minimum(F.maximum(column, 0.0), last[1]).cast("int64")
            place = (images * F.dim_values(x, (h,)) + row) * F.dim_values(x, (w,)) + column
            patches = F.take(pixels, place) * F.where(inside, share * weights, 0.0).expand_dims(-1) + patches
        return patches.reshape(n, oh, ow, taps * c) @ kernel.reshape(taps * c, out)

    def reference(self, x: np.ndarray, offsets: np.ndarray, weights: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        """One place after the other, as the paper writes it."""
        _, kw, _, out = kernel.shape
        n, oh, ow, taps = weights.shape
        result = np.zeros((n, oh, ow, out), x.dtype)
        for image, i, j, tap in np.ndindex(n, oh, ow, taps):
            dy, dx = offsets[image, i, j, 2 * tap : 2 * tap + 2]
            row = i * self.stride - self.padding + tap // kw + dy
            column = j * self.stride - self.padding + tap % kw + dx
            pixel = _between(x[image], row, column) * weights[image, i, j, tap]
            result[image, i, j] += pixel @ kernel[tap // kw, tap % kw]
        return result

    kernels = KERNELS


def _between(image: np.ndarray, y: float, x: float) -> np.ndarray:
    """The (c,) pixel of an image (h, w, c) at a place between pixels."""
    total = np.zeros(image.shape[2], image.dtype)
    for row, column in ((int(np.floor(y)) + a, int(np.floor(x)) + b) for a, b in CORNERS):
        if 0 <= row < image.shape[0] and 0 <= column < image.shape[1]:
            total += image[row, column] * (1 - abs(y - row)) * (1 - abs(x - column))
    return total


class Deformable(nn.Module):
    """A deformable convolution whose offsets and weights are those of an ordinary one on the same image."""

    def __init__(self, channels: int, out: int) -> None:
        self.places = nn.Conv2d(channels, 27, 3, padding="same")
        self.kernel = nn.Parameter((3, 3, channels, out))

    def forward(
        self, image: nn.Tensor = nn.Input("batch", nn.Dim("height", max=32), nn.Dim("width", max=32), 3)
    ) -> nn.Tensor:
        """(batch, height, width, channels) to (batch, height, width, out)."""
        found = self.places(image)
        return DeformableConv()(image, found[..., :18], F.sigmoid(found[..., 18:]) * 2.0, self.kernel)


def main() -> None:
    """Show that without offsets it is a convolution, and that every target computes the same."""
    random = np.random.default_rng(0)
    image = random.normal(size=(1, 6, 7, 3)).astype(np.float32)
    kernel = random.normal(size=(3, 3, 3, 4)).astype(np.float32)
    offsets = random.normal(size=(1, 6, 7, 18)).astype(np.float32) * 2
    ones = np.ones((1, 6, 7, 9), np.float32)
    print(nn.custom.check(DeformableConv(), image, offsets, ones, kernel), "\n")

    model = Deformable(3, 4)
    weights = {"kernel": kernel, "places.kernel": np.zeros((3, 3, 3, 27)), "places.bias": np.zeros(27)}
    model.load_weights(weights)
    plain = nn.Conv2d(3, 4, 3, padding="same", bias=False)
    plain.load_weights({"kernel": kernel})
    images = random.normal(size=(2, 12, 9, 3)).astype(np.float32)
    wanted = plain.compile({"x": nn.Input("batch", 12, 9, 3)}, target="onnxruntime")(images)
    got = model.compile(target="onnxruntime")(images)
    print(f"without offsets, from an ordinary convolution: {np.abs(got - wanted).max():.1e}")

    model.load_weights(weights | {"places.kernel": random.normal(size=(3, 3, 3, 27)) * 0.5})
    got = model.compile(target="onnxruntime")(images)
    print(f"with offsets of its own: {np.abs(got - wanted).max():.1f}")
    try:
        simulated = model.compile(target="tensorrt-rtx").simulate(images)
    except LibraryError as error:
        print(error)
    else:
        print(f"tensorrt-rtx, simulated: largest difference from onnxruntime {np.abs(simulated - got).max():.1e}")


if __name__ == "__main__":
    main()
