"""Converters of Keras layers, by family; importing them registers them."""

from trtnn.importers.keras.converters import (
    activation,
    applications,
    attention,
    conv,
    dense,
    merge,
    normalization,
    pooling,
    preprocessing,
    recurrent,
    regularization,
    reshaping,
    tf_functions,
    wrappers,
)

__all__ = [
    "activation",
    "applications",
    "attention",
    "conv",
    "dense",
    "merge",
    "normalization",
    "pooling",
    "preprocessing",
    "recurrent",
    "regularization",
    "reshaping",
    "tf_functions",
    "wrappers",
]
