"""Every family of ``keras.applications``: on ONNX Runtime and as TensorRT-RTX's simulated network against Keras.

The whole sweep takes minutes: ``pytest -m sweep tests/importers/test_applications.py``. Its last result is in
benchmarks/results/applications.md.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from oracle import assert_close, assert_depends_on_input, keras

from importers.applications import APPLICATIONS, Application
from trtnn.backends.tensorrt.library import available
from trtnn.importers.keras import from_keras

RTOL = 5e-5
ALWAYS = ("MobileNet", "MobileNetV3Small", "EfficientNetV2B0")
LARGER = (
    "ResNet101",
    "ResNet152V2",
    "VGG19",
    "DenseNet201",
    "EfficientNetB4",
    "EfficientNetV2S",
    "NASNetLarge",
    "ConvNeXtBase",
    "MobileNetV3Large",
)


def parameters() -> list[object]:
    """The small ones for every run, the others for the sweep."""
    return [
        pytest.param(one, id=one.name, marks=() if one.name in ALWAYS else (pytest.mark.sweep,)) for one in APPLICATIONS
    ]


@pytest.mark.parametrize("application", parameters())
def test_application(application: Application, tmp_path: Path) -> None:
    """File, import, engine: the same logits; and a real plan with a dynamic batch."""
    theirs = application.build()
    theirs.save(tmp_path / "model.keras")
    ours = from_keras(tmp_path / "model.keras")
    images = application.images(2)
    want = np.asarray(theirs(images, training=False))
    engine = ours.compile(target="onnxruntime")
    assert_depends_on_input(engine, images[:1], images[1:])
    assert_close(engine(images), want, RTOL)
    if not available("tensorrt-rtx"):
        return
    plan = ours.compile(target="tensorrt-rtx", dims={"batch": (1, 2, 4)})
    assert_close(plan.simulate(images), want, RTOL)
    assert len(plan.plan) > 3 * sum(one.size for one in ours.parameters())


@pytest.mark.sweep
@pytest.mark.parametrize("name", LARGER)
def test_larger_ones(name: str, tmp_path: Path) -> None:
    """Their structure: every layer is converted, every shape is Keras's, every variable is used."""
    theirs = getattr(keras().applications, name)(weights=None)
    theirs.save(tmp_path / "model.keras")
    ours = from_keras(tmp_path / "model.keras")
    graph = ours.trace()
    assert [size for _, value in graph.outputs for size in value.type.shape][1:] == [1000]
    counted = sum(one.size for one in ours.parameters())
    unused = sum(int(np.prod(one.shape)) for one in theirs.weights if one.name in ("count", "mean", "variance"))
    assert theirs.count_params() - unused <= counted <= theirs.count_params()
