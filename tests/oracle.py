"""Tools for a good oracle: real TensorFlow with weights and inputs that let no bug hide.

A freshly initialised network hardly depends on its input, so it passes almost any comparison. The tests therefore give
every weight a random value (:func:`randomize`), keep the activations in range (:func:`calibrate`), compare relative to
the largest value (:func:`assert_close`) and demand that the output follows the input (:func:`assert_depends_on_input`).
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float32 = NDArray[np.float32]


@functools.cache
def tensorflow(threads: int = 1) -> Any:
    """TensorFlow, imported once per process: quiet, and with one thread, since a test worker has one core.

    Raises RuntimeError when it already runs with another number of threads.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with _stderr_dropped():
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.zeros(())  # creates the runtime, which fixes the thread counts and prints the last of the banners
    return tf


@functools.cache
def keras(threads: int = 1) -> Any:
    """Keras 3 on TensorFlow, imported once per process; ``threads`` as for :func:`tensorflow`."""
    tensorflow(threads)
    import keras as library

    return library


@contextlib.contextmanager
def _stderr_dropped() -> Iterator[None]:
    """Drop what is written to file descriptor 2: TensorFlow prints banners before its log level applies."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def logits_model(application: Callable[..., Any], **arguments: Any) -> Any:
    """A Keras application without downloaded weights that returns logits: a softmax would hide differences.

    ``logits_model(keras().applications.ResNet50, input_shape=(64, 64, 3))``
    """
    return application(weights=None, classifier_activation=None, **arguments)


def varied_images(rng: np.random.Generator, batch: int, height: int, width: int, channels: int = 3) -> Float32:
    """Images (batch, height, width, channels) of about unit scale that differ at every scale.

    Pure noise would look alike to a network that averages over the image; here every image has its own coarse
    patches, brightness and noise.
    """
    images = rng.normal(0, 0.5, (batch, height, width, channels))
    for cells in (1, 3, 8):
        rows, columns = np.arange(height) * cells // height, np.arange(width) * cells // width
        images += rng.normal(0, 0.5, (batch, cells, cells, channels))[:, rows][:, :, columns]
    return images.astype(np.float32)


def randomize(model: Any, rng: np.random.Generator) -> None:
    """Give every floating-point weight of a built Keras model a random value, none of them zero by default.

    Kernels are scaled by their fan-in (He), gammas lie around 1, variances are positive; biases, betas and means are
    of the size of the activations.
    """
    for weight in model.weights:
        if np.issubdtype(np.dtype(weight.dtype), np.floating):
            weight.assign(_random_weight(weight.path, tuple(weight.shape), rng))


def _random_weight(path: str, shape: tuple[int, ...], rng: np.random.Generator) -> Float32:
    name = path.rsplit("/", 1)[-1]
    if name.endswith("kernel"):
        values = rng.normal(0, (2 / _fan_in(path, shape)) ** 0.5, shape)
    elif name == "gamma":
        values = rng.uniform(0.5, 1.5, shape)
    elif name.endswith("variance"):
        values = rng.uniform(0.5, 2, shape)
    elif name == "alpha":
        values = rng.uniform(0.1, 0.5, shape)
    elif name == "embeddings":
        values = rng.normal(0, 1, shape)
    else:
        values = rng.normal(0, 0.3, shape)
    return values.astype(np.float32)


def _fan_in(path: str, shape: tuple[int, ...]) -> int:
    """How many products one output sums, from the kernel's layout: (..., in, out) unless the path says otherwise."""
    if "depthwise" in path:
        return int(np.prod(shape[:-2]))  # (height, width, channels, multiplier)
    if "transpose" in path:
        return int(np.prod(shape[:-2])) * shape[-1]  # (height, width, out, in)
    if any(part in ("query", "key", "value") for part in path.split("/")):
        return shape[0]  # (features, heads, key size)
    return int(np.prod(shape[:-1]))


def calibrate(model: Any, inputs: Any) -> None:
    """Set the moving statistics of every BatchNormalization of a Keras model from ``inputs``, in one forward pass.

    In training mode a BatchNormalization passes on what its batch statistics normalized, and with a momentum of 0 its
    moving statistics become just those: so ``model(inputs)`` gives well-scaled activations everywhere afterwards.
    Dropout is off meanwhile.
    """
    layers = model._flatten_layers()
    norms = [layer for layer in layers if hasattr(layer, "moving_variance")]
    dropouts = [layer for layer in layers if hasattr(layer, "rate")]
    with _overridden(norms, "momentum", 0.0), _overridden(norms, "trainable", True), _overridden(dropouts, "rate", 0.0):
        model(inputs, training=True)


@contextlib.contextmanager
def _overridden(objects: list[Any], attribute: str, value: object) -> Iterator[None]:
    before = [getattr(item, attribute) for item in objects]
    try:
        for item in objects:
            setattr(item, attribute, value)
        yield
    finally:
        for item, old in zip(objects, before, strict=True):
            setattr(item, attribute, old)


def relative_error(got: ArrayLike, want: ArrayLike) -> float:
    """max|got - want| / max|want|, computed in float64; inf or nan when ``got`` is not finite somewhere.

    Raises AssertionError when the shapes differ, or ``want`` is empty, all zero or not finite and so says nothing.
    """
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape, f"shape: got {got.shape}, want {want.shape}"
    assert want.size, f"nothing to compare: the shape is {want.shape}"
    wanted = want.astype(np.float64)
    scale = float(np.abs(wanted).max())
    assert 0 < scale < np.inf, f"the oracle is useless: its largest absolute value is {scale}"
    return float(np.abs(got.astype(np.float64) - wanted).max()) / scale


def assert_close(got: ArrayLike, want: ArrayLike, rtol: float = 1e-5) -> None:
    """Demand ``relative_error(got, want) <= rtol``; the message says how far off it is, how often, and where most."""
    error = relative_error(got, want)
    if error <= rtol:
        return
    got, want = np.asarray(got), np.asarray(want)
    difference = np.abs(got.astype(np.float64) - want.astype(np.float64))
    worst = np.unravel_index(int(difference.argmax()), difference.shape)  # argmax finds a nan before any number
    wrong = int((~(difference <= rtol * np.abs(want).max())).sum())
    raise AssertionError(
        f"relative error {error:.3g} > {rtol:.3g}: {wrong} of {want.size} values of shape {want.shape} are off, "
        f"most at {tuple(map(int, worst))}: got {got[worst]:.9g}, want {want[worst]:.9g}"
    )


def assert_depends_on_input(f: Callable[[Any], ArrayLike], x1: Any, x2: Any, least: float = 0.1) -> None:
    """Demand that ``f(x1)`` and ``f(x2)`` differ by at least ``least``, as :func:`relative_error` counts."""
    change = relative_error(f(x1), f(x2))
    assert change >= least, f"a useless oracle: two inputs change its output by {change:.3g} only, expected {least:.3g}"
