"""Layers that do nothing at inference: dropout, noise, augmentation."""

from __future__ import annotations

from collections.abc import Mapping

from trtnn.containers import Sequential
from trtnn.importers.keras.calling import no_mask
from trtnn.importers.keras.model import Identity
from trtnn.importers.keras.registry import KerasLayer, keras_layer
from trtnn.module import Module

REGULARIZATION = [
    "Dropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "GaussianNoise",
    "GaussianDropout",
    "AlphaDropout",
    "ActivityRegularization",
    "Identity",
]
AUGMENTATION = [
    "AugMix",
    "AutoContrast",
    "CutMix",
    "MixUp",
    "RandAugment",
    "RandomBrightness",
    "RandomColorDegeneration",
    "RandomColorJitter",
    "RandomContrast",
    "RandomElasticTransform",
    "RandomErasing",
    "RandomFlip",
    "RandomGaussianBlur",
    "RandomGrayscale",
    "RandomHeight",
    "RandomHue",
    "RandomInvert",
    "RandomPerspective",
    "RandomPosterization",
    "RandomRotation",
    "RandomSaturation",
    "RandomSharpness",
    "RandomShear",
    "RandomTranslation",
    "RandomWidth",
    "RandomZoom",
]


def _identity(layer: KerasLayer) -> Module:
    for name in layer.spec.config:
        layer.option(name)  # none of them counts at inference
    return Identity(layer.class_name)


keras_layer(*REGULARIZATION)(_identity)
keras_layer(*AUGMENTATION, masks=no_mask)(_identity)


@keras_layer("Pipeline", masks=no_mask)
def pipeline(layer: KerasLayer) -> Module:
    """Preprocessing layers one after the other; they have no variables."""
    steps = layer.option("layers") or []
    found = [layer.convert(raw, layer.variables, layer.spec.where) for raw in steps if isinstance(raw, Mapping)]
    return Sequential(*found)
