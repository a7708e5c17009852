"""Models with channels first, which Keras cannot run here: against the same model with channels last."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ops.harness import results
from oracle import assert_close, keras, randomize

from importers.harness import data
from trtnn.graph import verify
from trtnn.importers.keras import from_keras
from trtnn.passes import lower

k = keras()
L = k.layers

LAYERS: dict[str, Callable[[str], Any]] = {
    "conv": lambda form: L.Conv2D(4, 3, strides=2, padding="same", activation="relu", data_format=form),
    "groups": lambda form: L.Conv2D(6, 3, groups=3, data_format=form),
    "transpose": lambda form: L.Conv2DTranspose(4, 3, strides=2, padding="same", data_format=form),
    "depthwise": lambda form: L.DepthwiseConv2D(3, depth_multiplier=2, data_format=form),
    "separable": lambda form: L.SeparableConv2D(4, 3, padding="same", data_format=form),
    "max pool": lambda form: L.MaxPooling2D(3, 2, "same", data_format=form),
    "average pool": lambda form: L.AveragePooling2D(2, data_format=form),
    "global": lambda form: L.GlobalAveragePooling2D(data_format=form),
    "padding": lambda form: L.ZeroPadding2D(((1, 2), (0, 1)), data_format=form),
    "cropping": lambda form: L.Cropping2D(((1, 2), (0, 1)), data_format=form),
    "upsampling": lambda form: L.UpSampling2D(2, data_format=form),
    "flatten": lambda form: L.Flatten(data_format=form),
    "batch norm": lambda form: L.BatchNormalization(axis=1 if form == "channels_first" else -1),
    "group norm": lambda form: L.GroupNormalization(3, axis=1 if form == "channels_first" else -1),
}


@pytest.mark.parametrize("name", LAYERS)
def test_channels_first(name: str, tmp_path: Path) -> None:
    """The same weights, the image transposed."""
    last, first = k.Input((7, 6, 3)), k.Input((3, 7, 6))
    theirs = k.Model(last, LAYERS[name]("channels_last")(last))
    turned = k.Model(first, LAYERS[name]("channels_first")(first))
    randomize(theirs, np.random.default_rng(0))
    turned.set_weights(theirs.get_weights())
    turned.save(tmp_path / "model.keras")
    image = data(2, 7, 6, 3)
    graph = lower(verify(from_keras(tmp_path / "model.keras").trace()), verify)
    (got,) = results(graph, "onnxruntime", [[np.ascontiguousarray(image.transpose(0, 3, 1, 2))]])
    assert_close(got.transpose(0, 2, 3, 1) if got.ndim == 4 else got, np.asarray(theirs(image)))
