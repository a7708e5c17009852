"""examples/backbones against the same networks in Keras, with weights taken over by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backbones.googlenet import BLOCKS, GoogLeNet
from backbones.vgg16 import VGG16
from oracle import assert_close, assert_depends_on_input, keras, logits_model, randomize, tensorflow, varied_images

import trtnn as nn

RTOL = 5e-5
k = keras()
L = k.layers


class LRN(L.Layer):
    """``tf.nn.local_response_normalization`` with the paper's numbers; Keras has no such layer."""

    def call(self, x: Any) -> Any:
        return tensorflow().nn.local_response_normalization(x, depth_radius=2, bias=1.0, alpha=1e-4 / 5, beta=0.75)


def conv(x: Any, filters: int, size: int, name: str, stride: int = 1) -> Any:
    """A convolution with ReLU."""
    return L.Conv2D(filters, size, stride, padding="same", activation="relu", name=name)(x)


def shrunk(x: Any) -> Any:
    """Pooling between the stages."""
    return L.MaxPooling2D(3, 2, padding="same")(x)


def keras_googlenet(size: int, classes: int) -> Any:
    """GoogLeNet in Keras, written from table 1 of the paper."""
    image = k.Input((size, size, 3))
    x = LRN()(shrunk(conv(image, 64, 7, "conv1_7x7", 2)))
    x = shrunk(LRN()(conv(conv(x, 64, 1, "conv2_3x3_reduce"), 192, 3, "conv2_3x3")))
    for name, (_, one, reduce3, three, reduce5, five, pool) in BLOCKS.items():
        at = f"inception_{name}"
        x = L.Concatenate()(
            [
                conv(x, one, 1, f"{at}_1x1"),
                conv(conv(x, reduce3, 1, f"{at}_3x3_reduce"), three, 3, f"{at}_3x3"),
                conv(conv(x, reduce5, 1, f"{at}_5x5_reduce"), five, 5, f"{at}_5x5"),
                conv(L.MaxPooling2D(3, 1, padding="same")(x), pool, 1, f"{at}_pool_proj"),
            ]
        )
        x = shrunk(x) if name in ("3b", "4e") else x
    return k.Model(image, L.Dense(classes, name="classifier")(L.GlobalAveragePooling2D()(x)))


def agrees(ours: nn.Module, theirs: Any, images: np.ndarray, path: Path) -> None:
    """Loads the weights that Keras wrote, and compares on every target."""
    randomize(theirs, np.random.default_rng(0))
    (theirs.save_weights if path.name.endswith(".weights.h5") else theirs.save)(path)
    report = ours.load_weights(path)
    assert len(report.matched) == len(theirs.weights) and not report.unexpected
    want = np.asarray(theirs(images, training=False))
    shape = nn.Input("batch", *images.shape[1:])
    engine = ours.compile(shape, target="onnxruntime")
    assert_depends_on_input(engine, images[:1], images[1:])
    assert_close(engine(images), want, RTOL)
    pytest.importorskip("tensorrt_rtx")
    plan = ours.compile(shape, target="tensorrt-rtx", dims={"batch": (1, 2, 4)})
    assert_close(plan.simulate(images), want, RTOL)


@pytest.mark.parametrize("name", ["googlenet.keras", "googlenet.weights.h5"])
def test_googlenet(name: str, tmp_path: Path) -> None:
    """With LRN, whose alpha is strong enough here to tell."""
    images = varied_images(np.random.default_rng(1), 2, 64, 64) * np.float32(30)
    agrees(GoogLeNet(classes=10), keras_googlenet(64, 10), images, tmp_path / name)


@pytest.mark.filterwarnings("ignore")
def test_vgg16(tmp_path: Path) -> None:
    """Keras's own VGG16, by a legacy file."""
    theirs = logits_model(k.applications.VGG16, input_shape=(32, 32, 3), classes=10)
    images = varied_images(np.random.default_rng(1), 2, 32, 32)
    agrees(VGG16(classes=10, size=32), theirs, images, tmp_path / "vgg16.h5")
