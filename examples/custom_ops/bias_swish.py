"""A fused bias and swish as a custom op: one definition, of which every target takes the fastest form that it can.

    python examples/custom_ops/bias_swish.py

ONNX Runtime, TensorRT-RTX and the simulator take the decomposition; a TensorRT with plugins takes the kernels of
bias_swish_kernels.py. The reference in NumPy is there to check the others.
"""

import sys
from pathlib import Path

import numpy as np

import trtnn as nn
import trtnn.functional as F
from trtnn.errors import DTypeError, LibraryError, ShapeError
from trtnn.graph import TensorType

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # where the kernels' file finds its neighbour, too
from custom_ops.bias_swish_kernels import KERNELS


@nn.custom_op("examples::bias_swish", dtypes=("float32", "float16"))
class BiasSwish:
    """``z = x + bias; y = z * sigmoid(beta * z)`` for x (..., channels) and bias (channels,)."""

    beta: float = 1.0

    def infer(self, x: TensorType, bias: TensorType) -> TensorType:
        """y has the type of x. Raises ShapeError or DTypeError for a bias that does not fit."""
        if bias.shape != x.shape[-1:]:
            raise ShapeError("bias", expected=f"({x.shape[-1]},), one per channel of x", got=str(bias.shape))
        if bias.dtype is not x.dtype:
            raise DTypeError("bias", expected=str(x.dtype), got=str(bias.dtype))
        return x

    def decompose(self, x: nn.Tensor, bias: nn.Tensor) -> nn.Tensor:
        """In functions of trtnn."""
        z = x + bias
        return z * F.sigmoid(self.beta * z)

    def reference(self, x: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """In NumPy."""
        z = x + bias
        return z / (1 + np.exp(-self.beta * z))

    kernels = KERNELS


class Network(nn.Module):
    """Two convolutions of which the first is activated by the op: images (batch, 16, 16, 3) to (batch, 10)."""

    def __init__(self) -> None:
        self.conv = nn.Conv2d(3, 32, 3, padding="same", bias=False)
        self.bias = nn.Parameter((32,))
        self.activate = BiasSwish(beta=1.5)
        self.head = nn.Conv2d(32, 10, 3)

    def forward(self, image: nn.Tensor = nn.Input(nn.Dim("batch", max=8), 16, 16, 3)) -> nn.Tensor:
        """The means of the second convolution."""
        x = self.activate(self.conv(image), self.bias)
        return F.reduce_mean(self.head(x), (1, 2))


def main() -> None:
    """Compare the forms, then run a network with the op in it."""
    random = np.random.default_rng(0)
    x, bias = random.normal(size=(5, 7, 32)).astype(np.float32), random.normal(size=32).astype(np.float32)
    print(nn.custom.check(BiasSwish(beta=1.5), x, bias), "\n")

    model = Network()
    shapes = {path: parameter.shape for path, parameter in model.named_parameters()}
    model.load_weights({path: random.normal(size=shape) * 0.2 for path, shape in shapes.items()})
    print(model.trace(), "\n")
    images = random.normal(size=(4, 16, 16, 3)).astype(np.float32)
    logits = model.compile(target="onnxruntime")(images)
    print(f"onnxruntime: logits of the first image {np.round(logits[0, :5], 3)} ...")
    try:
        simulated = model.compile(target="tensorrt-rtx").simulate(images)
    except LibraryError as error:
        print(error)
    else:
        print(f"tensorrt-rtx, simulated: largest difference from it {np.abs(simulated - logits).max():.1e}")


if __name__ == "__main__":
    main()
