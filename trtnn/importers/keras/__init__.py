"""Keras model files as modules, without TensorFlow or Keras: ``.keras`` archives and whole-model ``.h5`` files."""

from __future__ import annotations

from pathlib import Path

from trtnn.importers.keras.build import build_model
from trtnn.importers.keras.model import KerasModel
from trtnn.importers.keras.registry import keras_layer

__all__ = ["KerasModel", "from_keras", "keras_layer"]


def from_keras(path: str | Path) -> KerasModel:
    """A module for the model in a ``.keras`` archive (Keras 3, or Keras 2.12 and later) or a whole-model ``.h5`` file.

    Weights are loaded, as views of the file where it stores them contiguously. ``print(model)`` shows the tree under
    Keras's layer names; ``model.layers["conv1"]`` gets a layer or replaces it; ``model.inputs`` has the inputs under
    their names, None as named dims. Models of half or mixed precision compute in float32 unless compiled otherwise. The
    file is data: no code in it is run. Raises FileFormatError for a damaged or malformed file, and UnsupportedError
    that lists every layer that cannot be converted.
    """
    return build_model(Path(path))
