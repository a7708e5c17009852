"""The yardstick for our compiler: ResNet-50 against TensorRT-RTX's own API, by hand, from arrays that are ready.

    python -m benchmarks.resnet50         # once, writes the arrays
    python -m benchmarks.bare_tensorrt

No layer, name or shape is checked, nothing is converted: OIHW kernels with the BatchNorm folded in are mapped from disk
and go straight to the builder. The network is NCHW with a dynamic batch of 1 to 16. It prints the seconds from
here to the plan, those in the builder, the plan's size and the peak memory as one line of JSON. The only code of the
project that it runs is the line that prints this.
"""

from __future__ import annotations

import time

START = time.perf_counter()

from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import tensorrt_rtx as trt  # noqa: E402

from benchmarks.common import FILES, report  # noqa: E402

FOLDED = FILES / "resnet50_folded"
STACKS = ((2, 3, 1), (3, 4, 2), (4, 6, 2), (5, 3, 2))
"""(stack, blocks, stride of its first block), numbered as in Keras."""


class Network:
    """The few layers of a ResNet, each a call or two on the network definition."""

    def __init__(self, network: Any, folder: Path) -> None:
        self.network = network
        self.folder = folder
        self.held: list[np.ndarray] = []  # TensorRT reads the arrays during the build

    def weights(self, name: str) -> np.ndarray:
        """An array mapped from disk."""
        array: np.ndarray = np.load(self.folder / f"{name}.npy", mmap_mode="r")
        self.held.append(array)
        return array

    def conv(self, x: Any, name: str, stride: int = 1, padding: int = 0) -> Any:
        """Convolution with a folded BatchNorm, NCHW."""
        kernel = self.weights(f"{name}.kernel")
        layer = self.network.add_convolution_nd(
            x, kernel.shape[0], kernel.shape[2:], kernel, self.weights(f"{name}.bias")
        )
        layer.stride_nd, layer.padding_nd = (stride, stride), (padding, padding)
        return layer.get_output(0)

    def relu(self, x: Any) -> Any:
        """max(x, 0)."""
        return self.network.add_activation(x, trt.ActivationType.RELU).get_output(0)

    def add(self, x: Any, y: Any) -> Any:
        """x + y."""
        return self.network.add_elementwise(x, y, trt.ElementWiseOperation.SUM).get_output(0)

    def block(self, x: Any, name: str, stride: int, first: bool) -> Any:
        """A bottleneck; the first one of a stack has a convolution in its shortcut."""
        shortcut = self.conv(x, f"{name}_0_conv", stride) if first else x
        y = self.relu(self.conv(x, f"{name}_1_conv", stride))
        y = self.relu(self.conv(y, f"{name}_2_conv", padding=1))
        return self.relu(self.add(shortcut, self.conv(y, f"{name}_3_conv")))

    def dense(self, x: Any, name: str) -> Any:
        """x (batch, in) @ kernel (in, out) + bias."""
        kernel, bias = self.weights(f"{name}.kernel"), self.weights(f"{name}.bias")
        matrix = self.network.add_constant(kernel.shape, kernel).get_output(0)
        offset = self.network.add_constant((1, len(bias)), bias).get_output(0)
        none = trt.MatrixOperation.NONE
        return self.add(self.network.add_matrix_multiply(x, none, matrix, none).get_output(0), offset)

    def resnet50(self) -> None:
        """The whole network: ``image`` (batch, 3, 224, 224) to ``logits`` (batch, 1000)."""
        x = self.network.add_input("image", trt.float32, (-1, 3, 224, 224))
        x = self.relu(self.conv(x, "conv1_conv", stride=2, padding=3))
        pool = self.network.add_pooling_nd(x, trt.PoolingType.MAX, (3, 3))
        pool.stride_nd, pool.padding_nd = (2, 2), (1, 1)  # after a relu, padding with 0 or with -inf is the same
        x = pool.get_output(0)
        for stack, blocks, stride in STACKS:
            for index in range(blocks):
                first = index == 0
                x = self.block(x, f"conv{stack}_block{index + 1}", stride if first else 1, first)
        x = self.network.add_reduce(x, trt.ReduceOperation.AVG, axes=0b1100, keep_dims=False).get_output(0)
        logits = self.dense(x, "predictions")
        logits.name = "logits"
        self.network.mark_output(logits)


def main() -> None:
    """Build the plan and print what it took."""
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    definition = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    network = Network(definition, FOLDED)
    network.resnet50()
    config, profile = builder.create_builder_config(), builder.create_optimization_profile()
    profile.set_shape("image", *((batch, 3, 224, 224) for batch in (1, 8, 16)))
    config.add_optimization_profile(profile)
    before_build = time.perf_counter()
    plan = builder.build_serialized_network(definition, config)
    end = time.perf_counter()
    report(
        wall_s=round(end - START, 3),
        build_s=round(end - before_build, 3),
        plan_mb=round(plan.nbytes / 1e6, 1),
        layers=definition.num_layers,
    )


if __name__ == "__main__":
    main()
