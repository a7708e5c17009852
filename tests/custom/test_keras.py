"""A custom layer of Keras, in a real .keras file, mapped to a custom op by `trtnn.keras_layer`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core.failing import failure
from oracle import assert_close, keras, randomize, tensorflow

import trtnn as nn
from trtnn.backends.tensorrt.library import available
from trtnn.custom import required_ops
from trtnn.errors import ArgumentError
from trtnn.importers.keras import registry

from .ops import BiasSwish, SwishClass, tf_swish


def keras_bias_swish() -> Any:
    """The user's layer, as a Keras class."""

    class KerasBiasSwish(keras().layers.Layer):
        def __init__(self, beta: float = 1.0, **options: Any) -> None:
            super().__init__(**options)
            self.beta = beta

        def build(self, shape: Any) -> None:
            self.bias = self.add_weight(name="bias", shape=(shape[-1],))

        def call(self, x: Any) -> Any:
            z = x + self.bias
            return z * tensorflow().sigmoid(self.beta * z)

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "beta": self.beta}

    return KerasBiasSwish


class Layer(nn.Module):
    """The custom op with its bias."""

    def __init__(self, channels: int, beta: float) -> None:
        self.bias = nn.Parameter((channels,))
        self.op = BiasSwish(beta)

    def forward(self, x: nn.Tensor) -> nn.Tensor:
        """(..., channels) to the same."""
        return self.op(x, self.bias)


@pytest.fixture
def converter() -> Iterator[None]:
    """The registration, as a user writes it, for one test."""

    @nn.keras_layer("KerasBiasSwish")
    def convert(layer: Any) -> nn.Module:
        (bias,) = layer.take("bias")
        return layer.fill(Layer(len(bias), layer.option("beta", 1.0)), bias=bias)

    yield
    del registry._CONVERSIONS["KerasBiasSwish"]


@pytest.mark.usefixtures("converter")
def test_a_custom_layer_becomes_a_custom_op(tmp_path: Path) -> None:
    layers = keras().layers
    model = keras().Sequential(
        [
            layers.Input((None, 9, 3)),
            layers.Conv2D(4, 3, padding="same"),
            keras_bias_swish()(beta=1.5),
            layers.Conv2D(2, 3),
            layers.GlobalAveragePooling2D(),
            layers.Dense(5),
        ]
    )
    randomize(model, np.random.default_rng(0))
    model.save(tmp_path / "model.keras")
    module = nn.from_keras(tmp_path / "model.keras")
    graph = module.trace()
    assert required_ops(graph) == {"tests::bias_swish": "custom.ops.BiasSwish"}
    assert "bias_swish(" in str(graph) and "custom=tests::bias_swish beta=1.5" in str(graph)
    image = np.random.default_rng(1).normal(size=(2, 7, 9, 3)).astype(np.float32)
    wanted = np.asarray(model(image))
    assert_close(module.compile(target="onnxruntime")(image), wanted)
    if available("tensorrt-rtx"):
        (height,) = (name for name in graph.dims if name != "batch")
        engine: Any = module.compile(target="tensorrt-rtx", dims={height: (4, 8)}, optimization_level=0)
        assert_close(engine.simulate(image), wanted)


@pytest.mark.parametrize("target", ["onnxruntime", "tensorrt-rtx"])
def test_a_converter_may_return_the_op_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    if target == "tensorrt-rtx" and not available(target):
        pytest.skip("needs TensorRT-RTX")

    class KerasSwish(keras().layers.Layer):
        def call(self, x: Any) -> Any:
            return tf_swish(x, 1.5)

    layers = keras().layers
    model = keras().Sequential([layers.Input((5,)), layers.Dense(4), KerasSwish(name="swish"), layers.Dense(3)])
    model.save(tmp_path / "model.keras")
    monkeypatch.setattr(registry, "_CONVERSIONS", dict(registry._CONVERSIONS))
    nn.keras_layer("KerasSwish")(lambda layer: SwishClass(beta=1.5))
    engine: Any = nn.from_keras(tmp_path / "model.keras").compile(target=target)
    x = np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)
    run = engine if target == "onnxruntime" else engine.simulate
    assert_close(run(x), np.asarray(model(x)))
    nn.keras_layer("KerasSwish")(lambda layer: 3)
    text = "swish (KerasSwish): expected its converter to return a Module or a function of tensors, got 3"
    failure(ArgumentError, text, lambda: nn.from_keras(tmp_path / "model.keras"))
