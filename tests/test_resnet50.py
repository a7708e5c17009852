"""examples/resnet50.py against the real Keras ResNet50, with a checkpoint that Keras wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import (
    Float32,
    assert_close,
    assert_depends_on_input,
    calibrate,
    keras,
    logits_model,
    randomize,
    tensorflow,
    varied_images,
)
from resnet50 import ResNet50, main

import trtnn as nn
from trtnn.graph import verify
from trtnn.passes import lower

RTOL = 5e-5
SMALL = nn.Input("batch", 64, 64, 3)


def keras_resnet50(size: int) -> Any:
    """Keras's ResNet50 for images of size x size."""
    return logits_model(keras().applications.ResNet50, input_shape=(size, size, 3))


@pytest.fixture(scope="module")
def theirs() -> Any:
    """Keras's model for 224 x 224 with random weights and activations of unit scale."""
    rng, model = np.random.default_rng(0), keras_resnet50(224)
    randomize(model, rng)
    calibrate(model, varied_images(rng, 2, 224, 224))
    return model


@pytest.fixture(scope="module")
def checkpoint(theirs: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The checkpoint that Keras writes of it."""
    prefix = str(tmp_path_factory.mktemp("resnet50") / "resnet50.ckpt")
    tensorflow().train.Checkpoint(model=theirs).write(prefix)
    return prefix


@pytest.fixture(scope="module")
def ours(checkpoint: str) -> ResNet50:
    """The example's model with the weights of the checkpoint."""
    model = ResNet50(logits=True)
    model.load_weights(checkpoint)
    return model


@pytest.fixture(scope="module")
def small_case(theirs: Any) -> tuple[Float32, Float32]:
    """Images of 64 x 64 and Keras's logits for them: a small network for NumPy to simulate."""
    images, small = varied_images(np.random.default_rng(2), 2, 64, 64), keras_resnet50(64)
    small.set_weights(theirs.get_weights())
    return images, small(images, training=False).numpy()


def test_every_weight_is_found_by_its_keras_name(checkpoint: str) -> None:
    report = ResNet50().load_weights(checkpoint)
    assert len(report.matched) == 320
    assert not (report.missing or report.unexpected or report.ignored)
    names = {match.path: match.name for match in report.matched}
    assert names["stem.conv.kernel"] == "conv1_conv/kernel"
    assert names["blocks.15.expand.bn.moving_variance"] == "conv5_block3_3_bn/moving_variance"


def test_onnxruntime_agrees_with_keras(ours: ResNet50, theirs: Any) -> None:
    images = varied_images(np.random.default_rng(1), 2, 224, 224)
    engine = ours.compile(target="onnxruntime")
    assert_depends_on_input(engine, images[:1], images[1:])
    assert_close(engine(images), theirs(images, training=False).numpy(), RTOL)


def test_the_simulated_tensorrt_network_agrees_with_keras(ours: ResNet50, small_case: tuple[Float32, Float32]) -> None:
    pytest.importorskip("tensorrt_rtx")
    images, logits = small_case
    engine = ours.compile(SMALL, target="tensorrt-rtx", dims={"batch": (1, 2, 4)})
    assert_close(engine.simulate(images), logits, RTOL)
    assert len(engine.plan) > 4 * sum(parameter.size for parameter in ours.parameters())


def test_probabilities_are_the_softmax_of_the_logits(checkpoint: str, small_case: tuple[Float32, Float32]) -> None:
    model = ResNet50()
    model.load_weights(checkpoint)
    images, logits = small_case
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert_close(model.compile(SMALL, target="onnxruntime")(images), odds / odds.sum(axis=1, keepdims=True), RTOL)


def test_one_transpose_at_the_input_and_neither_batchnorm_nor_padding_remain(ours: ResNet50) -> None:
    graph = lower(ours.trace(), check=verify)
    kinds = [type(node.op).__name__ for node in graph.nodes if type(node.op).__name__ != "Constant"]
    assert kinds[0] == "Transpose"
    assert kinds.count("Transpose") == 1
    assert kinds.count("BatchNorm") == kinds.count("Pad") == 0
    assert kinds.count("Conv") == 53


def test_the_script_names_the_likeliest_classes(
    checkpoint: str, small_case: tuple[Float32, Float32], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images, logits = small_case
    np.save(tmp_path / "image.npy", images[0])
    main(checkpoint, str(tmp_path / "image.npy"))
    said = capsys.readouterr().out
    assert said.startswith("resnet50.ckpt: 320 of 320 parameters loaded, 0 missing\n")
    classes = [int(line.split()[1].rstrip(":")) for line in said.splitlines() if line.startswith("class")]
    assert classes == logits[0].argsort()[:-6:-1].tolist()
