"""Files of Keras 2, which tf_keras writes."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from oracle import tensorflow


@functools.cache
def tf_keras() -> Any:
    """Keras 2 on TensorFlow, imported once per process."""
    tensorflow()
    import tf_keras as library

    return library


def fill(model: Any) -> None:
    """Random values in every weight; Keras 2's weights have no path, but their names end alike."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        shape = tuple(weight.shape)
        if "variance" in weight.name:
            values = rng.uniform(0.5, 2, shape)
        elif len(shape) > 1:
            values = rng.normal(0, (2 / max(np.prod(shape[:-1]), 1)) ** 0.5, shape)
        else:
            values = rng.uniform(0.3, 1, shape)
        weight.assign(values.astype(np.float32))
