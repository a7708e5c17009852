"""Dense layers, Einstein sums and embeddings."""

from __future__ import annotations

from trtnn import functional as F
from trtnn import layers
from trtnn.importers.keras.activations import with_activation
from trtnn.importers.keras.calling import Called, call_with_floats, no_mask
from trtnn.importers.keras.registry import KerasLayer, keras_layer
from trtnn.module import Module
from trtnn.tensor import Tensor


@keras_layer("Dense", call=call_with_floats)
def dense(layer: KerasLayer) -> Module:
    """kernel (in, out)."""
    layer.option("units")
    layer.require("quantization_config", None)
    weights = layer.weights(kernel=True, bias=layer.option("use_bias", True))
    features, units = weights["kernel"].shape
    module = layers.Linear(features, units, bias="bias" in weights)
    return with_activation(layer.fill(module, **weights), layer)


@keras_layer("EinsumDense", call=call_with_floats, masks=no_mask)
def einsum_dense(layer: KerasLayer) -> Module:
    """The bias has the shape that Keras made of ``bias_axes``."""
    layer.option("output_shape")
    layer.require("quantization_config", None)
    weights = layer.weights(kernel=True, bias=layer.option("bias_axes") is not None)
    bias = weights["bias"].shape if "bias" in weights else None
    module = layers.EinsumDense(layer.option("equation"), weights["kernel"].shape, bias)
    return with_activation(layer.fill(module, **weights), layer)


def _zero_mask(called: Called) -> Tensor | None:
    return F.not_equal(called.inputs, 0) if called.option("mask_zero", False) else None


@keras_layer("Embedding", masks=_zero_mask)
def embedding(layer: KerasLayer) -> Module:
    """embeddings (vocabulary, features)."""
    layer.option("input_dim"), layer.option("output_dim"), layer.option("mask_zero")
    layer.require("quantization_config", None)
    weights = layer.weights(embeddings=True)
    vocabulary, features = weights["embeddings"].shape
    filled: Module = layer.fill(layers.Embedding(vocabulary, features), **weights)
    return filled


@keras_layer("ReversibleEmbedding", masks=_zero_mask)
def reversible_embedding(layer: KerasLayer) -> Module:
    """embeddings (vocabulary, features), and reverse_embeddings (features, vocabulary) where they are not tied."""
    layer.option("input_dim"), layer.option("output_dim"), layer.option("mask_zero"), layer.option("reverse_dtype")
    layer.require("quantization_config", None)
    tied = layer.option("tie_weights", True)
    weights = layer.weights(embeddings=True, reverse_embeddings=not tied)
    vocabulary, features = weights["embeddings"].shape
    module = layers.ReversibleEmbedding(vocabulary, features, tied, layer.option("logit_soft_cap"))
    filled: Module = layer.fill(module, **weights)
    return filled
