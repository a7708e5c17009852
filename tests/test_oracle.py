"""The oracle's own tests: it must see small bugs, and refuse to vouch where it cannot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracle import (
    assert_close,
    assert_depends_on_input,
    calibrate,
    keras,
    logits_model,
    randomize,
    relative_error,
    tensorflow,
    varied_images,
)


def small_model(epsilon: float = 1e-3) -> Any:
    """A strided SAME convolution, dropout, BatchNorm and logits."""
    layers = keras().layers
    return keras().Sequential(
        [
            layers.Input((12, 12, 3)),
            layers.Conv2D(8, 3, strides=2, padding="same"),
            layers.Dropout(0.5),
            layers.BatchNormalization(epsilon=epsilon),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(5),
        ]
    )


def test_import_happens_once_and_sets_the_threads() -> None:
    tf = tensorflow()
    assert tensorflow() is tf
    assert tf.config.threading.get_intra_op_parallelism_threads() == 1
    assert tf.config.threading.get_inter_op_parallelism_threads() == 1


def test_randomize_leaves_no_weight_at_its_default() -> None:
    model = small_model()
    before = [weight.numpy() for weight in model.weights]
    randomize(model, np.random.default_rng(0))
    for weight, old in zip(model.weights, before, strict=True):
        value = weight.numpy()
        if np.issubdtype(value.dtype, np.floating):  # not the state of Dropout's random generator
            assert not np.any(value == old), weight.path
            assert "variance" not in weight.path or value.min() > 0


def test_randomize_is_decided_by_the_generator() -> None:
    first, second = small_model(), small_model()
    randomize(first, np.random.default_rng(1))
    randomize(second, np.random.default_rng(1))
    for one, other in zip(first.get_weights()[:6], second.get_weights()[:6], strict=True):
        np.testing.assert_array_equal(one, other)


def test_calibrate_takes_the_statistics_of_the_data_and_restores_the_layers() -> None:
    model, rng = small_model(), np.random.default_rng(2)
    randomize(model, rng)
    images = 100 * varied_images(rng, 16, 12, 12)
    calibrate(model, images)
    convolution, dropout, norm = model.layers[:3]
    activations = np.array(convolution(images))
    assert_close(norm.moving_mean, activations.mean(axis=(0, 1, 2)), 1e-4)
    assert_close(norm.moving_variance, activations.var(axis=(0, 1, 2)), 1e-4)
    assert norm.momentum == 0.99
    assert dropout.rate == 0.5


def test_calibrate_keeps_a_deep_network_in_range_and_alive() -> None:
    rng = np.random.default_rng(3)
    model = logits_model(keras().applications.MobileNetV2, input_shape=(32, 32, 3), alpha=0.35)
    randomize(model, rng)
    calibrate(model, varied_images(rng, 16, 32, 32))
    first, second = varied_images(rng, 1, 32, 32), varied_images(rng, 1, 32, 32)
    assert 0.1 < np.abs(model(first)).max() < 1000
    assert_depends_on_input(lambda images: np.array(model(images)), first, second)


def test_a_wrong_epsilon_is_seen() -> None:
    right, wrong, rng = small_model(), small_model(epsilon=1e-5), np.random.default_rng(4)
    images = varied_images(rng, 4, 12, 12)
    randomize(right, rng)
    calibrate(right, images)
    wrong.set_weights(right.get_weights())
    want, got = np.array(right(images)), np.array(wrong(images))
    assert relative_error(got, want) > 1e-4
    with pytest.raises(AssertionError, match=r"relative error .* > 1e-05: \d+ of 20 values of shape \(4, 5\) are off"):
        assert_close(got, want)


def test_the_message_names_the_worst_value() -> None:
    want = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
    got = want.copy()
    got[1, 0] = 4.5
    with pytest.raises(AssertionError, match=r"1 of 6 values .* most at \(1, 0\): got 4.5, want 4$"):
        assert_close(got, want)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_never_close(bad: float) -> None:
    with pytest.raises(AssertionError, match=r"1 of 2 values .* most at \(1,\)"):
        assert_close(np.array([1, bad]), np.array([1, 2]))


@pytest.mark.parametrize(
    ("got", "want", "message"),
    [
        (np.ones(2), np.ones((2, 1)), r"shape: got \(2,\), want \(2, 1\)"),
        (np.ones((0, 2)), np.ones((0, 2)), r"nothing to compare: the shape is \(0, 2\)"),
        (np.zeros(2), np.zeros(2), "useless: its largest absolute value is 0"),
        (np.ones(2), np.array([1, np.nan]), "useless: its largest absolute value is nan"),
    ],
)
def test_a_useless_oracle_is_refused(got: np.ndarray, want: np.ndarray, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        assert_close(got, want)


def test_an_output_that_ignores_the_input_is_refused() -> None:
    with pytest.raises(AssertionError, match="two inputs change its output by 0"):
        assert_depends_on_input(lambda x: np.ones(3) + 0 * x, 1.0, 2.0)
