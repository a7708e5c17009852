"""Train the digits network with TensorFlow and write the files that the example reads.

    python examples/digits/train.py

needs ``tensorflow-cpu`` and ``scikit-learn`` and takes some seconds. It writes, next to this file,

- ``checkpoint/digits.ckpt*``: a name-based checkpoint by ``tf.compat.v1.train.Saver``, with what a training run leaves
  in it: the weights (``conv1/kernel``, ``bn1/moving_mean``, ...), Adam's slots and powers, and ``global_step``;
- ``held_out.npz``: the images that training never saw, their labels, and TensorFlow's own logits for them.

The seeds are fixed: the same machine and versions give the same weights again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HERE = Path(__file__).resolve().parent
SEED = 0
EPOCHS = 40
BATCH = 64
BN_EPSILON = 1e-3
BN_MOMENTUM = 0.99

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
v1: Any = tf.compat.v1


def load_data() -> tuple[Float32, Int64, Float32, Int64]:
    """Training images and labels, then held-out ones: (n, 8, 8, 1) in 0..1 and (n,); a fifth of 1,797 is held out."""
    digits = load_digits()
    images = (digits.images[..., np.newaxis] / 16).astype(np.float32)
    labels = digits.target.astype(np.int64)
    train_x, test_x, train_y, test_y = train_test_split(
        images, labels, test_size=0.2, stratify=labels, random_state=SEED
    )
    return train_x, train_y, test_x, test_y


def variable(name: str, shape: tuple[int, ...], start: Any, trainable: bool = True) -> Any:
    """A variable of the current scope; ``start`` is one of Keras's initializers."""
    return v1.get_variable(name, shape, tf.float32, initializer=start, trainable=trainable)


def conv(x: Any, name: str, filters: int, stride: int) -> Any:
    """3x3 convolution, SAME, NHWC, HWIO kernel."""
    with v1.variable_scope(name):
        kernel = variable("kernel", (3, 3, x.shape[-1], filters), tf.initializers.HeNormal(SEED))
        bias = variable("bias", (filters,), tf.initializers.Zeros())
        return tf.nn.conv2d(x, kernel, strides=stride, padding="SAME") + bias


def batch_norm(x: Any, name: str, training: Any) -> Any:
    """BatchNorm over the last axis: by the batch's statistics while ``training`` (a bool tensor), else the moving."""
    with v1.variable_scope(name):
        channels = (x.shape[-1],)
        gamma = variable("gamma", channels, tf.initializers.Ones())
        beta = variable("beta", channels, tf.initializers.Zeros())
        moving_mean = variable("moving_mean", channels, tf.initializers.Zeros(), trainable=False)
        moving_variance = variable("moving_variance", channels, tf.initializers.Ones(), trainable=False)
        mean, variance = tf.nn.moments(x, axes=[0, 1, 2])
        for moving, batch in ((moving_mean, mean), (moving_variance, variance)):
            update = v1.assign_sub(moving, (1 - BN_MOMENTUM) * (moving - batch))
            v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, update)
        mean = v1.where(training, mean, moving_mean)
        variance = v1.where(training, variance, moving_variance)
        return tf.nn.batch_normalization(x, mean, variance, beta, gamma, BN_EPSILON)


def dense(x: Any, name: str, units: int) -> Any:
    """x @ kernel + bias, with x (batch, in) and kernel (in, units)."""
    with v1.variable_scope(name):
        kernel = variable("kernel", (x.shape[-1], units), tf.initializers.HeNormal(SEED))
        return tf.matmul(x, kernel) + variable("bias", (units,), tf.initializers.Zeros())


def network(images: Any, training: Any) -> Any:
    """Logits (batch, 10) of images (batch, 8, 8, 1)."""
    x = tf.nn.relu(batch_norm(conv(images, "conv1", 16, stride=1), "bn1", training))
    x = tf.nn.relu(batch_norm(conv(x, "conv2", 32, stride=2), "bn2", training))
    x = tf.nn.max_pool2d(x, 2, 2, padding="VALID")
    x = tf.nn.relu(dense(tf.reshape(x, (-1, 2 * 2 * 32)), "fc1", 64))
    return dense(x, "logits", 10)


def train_operation(logits: Any, labels: Any) -> Any:
    """One step of Adam that also moves the BatchNorm statistics and counts in ``global_step``."""
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    with v1.control_dependencies(v1.get_collection(v1.GraphKeys.UPDATE_OPS)):
        step = v1.train.get_or_create_global_step()
        return v1.train.AdamOptimizer(2e-3).minimize(tf.reduce_mean(losses), global_step=step)


def main() -> None:
    """Train, write the checkpoint and the held-out file, and print the held-out accuracy."""
    train_x, train_y, test_x, test_y = load_data()
    rng = np.random.default_rng(SEED)
    with tf.Graph().as_default(), v1.Session(config=v1.ConfigProto(intra_op_parallelism_threads=1)) as session:
        images = v1.placeholder(tf.float32, (None, 8, 8, 1), "image")
        labels = v1.placeholder(tf.int64, (None,), "label")
        training = v1.placeholder(tf.bool, (), "training")
        logits = network(images, training)
        step = train_operation(logits, labels)
        session.run(v1.global_variables_initializer())
        for _ in range(EPOCHS):
            order = rng.permutation(len(train_x))
            for first in range(0, len(order), BATCH):
                batch = order[first : first + BATCH]
                session.run(step, {images: train_x[batch], labels: train_y[batch], training: True})
        saver = v1.train.Saver(save_relative_paths=True)
        saver.save(session, str(HERE / "checkpoint" / "digits.ckpt"), write_meta_graph=False)
        test_logits = session.run(logits, {images: test_x, training: False})
    np.savez_compressed(HERE / "held_out.npz", images=test_x, labels=test_y, logits=test_logits)
    print(f"held-out accuracy: {np.mean(test_logits.argmax(axis=1) == test_y):.2%} of {len(test_y)} images")


if __name__ == "__main__":
    main()
