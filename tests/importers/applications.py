"""The families of ``keras.applications``: how each is made small, with weights that a comparison can rely on."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
from oracle import Float32, calibrate, keras, logits_model, randomize, varied_images


@attrs.frozen
class Application:
    """A class of ``keras.applications`` and the size of its smallest useful input."""

    name: str
    size: int
    options: dict[str, Any] = attrs.field(factory=dict)

    def build(self, size: int | None = None) -> Any:
        """The model with logits, random weights and BatchNorm statistics from data."""
        side = size or self.size
        model = logits_model(getattr(keras().applications, self.name), input_shape=(side, side, 3), **self.options)
        rng = np.random.default_rng(0)
        randomize(model, rng)
        for layer in model.layers:
            if hasattr(layer, "finalize_state"):  # Normalization computes with a copy of its weights
                layer.finalize_state()
        calibrate(
            model, varied_images(rng, 16, side, side) * np.float32(self.scale)
        )  # many, or small variances blow up
        return model

    @property
    def scale(self) -> float:
        """What the model takes as pixels: those with Rescaling inside take 0 to 255."""
        return 60.0 if self.name.startswith(("EfficientNet", "ConvNeXt", "MobileNetV3")) else 1.0

    def images(self, count: int, seed: int = 1) -> Float32:
        """Images for it."""
        return varied_images(np.random.default_rng(seed), count, self.size, self.size) * np.float32(self.scale)


APPLICATIONS = [
    Application("VGG16", 32),
    Application("ResNet50", 64),
    Application("ResNet50V2", 64),
    Application("InceptionV3", 75),
    Application("InceptionResNetV2", 75),
    Application("Xception", 71),
    Application("MobileNet", 64),
    Application("MobileNetV2", 64),
    Application("MobileNetV3Small", 64),
    Application("DenseNet121", 64),
    Application("EfficientNetB0", 64),
    Application("EfficientNetV2B0", 64),
    Application("NASNetMobile", 64),
    Application("ConvNeXtTiny", 64),
]
"""One of each family. VGG16 at 32 x 32 has one place left before its dense layers."""
